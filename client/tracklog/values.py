"""What a user may log: keys, numbers, texts and columns, checked and brought into the spool's form."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Final, Protocol, TypeAlias

from tracklog_contract import validate
from tracklog_contract.errors import Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN, PARAM_VALUE_CHARS_MAX, TAG_VALUE_CHARS_MAX


class SupportsFloat(Protocol):
    """Anything that `float` takes, such as a numpy scalar or a tensor of one item."""

    def __float__(self) -> float:
        """The number."""
        ...


Number: TypeAlias = float | SupportsFloat
# A numpy array, an array.array, a memoryview, a list or a range.
Column: TypeAlias = Iterable[Any]

_TEXT_MAX: Final = {"param": PARAM_VALUE_CHARS_MAX, "tag": TAG_VALUE_CHARS_MAX}
_DENSE_CHUNK: Final = 65_536


class BadInput(ValueError, TypeError):
    """What was to be logged cannot be; whatever else the call held has been logged."""


def raise_if(problems: list[str], words: str) -> None:
    """Tell of problems, if there are any. Raises: BadInput."""
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise BadInput(f"{words}: {'; '.join(problems[:5])}{more}")


def metric_key(key: Any) -> None:
    """Accept a metric's key. Raises: BadInput."""
    if not isinstance(key, str):
        raise BadInput(f"a metric's key must be text, not {type(key).__name__}")
    try:
        validate.metric_key(key)
    except Rejected as error:
        raise BadInput(error.message) from None


def number(value: Any) -> float:
    """The number that `value` is: a float, an int, a numpy scalar, a tensor of one item.

    Raises: BadInput, for anything else, text included.
    """
    if isinstance(value, (str, bytes, bytearray)):
        raise BadInput(f"must be a number, not text ({value[:50]!r})")
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        raise BadInput(f"must be a real number, not {value!r}")
    try:
        # Of an array numpy gives the one item without a warning only by `item`.
        return float(value if getattr(value, "ndim", 0) == 0 else value.item())
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        if not hasattr(value, "item"):
            raise BadInput(f"must be a number: {error}") from None
    try:
        return float(value.item())
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise BadInput(f"must be one number: {error}") from None


def integer(value: Any, what: str, *, low: int = INT64_MIN) -> int:
    """The 64-bit integer that `value` is. Raises: BadInput."""
    try:
        number = index(value)
    except TypeError:
        raise BadInput(f"{what} must be a whole number, not {type(value).__name__}") from None
    if not low <= number <= INT64_MAX:
        raise BadInput(f"{what} must be from {low} to {INT64_MAX}, not {number}")
    return number


def text_pair(kind: str, key: Any, value: Any) -> str:
    """The text to keep for the param or tag `key`. Raises: BadInput, for a key or value that is refused."""
    if not isinstance(key, str):
        raise BadInput(f"a {kind}'s key must be text, not {type(key).__name__}")
    try:
        validate.param(key, "") if kind == "param" else validate.tag(key, "")
    except Rejected as error:
        raise BadInput(error.message) from None
    text = value if isinstance(value, str) else str(value)
    return plain_text(text, f"{kind} {key!r}", _TEXT_MAX[kind])


def plain_text(text: Any, what: str, chars_max: int) -> str:
    """A text as the server takes it. Raises: BadInput, when it is too long or cannot be UTF-8."""
    if not isinstance(text, str):
        raise BadInput(f"{what} must be text, not {type(text).__name__}")
    if len(text) > chars_max:
        raise BadInput(f"{what} has {len(text)} characters, and may have {chars_max}")
    if "\0" in text:
        raise BadInput(f"{what} must not hold the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} holds half of a surrogate pair, which is no text") from None
    return text


