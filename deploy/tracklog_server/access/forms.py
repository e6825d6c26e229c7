"""Reads the short forms of those who are not known yet."""

from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from tracklog_contract.errors import INVALID, Rejected

BYTES_MAX: Final = 20_000
FIELDS_MAX: Final = 20


async def read_form(request: web.Request) -> dict[str, list[str]]:
    """The fields of a URL-encoded form; what is no UTF-8 in it comes as U+FFFD.

    Raises: Rejected, for a body that is long, does not say how long it is, or is packed: for nobody that we
    do not know is much read, or unfolded.
    """
    length = request.content_length
    if length is None or length > BYTES_MAX or request.headers.get("Content-Encoding"):
        raise Rejected(INVALID, f"The form must be plain, of {BYTES_MAX} bytes at most, and say its length.")
    try:
        return parse_qs((await request.read()).decode("utf-8", "replace"), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Rejected(INVALID, f"A form has {FIELDS_MAX} fields at most.") from None
