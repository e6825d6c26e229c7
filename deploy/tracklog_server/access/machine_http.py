"""OAuth for machines: client id and secret are a principal's name and token, and buy tokens of an hour.

Databricks' SDK asks anew for every call that it makes, so a process answers with the token that it gave
before until half of its time is over. Such a token is worth nothing once the secret is revoked.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tracklog_contract.errors import UNAUTHENTICATED, Rejected
from tracklog_ingest.access import principals
from tracklog_server.access import tokens
from tracklog_server.access.authenticator import Identity
from tracklog_server.access.fields import answer
from tracklog_server.access.forms import read_form
from tracklog_server.access.office import Office

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH: Final = "/oidc/v1/token"
LIFE: Final = dt.timedelta(hours=1)
GIVEN_MAX: Final = 10_000
COMMENT: Final = "given to a machine for its secret"
NOT_KEPT: Final = {"Cache-Control": "no-store"}


class Machines:
    """The handler, over one `Office`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._key = secrets.token_bytes(32)
        self._given: dict[bytes, tuple[str, dt.datetime]] = {}

    def root_routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount without a prefix."""
        return [("POST", PATH, self.token)]

    async def token(self, request: web.Request) -> web.Response:
        """POST oidc/v1/token: RFC 6749's client credentials grant, with HTTP basic."""
        try:
            fields = await read_form(request)
        except Rejected as error:
            return _refused(400, "invalid_request", error.message)
        if fields.get("grant_type") != ["client_credentials"]:
            return _refused(400, "unsupported_grant_type", "only client_credentials is supported")
        try:
            identity = await self._office.authenticator.identity(request)
        except Rejected as error:
            if error.error_code != UNAUTHENTICATED:
                raise
            return _refused(401, "invalid_client", error.message)
        if identity.token_id is None or "." in identity.token_id:
            return _refused(401, "invalid_client", "the secret must be a token of the client's own")
        header = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
        text, ends_at = await self._token_of(identity, hashlib.blake2b(header, key=self._key).digest())
        left_s = int((ends_at - dt.datetime.now(dt.UTC)).total_seconds())
        fields_of_answer = {"access_token": text, "token_type": "Bearer", "expires_in": max(0, left_s)}
        response = answer({**fields_of_answer, "scope": "all-apis"})
        response.headers.update(NOT_KEPT)
        return response

    async def _token_of(self, identity: Identity, key: bytes) -> tuple[str, dt.datetime]:
        now = dt.datetime.now(dt.UTC)
        given = self._given.get(key)
        if given is not None and given[1] - now > LIFE / 2:
            return given
        ends_at = min(now + LIFE, identity.expires_at or now + LIFE)
        assert identity.token_id is not None
        token = tokens.token_of_another(identity.token_id)
        async with self._office.change(identity.name) as turn:
            await principals.forget_ended_tokens(turn, identity.token_id)
            await principals.create_token(
                turn,
                identity.name,
                token.token_id,
                token.digest,
                workspace=identity.workspace,
                comment=COMMENT,
                expires_at=ends_at,
            )
        if len(self._given) >= GIVEN_MAX:
            self._given.clear()
        self._given[key] = token.text, ends_at
        return token.text, ends_at


def _refused(status: int, error: str, description: str) -> web.Response:
    response = answer({"error": error, "error_description": description}, status=status)
    response.headers.update(NOT_KEPT)
    return response
