"""What a request looks like: messages, their fields, and the checks MLflow makes on a field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

# A map has texts as its values; timestamps and durations are milliseconds; what is free is any JSON value.
Type = Literal[
    "string", "int32", "int64", "double", "bool", "enum", "message", "map", "timestamp", "duration", "free"
]


@dataclass(frozen=True)
class Check:
    """One of MLflow's checks on a field as it came, before any conversion.

    `kind`: "present" asks also when the field is absent; "type" asks only when some field of the request
    could not be read. `text`: the answer to a failure, where {path} and {count} are filled in; without one
    it is MLflow's "Invalid value".
    """

    kind: Literal["present", "type", "value"]
    passes: Callable[[Any], bool]
    text: str = ""


@dataclass(frozen=True)
class Field:
    """One field of a message.

    `default` is the value when absent, `alias` an older name of the same field, `numbers` what an
    enum's names stand for, `message` what a field of type "message" holds.
    """

    name: str
    type: Type = "string"
    checks: tuple[Check, ...] = ()
    repeated: bool = False
    default: str | float | bool | None = None
    alias: str | None = None
    numbers: Mapping[str, int] | None = None
    message: "Message | None" = None

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """Every key that names this field in a body: snake_case and camelCase, the alias last."""
        names = (self.name, self.alias) if self.alias else (self.name,)
        return tuple(dict.fromkeys(key for name in names for key in (name, _camel_case(name))))

    @cached_property
    def older_spellings(self) -> tuple[str, ...]:
        """The keys among `spellings` that are the alias."""
        return (self.alias, _camel_case(self.alias)) if self.alias else ()

    @cached_property
    def required(self) -> bool:
        """Whether a request without this field is refused."""
        return any(check.kind == "present" for check in self.checks)

    def raw_in(self, given: Mapping[str, Any]) -> Any:
        """The field as it came, None when it is absent or null."""
        for key in self.spellings:
            if (raw := given.get(key)) is not None:
                return raw
        return None


@dataclass(frozen=True)
class Message:
    """A request or a part of one. MLflow checks the fields in the order they stand here."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def field_by_key(self) -> dict[str, Field]:
        """Each field under every spelling."""
        return {key: field for field in self.fields for key in field.spellings}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The values of absent fields, for those that have one."""
        return {field.name: field.default for field in self.fields if field.default is not None}

    @cached_property
    def double_spellings(self) -> tuple[tuple[str, str], ...]:
        """Pairs of keys of which a body may hold only one."""
        names = [name for field in self.fields for name in (field.name, field.alias) if name]
        return tuple((name, _camel_case(name)) for name in names if name != _camel_case(name))

    @cached_property
    def nested(self) -> "tuple[tuple[Field, Message], ...]":
        """The fields that hold messages, each with its message."""
        return tuple((field, field.message) for field in self.fields if field.message is not None)

    @cached_property
    def has_checks(self) -> bool:
        """Whether anything of this message is checked, at any depth."""
        return any(f.checks for f in self.fields) or any(part.has_checks for _, part in self.nested)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
