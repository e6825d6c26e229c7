"""What `tracklog quota` does: tells what is limited and used, and sets limits."""

from argparse import Namespace
from collections.abc import Iterable
from typing import Any, Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.quotas import LIMITS, SCOPES
from tracklog_ingest.access import quotas
from tracklog_ingest.access.quotas import Limit
from tracklog_ingest.access.turn import Turn

NONE: Final = "none"


async def show_quotas(turn: Turn, given: Namespace) -> Iterable[str]:
    """What is limited, one limit a line: scope, subject, limit, most, used, percent."""
    scope, subject = _subject(given) or (None, None)
    return [
        "\t".join((found.scope, found.subject, found.name, f"{found.most}", *_used(found)))
        for found in await quotas.quotas_of(turn, scope, subject)
    ]


def _used(found: Limit) -> tuple[str, ...]:
    if found.used is None:
        return ()
    return f"used {found.used}", f"{percent(found.used, found.most)} %"


async def set_quotas(turn: Turn, given: Namespace) -> Iterable[str]:
    """Limits of one workspace, experiment or user."""
    subject = _subject(given)
    if subject is None:
        raise Rejected(INVALID, "give one of --workspace, --experiment and --principal.")
    for text in given.limits:
        name, _, most = text.partition("=")
        await quotas.set_quota(turn, *subject, name, _number(name, most))
    return []


def percent(used: int, most: int) -> float:
    """How much of a limit is used."""
    return round(100 * used / most, 1) if most else 100.0


def _number(name: str, text: str) -> int | None:
    if text == NONE:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Rejected(INVALID, f"{name} must be a whole number or {NONE}, as in {LIMITS[0]}=1000000.")
    return int(text[:40])


def _subject(given: Namespace) -> tuple[str, str] | None:
    """The scope and subject that options name; None for none of them."""
    named = [(scope, getattr(given, scope)) for scope in SCOPES if getattr(given, scope) is not None]
    if len(named) > 1:
        raise Rejected(INVALID, "give only one of --workspace, --experiment and --principal.")
    return named[0] if named else None


_SUBJECT: Final = (
    ("--workspace", {"metavar": "NAME"}),
    ("--experiment", {"metavar": "ID"}),
    ("--principal", {"metavar": "NAME", "help": "a user, a person or program"}),
)
QUOTA_ACTIONS: Final[dict[str, Any]] = {
    "show": ("list what is limited and used, of all or of one", show_quotas, _SUBJECT),
    "set": (
        "limit a workspace, an experiment or a user",
        set_quotas,
        (
            (
                "limits",
                {
                    "metavar": "LIMIT=NUMBER",
                    "nargs": "+",
                    "help": f"{', '.join(LIMITS)}; NUMBER {NONE} takes a limit away",
                },
            ),
            *_SUBJECT,
        ),
    ),
}
