"""JSON text from users, read only as deep as every reader and writer of it can go."""

import json
from collections.abc import Iterable
from typing import Any, Final

# Far deeper than any real document, and far from the interpreter's own limit, which counts the caller's
# frames too: so whether a text is accepted never depends on who reads it.
DEPTH_MAX: Final = 100


def loads(text: str, *, depth_max: int = DEPTH_MAX) -> Any:
    """The value in `text`.

    Raises: ValueError, when it is no JSON, or lists and objects stand in it more than `depth_max` deep.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = _containers([value])
    for _ in range(depth_max):
        level = _containers(item for container in level for item in _items(container))
    if level:
        raise ValueError("nested too deeply")
    return value


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list))]


def _items(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
