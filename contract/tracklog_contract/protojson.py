"""Requests as MLflow's server reads them: from a JSON body or a query string to checked Python values.

As tolerant as protobuf's JSON (numbers as text, camelCase, unknown fields, null for absent) and as
strict as MLflow's checks, in its words. Where MLflow answers 200 to a body it read only half, for
instance a timestamp beyond 64 bits, the request is rejected instead.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tracklog_contract import well_known
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_contract.shape import Check, Field, Message, Type

__all__ = [
    "API_DOCS",
    "Field",
    "Message",
    "clipped",
    "decode_body",
    "decode_fields",
    "decode_query",
    "invalid_value",
    "whole_number",
]

API_DOCS: Final = " See the API docs for more information about request parameters."
# MLflow echoes a refused value whole, however long.
SHOWN_CHARS_MAX: Final = 1000


def decode_body(message: Message, body: bytes, content_type: str) -> dict[str, Any]:
    """The fields of `message` in a JSON body, by snake_case name; absent fields without a default are absent.

    Broken JSON counts as an empty body, and a JSON text that holds JSON as that JSON, as for MLflow.
    Raises: Rejected, whatever the bytes.
    """
    _require_json(content_type)
    given = _parsed(body)
    if isinstance(given, str):
        given = _parsed(given)
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Rejected(INVALID, f"The request body must be a JSON object, not {_json_kind(given)}.")
    return decode_fields(message, given)


def decode_fields(message: Message, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of `message` in a JSON object that was decoded already.

    Raises: Rejected, whatever is in it.
    """
    _refuse_double_spellings(message, given)
    return _decoded(message, given)


