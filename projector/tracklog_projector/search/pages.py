"""A compiled search, and the page tokens that continue it: the last row's sort keys, bound to the search."""

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tracklog_contract.errors import INVALID, Rejected
from tracklog_projector.search.keyset import SortKey, Value

TOKEN_CHARS_MAX: Final = 1_000_000
Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Query:
    """A statement that selects one page and, if there is one, the first row of the next.

    `sql` returns up to `limit` + 1 rows; `next_token` makes of the last row shown the token of the next page.
    `of_metrics` says that it looks at the latest points of runs.
    """

    sql: str
    args: tuple[Any, ...]
    limit: int
    next_token: Callable[[Mapping[str, Any]], str]
    of_metrics: bool = False

    def page(self, rows: Sequence[Row]) -> tuple[Sequence[Row], str]:
        """The rows to show, and the token of the next page: empty when this is the last one."""
        if len(rows) <= self.limit:
            return rows, ""
        shown = rows[: self.limit]
        return shown, self.next_token(shown[-1])


def fingerprint(*search: Any) -> str:
    """A short name for a search: equal for equal JSON-able arguments."""
    text = json.dumps(search, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def token_writer(search: str, keys: Sequence[SortKey]) -> Callable[[Mapping[str, Any]], str]:
    """What turns a row into the token that continues after it."""
    columns = [key.column for key in keys]

    def token(row: Mapping[str, Any]) -> str:
        values = [value.hex if isinstance(value := row[column], uuid.UUID) else value for column in columns]
        # Python's JSON keeps integers whole, doubles exact, and NaN and the infinities by name.
        text = json.dumps([search, *values], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode()

    return token


def read_token(token: str, search: str, keys: Sequence[SortKey]) -> tuple[Value, ...] | None:
    """The sort keys in `token`; None when it is empty, which asks for the first page.

    Raises: Rejected, when it is no token, or another search's.
    """
    if not token:
        return None
    if len(token) > TOKEN_CHARS_MAX:
        raise Rejected(INVALID, "Invalid page token, too long")
    try:
        decoded = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except binascii.Error:
        raise Rejected(INVALID, "Invalid page token, could not base64-decode") from None
    except (ValueError, RecursionError):
        raise Rejected(INVALID, "Invalid page token, it does not hold a position") from None
    if not isinstance(decoded, list) or len(decoded) != len(keys) + 1:
        raise Rejected(INVALID, "Invalid page token, it does not hold a position of this search")
    if decoded[0] != search:
        raise Rejected(
            INVALID,
            "Invalid page token, it belongs to a search with other experiments, filter, order or view type",
        )
    values = tuple(_value(key, value) for key, value in zip(keys, decoded[1:], strict=True))
    if not all(key.holds(value) for key, value in zip(keys, values, strict=True)):
        raise Rejected(INVALID, "Invalid page token, its position has values of the wrong type")
    return values


def _value(key: SortKey, value: Any) -> Any:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            return ...
        if key.kind == "uuid":
            try:
                return uuid.UUID(hex=value)
            except ValueError:
                return ...
    return value
