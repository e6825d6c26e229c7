"""Times as people write them: so long ago or ahead, or a date."""

import contextlib
import datetime as dt
import re
from typing import Final

from tracklog_contract.errors import INVALID, Rejected

SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])\Z", re.ASCII)
YEAR_MIN: Final = 1970
YEAR_MAX: Final = 9000
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def span_of(text: str) -> dt.timedelta | None:
    """How long "90d", "12h" or "30m" is; None for any other text."""
    found = SPAN.match(text)
    return None if found is None else dt.timedelta(**{UNITS[found[2]]: int(found[1])})


def moment_of(text: str) -> dt.datetime:
    """The moment that "7d" (ago), a date or a time in ISO 8601 means; one without a zone is UTC.

    Raises: Rejected, for other texts.
    """
    span = span_of(text)
    if span is not None:
        return dt.datetime.now(dt.UTC) - span
    with contextlib.suppress(ValueError):
        moment = dt.datetime.fromisoformat(text)
        # At the ends of the calendar no zone could be added, and no minute.
        if YEAR_MIN <= moment.year <= YEAR_MAX:
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    raise Rejected(INVALID, f"A time is like 7d, 12h, 2026-01-31 or 2026-01-31T12:00Z, not {text[:100]!r}.")
