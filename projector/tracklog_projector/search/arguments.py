"""The arguments of a statement under composition: every value is bound, none becomes text."""

from typing import Any


class Arguments:
    """Collects values and hands out their placeholders."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def bind(self, value: Any, sql_type: str) -> str:
        """The typed placeholder that stands for `value`, such as `$3::text`."""
        self._values.append(value)
        return f"${len(self._values)}::{sql_type}"

    @property
    def values(self) -> tuple[Any, ...]:
        """All values bound so far, in placeholder order."""
        return tuple(self._values)
