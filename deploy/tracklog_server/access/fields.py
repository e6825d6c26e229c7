"""The fields of requests about access: JSON bodies and queries, of few and simple types."""

from typing import Any, Final

import msgspec
from aiohttp import web

from tracklog_contract.errors import INVALID, Rejected

TEXT_CHARS_MAX: Final = 10_000


class Fields:
    """What a request says, from its body or (of a GET) its query.

    Every method raises Rejected, when a field is missing or of another type.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    @classmethod
    async def of(cls, request: web.Request) -> "Fields":
        """The fields of a request.

        Raises: Rejected, when its body is no JSON object.
        """
        if request.method == "GET" or not request.can_read_body:
            return cls(dict(request.query))
        try:
            fields = msgspec.json.decode(await request.read())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise Rejected(INVALID, "The request's body must be a JSON object.")
        return cls(fields)

    def text(self, name: str) -> str:
        """A text that must be there, and say something."""
        value = self.optional_text(name)
        if not value:
            raise Rejected(
                INVALID,
                f"Missing value for required parameter '{name}'. "
                "See the API docs for more information about request parameters.",
            )
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX or not _storable(value):
            raise Rejected(INVALID, f"Invalid value for parameter '{name}': it must be a text.")
        return value

    def number(self, name: str) -> int:
        """A whole number that must be there; digits in a text will do."""
        value = self._fields.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
            raise Rejected(INVALID, f"Parameter '{name}' must be an integer.")
        return value

    def flag(self, name: str) -> bool:
        """A boolean that must be there."""
        value = self._fields.get(name)
        if not isinstance(value, bool):
            raise Rejected(INVALID, f"Parameter '{name}' must be true or false.")
        return value

    def numbers(self, name: str) -> dict[str, int | None]:
        """An object that must be there, of whole numbers and nulls."""
        value = self._fields.get(name)
        if not isinstance(value, dict) or any(
            item is not None and (isinstance(item, bool) or not isinstance(item, int))
            for item in value.values()
        ):
            raise Rejected(INVALID, f"Parameter '{name}' must be an object of whole numbers.")
        return value

    def items(self, name: str) -> list["Fields"]:
        """A list of objects; none when it is not there."""
        value = self._fields.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Rejected(INVALID, f"Parameter '{name}' must be a list of objects.")
        return [Fields(item) for item in value]


def answer(value: Any, *, status: int = 200) -> web.Response:
    """A value as a JSON answer."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _storable(text: str) -> bool:
    """Can the database keep it: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