def decode_query(message: Message, items: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The fields of `message` in a query string's decoded pairs. A repeated name is a list.

    Raises: Rejected, whatever the pairs.
    """
    given: dict[str, Any] = {}
    for field in message.fields:
        for name in (field.name, *field.older_spellings[:1]):
            texts = [text for key, text in items if key == name]
            if texts:
                given[name] = texts if field.repeated else _query_value(field, texts[0])
    return _decoded(message, given)


def invalid_value(path: str, value: Any, reason: str = "") -> str:
    """MLflow's sentence for a value it refuses."""
    ending = f": {reason}" if reason else "."
    return f"Invalid value {_shown(value)} for parameter '{path}' supplied{ending}"


def clipped(text: str) -> str:
    """`text` for an error message: at most SHOWN_CHARS_MAX characters and an ellipsis."""
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "..."


def whole_number(raw: Any) -> int | None:
    """The integer that protobuf's JSON reads in `raw` (7, 7.0, "7", "7.0"), or None."""
    try:
        if isinstance(raw, str):
            return _whole_in_text(raw)
        if isinstance(raw, bool) or not isinstance(raw, (int, float)):
            return None
        return int(raw) if raw == int(raw) else None
    except (ValueError, OverflowError):
        return None


class _UnreadableError(Exception):
    """A value does not fit its field. `path` grows from the inside out."""

    def __init__(self, value: Any, reason: str = "") -> None:
        super().__init__()
        self.value = value
        self.reason = reason
        self.path = ""

    def within(self, outer: str) -> "_UnreadableError":
        dot = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{outer}{dot}{self.path}"
        return self

    def rejected(self) -> Rejected:
        if self.reason:
            return Rejected(INVALID, invalid_value(self.path, self.value, self.reason))
        return Rejected(INVALID, _of_wrong_type(self.path, self.value))


def _decoded(message: Message, given: dict[str, Any]) -> dict[str, Any]:
    unreadable: _UnreadableError | None = None
    values: dict[str, Any] = {}
    try:
        values = _read_message(message, given)
    except _UnreadableError as error:
        unreadable = error
    # MLflow's checks come first even so: they know the message a client expects.
    _check(message, given, "", all_read=unreadable is None)
    if unreadable is not None:
        raise unreadable.rejected()
    return values


def _read_message(message: Message, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _UnreadableError(given)
    values = message.defaults.copy()
    older: dict[str, Any] = {}
    for key, raw in given.items():
        field = message.field_by_key.get(key)
        if field is None or raw is None:
            continue
        try:
            value = _read_repeated(field, raw) if field.repeated else _READERS[field.type](field, raw)
        except _UnreadableError as error:
            raise error.within(field.name) from None
        if value is not None:
            (older if key in field.older_spellings else values)[field.name] = value
    for name, value in older.items():
        if not values.get(name):
            values[name] = value
    return values


def _read_repeated(field: Field, raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise _UnreadableError(raw)
    read = _READERS[field.type]
    values = []
    for index, item in enumerate(raw):
        try:
            values.append(read(field, item))
        except _UnreadableError as error:
            raise error.within(f"[{index}]") from None
    return values


def _read_text(_field: Field, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _UnreadableError(raw)
    if "\x00" in raw:
        raise _UnreadableError(raw, "Text cannot hold the character U+0000.")
    if not raw.isascii():
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise _UnreadableError(raw, "Text cannot hold an unpaired surrogate.") from None
    return raw


def _read_int32(_field: Field, raw: Any) -> int:
    return _whole_between(-(2**31), 2**31 - 1, raw)


def _read_int64(_field: Field, raw: Any) -> int:
    return _whole_between(INT64_MIN, INT64_MAX, raw)


def _whole_between(lowest: int, highest: int, raw: Any) -> int:
    number = raw if type(raw) is int else whole_number(raw)
    if number is None:
        raise _UnreadableError(raw)
    if not lowest <= number <= highest:
        raise _UnreadableError(raw, f"It must lie between {lowest} and {highest}.")
    return number


def _whole_in_text(text: str) -> int | None:
    if " " in text:
        return None
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else None


def _read_double(_field: Field, raw: Any) -> float:
    if isinstance(raw, (int, float, str)):
        try:
            return float(raw)
        except ValueError:
            pass
        except OverflowError:
            raise _UnreadableError(raw, "It is too large for a 64-bit floating point number.") from None
    raise _UnreadableError(raw)


def _read_bool(_field: Field, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _UnreadableError(raw)
    return raw


def _read_enum(field: Field, raw: Any) -> int | None:
    assert field.numbers is not None
    if isinstance(raw, str) and raw in field.numbers:
        return field.numbers[raw]
    if not isinstance(raw, (str, int, float)):
        raise _UnreadableError(raw)
    try:
        number = int(raw)
    except ValueError:
        if field.required:
            raise _UnreadableError(raw) from None
        return None  # A name of a later version counts as absent.
    except OverflowError:
        raise _UnreadableError(raw) from None
    if number not in field.numbers.values():
        raise _UnreadableError(raw)
    return number


def _read_nested(field: Field, raw: Any) -> dict[str, Any]:
    assert field.message is not None
    return _read_message(field.message, raw)


def _well_known(read: Callable[[Any], Any]) -> Callable[[Field, Any], Any]:
    def read_field(_field: Field, raw: Any) -> Any:
        try:
            return read(raw)
        except ValueError as error:
            raise _UnreadableError(raw, str(error)) from None

    return read_field


_READERS: Final[dict[Type, Callable[[Field, Any], Any]]] = {
    "string": _read_text,
    "int32": _read_int32,
    "int64": _read_int64,
    "double": _read_double,
    "bool": _read_bool,
    "enum": _read_enum,
    "message": _read_nested,
    "map": _well_known(well_known.read_map),
    "timestamp": _well_known(well_known.read_timestamp),
    "duration": _well_known(well_known.read_duration),
    "free": _well_known(well_known.read_free),
}


def _check(message: Message, given: Mapping[str, Any], path: str, *, all_read: bool) -> None:
    for field in message.fields:
        raw = field.raw_in(given)
        if raw is None and not field.required:
            continue
        for check in field.checks:
            if not (check.kind == "type" and all_read) and not check.passes(raw):
                raise Rejected(INVALID, _failure(check, path + field.name, raw))
        if field.message is not None and field.message.has_checks:
            for where, item in _parts(field, raw):
                _check(field.message, item, f"{path}{field.name}{where}.", all_read=all_read)


def _parts(field: Field, raw: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(raw, dict) and not field.repeated:
        yield "", raw
    if isinstance(raw, list) and field.repeated:
        yield from ((f"[{index}]", item) for index, item in enumerate(raw) if isinstance(item, dict))


def _failure(check: Check, path: str, raw: Any) -> str:
    if check.text:
        return check.text.format(path=path, count=len(raw) if isinstance(raw, list) else 0)
    return _of_wrong_type(path, raw)


def _of_wrong_type(path: str, raw: Any) -> str:
    return invalid_value(path, raw, f" Hint: Value was of type '{type(raw).__name__}'.") + API_DOCS


def _refuse_double_spellings(message: Message, given: Mapping[str, Any]) -> None:
    for name, camel in message.double_spellings:
        if name in given and camel in given:
            raise Rejected(
                INVALID, f"Request specifies both '{name}' and '{camel}'; provide only one of them."
            )
    for field, part in message.nested:
        raw = field.raw_in(given)
        for item in raw if isinstance(raw, list) else [raw]:
            if isinstance(item, dict):
                _refuse_double_spellings(part, item)


def _require_json(content_type: str) -> None:
    if not content_type:
        raise Rejected(INVALID, "Bad Request. Content-Type header is missing.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Rejected(INVALID, "Bad Request. Content-Type must be one of ['application/json'].")


def _parsed(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
    except RecursionError:
        raise Rejected(INVALID, "The request body is nested too deeply.") from None


def _query_value(field: Field, text: str) -> str | bool:
    if field.type != "bool":
        return text
    if text.lower() not in ("true", "false"):
        raise Rejected(INVALID, f"Invalid boolean value: {text}, must be 'true' or 'false'.")
    return text.lower() == "true"


def _shown(value: Any) -> str:
    try:
        return clipped(json.dumps(value, sort_keys=True, separators=(",", ":")))
    except RecursionError:
        return _json_kind(value)


def _json_kind(value: Any) -> str:
    return {list: "an array", dict: "an object", str: "a string", bool: "a boolean"}.get(
        type(value), "a number"
    )
