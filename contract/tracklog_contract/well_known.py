"""Protobuf's JSON for timestamps, durations and free values: read as MLflow reads them, written as it writes.

Times are whole milliseconds here: MLflow rounds them down when it reads.
"""

import datetime as dt
import math
import re
from typing import Any, Final

from tracklog_contract.bounded_json import DEPTH_MAX

# Years 1 to 9999, which is all a Timestamp can say; and the longest Duration.
TIMESTAMP_MS_MIN: Final = -62_135_596_800_000
TIMESTAMP_MS_MAX: Final = 253_402_300_799_999
DURATION_MS_MAX: Final = 315_576_000_000_000

_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read_timestamp(raw: Any) -> int:
    """Milliseconds since 1970. Raises: ValueError, when `raw` is no timestamp."""
    found = _TIMESTAMP.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError("It must be a time such as 2025-01-31T12:00:00.000Z.")
    *numbers, fraction, zone = found.groups()
    offset = dt.timedelta(0)
    if zone != "Z":
        offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6])) * (-1 if zone[0] == "-" else 1)
    # A time zone's hours may carry a time beyond what a datetime holds: the offset is taken off in numbers.
    moment = dt.datetime(*(int(number) for number in numbers), tzinfo=dt.UTC)  # type: ignore[misc,arg-type]
    seconds = (moment - _EPOCH - offset) // dt.timedelta(seconds=1)
    milliseconds = seconds * 1000 + int((fraction or "").ljust(9, "0")) // 1_000_000
    if not TIMESTAMP_MS_MIN <= milliseconds <= TIMESTAMP_MS_MAX:
        raise ValueError("It must be a time between the years 1 and 9999.")
    return milliseconds


def read_duration(raw: Any) -> int:
    """Milliseconds, rounded towards zero. Raises: ValueError, when `raw` is no duration."""
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError("It must be a duration such as 1.500s.")
    sign, seconds, fraction = found.groups()
    milliseconds = int(seconds) * 1000 + int((fraction or "").ljust(9, "0")) // 1_000_000
    if milliseconds > DURATION_MS_MAX:
        raise ValueError("It must not be longer than 10,000 years.")
    return -milliseconds if sign else milliseconds


def read_map(raw: Any) -> dict[str, str]:
    """Texts by name. Raises: ValueError, when `raw` is anything else."""
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise ValueError("It must be an object whose values are texts.")
    for text in (*raw, *raw.values()):
        check_text(text)
    return raw


def read_free(raw: Any, *, depth_max: int = DEPTH_MAX) -> Any:
    """Any JSON value, its numbers as doubles.

    Raises: ValueError, for lists and objects more than `depth_max` deep, or what a JSON answer cannot hold.
    """
    if isinstance(raw, (dict, list)) and depth_max == 0:
        raise ValueError("It is nested too deeply.")
    if isinstance(raw, dict):
        for name in raw:
            check_text(name)
        return {name: read_free(value, depth_max=depth_max - 1) for name, value in raw.items()}
    if isinstance(raw, list):
        return [read_free(value, depth_max=depth_max - 1) for value in raw]
    if isinstance(raw, str):
        check_text(raw)
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return _finite(raw)
    return raw


def _finite(number: float) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("A number must be finite.")
    return value


def check_text(text: str) -> None:
    """Accept text that PostgreSQL can hold. Raises: ValueError."""
    if "\0" in text:
        raise ValueError("Text cannot hold the character U+0000.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("Text cannot hold an unpaired surrogate.") from None


def timestamp_text(milliseconds: int) -> str:
    """As protobuf's JSON writes the time: with three digits of a second's fraction, or none."""
    seconds, fraction = divmod(milliseconds, 1000)
    moment = _EPOCH + dt.timedelta(seconds=seconds)
    # Not strftime: it leaves the zeros out of a year below 1000.
    return f"{moment.replace(tzinfo=None).isoformat()}{_fraction(fraction)}Z"


def duration_text(milliseconds: int) -> str:
    """As protobuf's JSON writes the duration."""
    seconds, fraction = divmod(abs(milliseconds), 1000)
    return f"{'-' if milliseconds < 0 else ''}{seconds}{_fraction(fraction)}s"


def _fraction(milliseconds: int) -> str:
    return f".{milliseconds:03d}" if milliseconds else ""
