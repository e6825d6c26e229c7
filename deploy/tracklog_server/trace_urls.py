"""URLs that let their holder write or read one trace's data for a while, as Databricks' clients want them.

They are signed with a key of the installation, which is in its database: so each process knows those of all.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from tracklog_contract.errors import DENIED, Rejected
from tracklog_contract.sqlfiles import statements

SQL: Final = statements("tracklog_server")
PREFIX: Final = "/trace-data/"
EXPIRES_S: Final = 15 * 60
_FIELDS: Final = frozenset({"expires", "principal", "workspace", "signature"})
_DIGITS_MAX: Final = 18
_NOT_OURS: Final = (
    "This URL of a trace's data is not one that this server signed for this request: it was changed, or is"
    " used for another trace or method. Ask for a new one."
)


@dataclass(frozen=True)
class TraceGrant:
    """What a URL allows: one method on one trace, as somebody in a workspace. `expires_at_s`: since 1970."""

    method: str
    trace_id: str
    principal: str
    workspace: str
    expires_at_s: int


class TraceUrls:
    """Signs and reads such URLs. `pool` leads to the key; `clock` tells seconds since 1970."""

    def __init__(self, pool: Any, clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._clock = clock
        self._key = b""

    async def signed(self, method: str, trace_id: str, principal: str, workspace: str) -> str:
        """A URL, relative to the server, that is good for EXPIRES_S."""
        grant = TraceGrant(method, trace_id, principal, workspace, int(self._clock()) + EXPIRES_S)
        query = {
            "expires": grant.expires_at_s,
            "principal": principal,
            "workspace": workspace,
            "signature": _signature(await self._known_key(), grant),
        }
        return f"{PREFIX}{quote(trace_id, safe='')}?{urlencode(query)}"

    async def granted(self, method: str, trace_id: str, query: str) -> TraceGrant:
        """What the holder of a URL with this query may do.

        Raises: Rejected (PERMISSION_DENIED), when nothing: it was not signed so, or has expired.
        """
        fields = _fields(query)
        expires_at_s = int(fields["expires"])
        grant = TraceGrant(method, trace_id, fields["principal"], fields["workspace"], expires_at_s)
        signature = _signature(await self._known_key(), grant)
        if not hmac.compare_digest(signature.encode(), fields["signature"].encode("utf-8", "surrogatepass")):
            raise Rejected(DENIED, _NOT_OURS)
        late_s = self._clock() - expires_at_s
        if late_s > 0:
            raise Rejected(
                DENIED, f"This URL of a trace's data expired {late_s:.0f} s ago. Ask for a new one."
            )
        return grant

    async def _known_key(self) -> bytes:
        if not self._key:
            self._key = await self._pool.fetchval(SQL["get_url_key"])
        return self._key


def _signature(key: bytes, grant: TraceGrant) -> str:
    # A list in JSON: no two grants have the same text, whatever characters are in them.
    said = [grant.method, grant.trace_id, grant.principal, grant.workspace, grant.expires_at_s]
    return hmac.digest(key, json.dumps(said).encode(), hashlib.sha256).hex()


def _fields(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(_FIELDS),
        )
    except ValueError:
        raise Rejected(DENIED, _NOT_OURS) from None
    fields = dict(pairs)
    expires = fields.get("expires", "")
    is_number = expires.isascii() and expires.isdigit() and len(expires) <= _DIGITS_MAX
    if len(fields) < len(pairs) or fields.keys() != _FIELDS or not is_number:
        raise Rejected(DENIED, _NOT_OURS)
    return fields