def accepted_numbers(values: Mapping[str, Any], known: set[str]) -> tuple[dict[str, float], list[str]]:
    """The numbers of `values` by key, and what is wrong with the rest.

    `known` are keys that were accepted before; new ones are added.
    """
    if not isinstance(values, Mapping):
        raise BadInput(f"log takes a dict of numbers, not {type(values).__name__}")
    accepted: dict[str, float] = {}
    problems: list[str] = []
    for key, value in values.items():
        try:
            if key not in known:
                metric_key(key)
                known.add(key)
            accepted[key] = number(value)
        except BadInput as error:
            problems.append(f"{key!r:.100}: {error}")
    return accepted, problems


def accepted_texts(kind: str, texts: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The params or tags in `texts` as they are kept, and what is wrong with the rest."""
    if not isinstance(texts, Mapping):
        raise BadInput(f"{kind}s must be a dict, not {type(texts).__name__}")
    accepted: dict[str, str] = {}
    problems: list[str] = []
    for key, value in texts.items():
        try:
            accepted[key] = text_pair(kind, key, value)
        except BadInput as error:
            problems.append(str(error))
    return accepted, problems


def float_column(column: Column) -> "array[float]":
    """A one-dimensional column of numbers. Raises: BadInput."""
    return _column(column, "d", "<f8", "values")


def int_column(column: Column, what: str) -> "array[int]":
    """A one-dimensional column of 64-bit integers. Raises: BadInput."""
    return _column(column, "q", "<i8", what)


def _column(column: Any, code: str, dtype: str, what: str) -> "array[Any]":
    if isinstance(column, (str, bytes, bytearray, Mapping)):
        raise BadInput(f"{what} must be a column of numbers, not {type(column).__name__}")
    if getattr(column, "ndim", 1) != 1:
        raise BadInput(f"{what} must have one dimension, not {column.ndim}")
    try:
        if hasattr(column, "to_numpy"):
            column = column.to_numpy()
        if hasattr(column, "astype") and hasattr(column, "dtype"):
            return _from_array(column, code, dtype, what)
        if hasattr(column, "tolist") and not isinstance(column, (array, memoryview)):
            column = column.tolist()
        elif not hasattr(column, "__len__"):
            # An iterator can be read once only.
            column = list(column)
        return array(code, column)
    except (TypeError, OverflowError, ValueError):
        return _one_by_one(column, code, what)


def _from_array(column: Any, code: str, dtype: str, what: str) -> "array[Any]":
    """A numpy array, or what behaves as one, without importing numpy."""
    kind = getattr(column.dtype, "kind", "f")
    if kind not in ("iub" if code == "q" else "iubf"):
        raise BadInput(f"{what} must be {'whole ' if code == 'q' else ''}numbers, not {column.dtype}")
    if code == "q" and str(column.dtype) == "uint64" and len(column) and column.max() > INT64_MAX:
        raise BadInput(f"{what} must be at most {INT64_MAX}")
    items = array(code)
    items.frombytes(column.astype(dtype).tobytes())
    if sys.byteorder == "big":
        items.byteswap()
    return items


def _one_by_one(column: Any, code: str, what: str) -> "array[Any]":
    convert = number if code == "d" else _whole
    try:
        return array(code, [convert(item) for item in column])
    except (TypeError, OverflowError, ValueError) as error:
        raise BadInput(f"{what} must be a column of numbers: {error}") from None


def _whole(item: Any) -> int:
    return integer(item, "each item")


def is_dense(steps: "array[int]") -> bool:
    """Do the steps go up by one."""
    first, count = steps[0], len(steps)
    if steps[-1] - first != count - 1:
        return False
    for start in range(0, count, _DENSE_CHUNK):
        end = min(start + _DENSE_CHUNK, count)
        if steps[start:end] != array("q", range(first + start, first + end)):
            return False
    return True


def column_bytes(column: "array[Any]") -> bytes:
    """A column as the spool and the server take it: little-endian."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def column_of(data: bytes, code: str) -> "array[Any]":
    """The column whose bytes are `data`."""
    column: array[Any] = array(code)
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def chunks(pairs: Mapping[str, Any], items_max: int) -> Iterator[dict[str, Any]]:
    """The pairs in portions of at most `items_max`."""
    items = list(pairs.items())
    for start in range(0, len(items), items_max):
        yield dict(items[start : start + items_max])
