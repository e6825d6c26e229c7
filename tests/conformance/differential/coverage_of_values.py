"""Which of the values that servers get wrong, and which sizes at their limits, stand in a call."""

import math

VALUES = frozenset(
    {
        "NaN", "Infinity", "-Infinity", "-0.0", "greatest int64", "least int64", "beyond int64",
        "number as text", "empty text", "NUL", "lone surrogate", "combining character", "right to left",
        "beyond the BMP", "null",
    }
)  # fmt: skip


# Of a list; more would cost more than they tell.
ITEMS_LOOKED_AT = 20
# Lengths of texts and lists, and numbers, on either side of each limit of MLflow's, by the field's name.
LIMITS = {
    "name": (500, 501), "artifact_location": (2048, 2049), "run_name": (8000,), "key": (250, 251, 255, 256),
    "value": (500, 501, 6000, 6001, 8000, 8001, 20_000, 20_001),
    "digest": (36, 37), "source": (65_535, 65_536),
    "metrics": (1000, 1001), "params": (100, 101), "tags": (100, 101), "run_ids": (100, 101),
    "experiment_ids": (20, 21), "max_results": (0, 1, 2500, 2501, 500, 501, 25_000, 25_001, 50_000, 50_001),
    "trace_ids": (100, 101), "request_preview": (1000, 1001), "assessment_name": (250, 251),
    "client_request_id": (50, 51, 255, 256),
    "expiration": (604_800, 604_801),
}  # fmt: skip
AT_LIMITS = frozenset(f"{field} of {size}" for field, sizes in LIMITS.items() for size in sizes)


def at_limits(value):
    """Which of AT_LIMITS are met anywhere in a call's fields."""
    if isinstance(value, list):
        return set().union(*map(at_limits, value[:ITEMS_LOOKED_AT]))
    if not isinstance(value, dict):
        return set()
    found = {f"{field} of {_size(item)}" for field, item in value.items() if field in LIMITS}
    return (found & AT_LIMITS).union(*map(at_limits, value.values()))


def _size(value):
    return len(value) if isinstance(value, str | list) else value


def values_of(value):
    """Which of VALUES stand anywhere in a call's fields."""
    if isinstance(value, dict):
        return set().union(*map(values_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(values_of, value[:ITEMS_LOOKED_AT]))
    if value is None:
        return {"null"}
    if isinstance(value, str):
        return _of_text(value)
    return _of_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else set()


def _of_number(value):
    if isinstance(value, float):
        if math.isnan(value):
            return {"NaN"}
        return {"-0.0"} if value == 0 and math.copysign(1, value) < 0 else set()
    extremes = {2**63 - 1: "greatest int64", -(2**63): "least int64"}
    if abs(value) > 2**63:
        return {"beyond int64"}
    return {extremes[value]} if value in extremes else set()


def _of_text(text):
    found = {
        name
        for name, is_there in (
            ("empty text", not text),
            ("number as text", text.lstrip("-").isdecimal()),
            ("NUL", "\0" in text),
            ("lone surrogate", any("\ud800" <= character <= "\udfff" for character in text)),
            ("combining character", "\u0308" in text),
            ("right to left", "ש" in text or "م" in text),
            ("beyond the BMP", any(character > "\uffff" for character in text)),
        )
        if is_there
    }
    return found | ({text} & {"NaN", "Infinity", "-Infinity"})
