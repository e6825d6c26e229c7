"""Finds out who a request comes from: verified once, remembered by digest, asked again when access changed.

Every POLL_S each process asks whether anything about access has changed anywhere, and forgets what it knew
when it has, or when it could not ask. So a revoked token is refused within a second by every node, and no
lost notification can change that.
"""

import asyncio
import base64
import binascii
import datetime as dt
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from aiohttp import web

from tracklog_contract.caller import ANYONE, Caller, Level, Need, Rights
from tracklog_contract.errors import DENIED, FEATURE_DISABLED, NOT_FOUND, UNAUTHENTICATED, Rejected
from tracklog_contract.sqlfiles import statements
from tracklog_server.access import passwords, sessions, tokens
from tracklog_server.access.rights import DatabaseRights
from tracklog_server.access.throttle import ADDRESS_FAILURES_MAX, NAME_FAILURES_MAX, Throttle

SQL: Final = statements("tracklog_server")
POLL_S: Final = 0.4
# Older knowledge than this is not used. A poll that takes longer makes every request ask for itself.
TRUSTED_S: Final = 0.9
USED_EVERY_S: Final = 20.0
CREDENTIALS_MAX: Final = 10_000
CREDENTIAL_CHARS_MAX: Final = 8192
# scrypt takes a core and 16 MiB: only so many at a time, the others wait.
PASSWORDS_AT_ONCE: Final = 2
WORKSPACE_HEADER: Final = "X-MLFLOW-WORKSPACE"
# No scheme that a header could have: a cookie's place in the cache of credentials.
SESSION: Final = "\0session"
# HTTP basic's user name beside a token in the password's place; the principal's own name will do as well.
TOKEN_USER: Final = "token"  # noqa: S105 (a name, no secret)
log = structlog.get_logger()


@dataclass(frozen=True)
class Identity:
    """Who showed a credential; `workspace` is the only one that it is good for, `expires_at` its end."""

    principal_id: int
    name: str
    admin: bool
    home: str
    token_id: str | None = None
    workspace: str | None = None
    expires_at: dt.datetime | None = None


class Nothing:
    """The rights of nobody, and of who is somebody but not in this workspace."""

    may_create = False
    floor = Level.NONE

    def known(self, experiment_id: int) -> Level | None:  # noqa: ARG002 (the protocol's)
        """Nothing is granted."""
        return None

    async def levels(self, experiment_ids: Any) -> Mapping[int, Level]:  # noqa: ARG002 (the protocol's)
        """No experiment is in sight."""
        return {}

    async def readable(self) -> frozenset[int] | None:
        """No experiment."""
        return frozenset()


NOTHING: Final = Nothing()
NOBODY: Final = Caller("", "", Need.OPEN, NOTHING)


class Authenticator:
    """Callers of requests. `run` must be running: it keeps what is remembered fresh.

    Args: pool: connections of its own, so that admission can ask about rights whatever else is going on.
    """

    def __init__(self, pool: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._identities: dict[bytes, Identity] = {}
        self._rights: dict[tuple[int, str, bool], DatabaseRights] = {}
        # Passwords that were right, by digest of the credential: what was kept of them then.
        self._proofs: dict[bytes, bytes] = {}
        self._version = -1
        self._asked_at = -TRUSTED_S
        self._generation = 0
        self._used: set[str] = set()
        self._used_written_at = clock()
        self._hashing = asyncio.Semaphore(PASSWORDS_AT_ONCE)
        self._by_name = Throttle(NAME_FAILURES_MAX, clock)
        self._by_address = Throttle(ADDRESS_FAILURES_MAX, clock)

    async def run(self) -> None:
        """Ask for changes of access until cancelled."""
        told = ""
        while True:
            try:
                asked_at = self._clock()
                version = await self._pool.fetchval(SQL["get_access_version"], timeout=TRUSTED_S)
                if version != self._version:
                    self.forget()
                    self._version = version
                self._asked_at = asked_at
                await self._write_used()
                told = ""
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                if reason != told:
                    log.warning("access_watch_lost", reason=reason)
                told = reason
            await asyncio.sleep(POLL_S)

    async def caller(self, request: web.Request, need: Need) -> Caller:
        """Who makes this request, with what they may do.

        Raises: Rejected, when that is not known (UNAUTHENTICATED), or not enough for `need`; TooMany.
        """
        if need is Need.OPEN:
            return NOBODY
        self._forget_what_is_old()
        identity = await self.identity(request)
        named = request.headers.get(WORKSPACE_HEADER, "").strip()
        workspace = named or identity.workspace or identity.home
        rights = await self._rights_by(identity, workspace)
        if named and rights is None:
            raise Rejected(NOT_FOUND, f"Workspace '{named}' not found")
        if need is Need.ADMIN and not (identity.admin and identity.workspace is None):
            raise Rejected(DENIED, f"User {identity.name} is not an administrator.")
        found = Caller(identity.name, workspace, need, rights or NOTHING)
        if need is Need.CREATE:
            found.check_create()
        return found

    async def identity(self, request: web.Request) -> Identity:
        """Whose credential a request has.

        Raises: Rejected (UNAUTHENTICATED), when it has none that is good; TooMany.
        """
        header = request.headers.get("Authorization", "")
        cookie = "" if header else request.cookies.get(sessions.COOKIE, "")
        if cookie:
            sessions.check_csrf(request, cookie)
            header = f"{SESSION} {cookie}"
        if not header:
            raise unauthenticated("This server needs a token or a password.")
        if len(header) > CREDENTIAL_CHARS_MAX:
            raise unauthenticated("The Authorization header is too long.")
        key = hashlib.blake2b(header.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()
        identity = self._identities.get(key)
        if identity is None:
            generation = self._generation
            identity = (
                await self._of_session(cookie)
                if cookie
                else await self._verified(header, key, request.remote or "")
            )
            if generation == self._generation:
                _bound(self._identities)[key] = identity
        if identity.expires_at is not None and identity.expires_at <= dt.datetime.now(dt.UTC):
            raise unauthenticated("The token or session has expired.")
        if identity.token_id is not None:
            self._used.add(identity.token_id)
        return identity

    async def enters(self, request: web.Request, workspace: str) -> bool:
        """May who makes this request enter a workspace, by this credential."""
        return await self._rights_by(await self.identity(request), workspace) is not None

    async def rights_of(self, principal_id: int, workspace: str) -> Rights:
        """What somebody may do in a workspace; nothing, when they may not enter it."""
        return await self._rights_of(principal_id, workspace) or NOTHING

    async def on_behalf_of(self, name: str, workspace: str, need: Need) -> Caller:
        """Somebody for whom a URL was signed, with what they may do now.

        Raises: Rejected (UNAUTHENTICATED), when they are disabled or gone.
        """
        self._forget_what_is_old()
        row = await self._pool.fetchrow(SQL["get_identity_by_name"], name)
        if row is None or row["disabled"]:
            raise unauthenticated("Whom this URL was signed for is not known any more.")
        return Caller(name, workspace, need, await self.rights_of(row["principal_id"], workspace))

    async def password_is(self, name: str, password: str, address: str) -> bool:
        """Is this the password of a user who may sign in. Guesses count, and nobody's takes as long.

        Raises: TooMany.
        """
        _, kept = await self._kept_of(name)
        return await self._password_is(name, password, kept, address)

    async def _rights_by(self, identity: Identity, workspace: str) -> DatabaseRights | None:
        if identity.workspace not in (None, workspace) or not workspace.isprintable():
            return None
        return await self._rights_of(identity.principal_id, workspace, bound=identity.workspace is not None)

    async def _rights_of(
        self, principal_id: int, workspace: str, *, bound: bool = False
    ) -> DatabaseRights | None:
        key = (principal_id, workspace, bound)
        rights = self._rights.get(key)
        if rights is None:
            generation = self._generation
            row = await self._pool.fetchrow(SQL["get_rights"], workspace, principal_id)
            if row is None:
                return None
            rights = DatabaseRights(self._pool, workspace, row, bound=bound)
            # A refusal is not remembered: whoever is let in is let in at once.
            if rights.enters and generation == self._generation:
                _bound(self._rights)[key] = rights
        return rights if rights.enters else None

    async def _verified(self, header: str, key: bytes, address: str) -> Identity:
        scheme, _, credential = header.partition(" ")
        credential = credential.strip()
        if scheme.lower() == "bearer":
            return await self._of_token(credential, None)
        if scheme.lower() != "basic":
            raise unauthenticated("The Authorization header must be Bearer or Basic.")
        name, password = _basic(credential)
        if tokens.looks_like_one(password):
            return await self._of_token(password, name)
        return await self._of_password(name, password, key, address)

    async def _of_session(self, cookie: str) -> Identity:
        digest = sessions.digest_of(cookie)
        row = await self._pool.fetchrow(SQL["get_identity_by_session"], digest)
        if row is None or not hmac.compare_digest(row["digest"], digest) or row["disabled"]:
            raise unauthenticated("The session is over: sign in again.")
        return _identity(row)

    async def _of_token(self, text: str, name: str | None) -> Identity:
        digest = tokens.digest_of(text)
        row = await self._pool.fetchrow(SQL["get_identity_by_token"], digest)
        known = row is not None and hmac.compare_digest(row["digest"], digest) and not row["disabled"]
        if not known or name not in (None, "", TOKEN_USER, row["name"]):
            raise unauthenticated("The token is not known, or revoked.")
        return _identity(row)

    async def _of_password(self, name: str, password: str, key: bytes, address: str) -> Identity:
        row, kept = await self._kept_of(name)
        if kept is None or not hmac.compare_digest(self._proofs.get(key, b""), kept):
            if not await self._password_is(name, password, kept, address) or kept is None:
                raise unauthenticated("The user name or password is wrong.")
            _bound(self._proofs)[key] = kept
        return _identity(row)

    async def _kept_of(self, name: str) -> tuple[Any, bytes | None]:
        """Who has a name, and what is kept of their password; None of who has none, or may not sign in."""
        # No name is unprintable. To the database, which takes no NUL, such a guess must not become another's.
        row = await self._pool.fetchrow(SQL["get_identity_by_name"], name) if name.isprintable() else None
        return row, None if row is None or row["disabled"] else row["password"]

    async def _password_is(self, name: str, password: str, kept: bytes | None, address: str) -> bool:
        self._by_name.check(name)
        self._by_address.check(address)
        async with self._hashing:
            right = await asyncio.to_thread(passwords.matches, password, kept or passwords.NOBODYS)
        if right and kept is not None:
            return True
        self._by_name.failed(name)
        self._by_address.failed(address)
        log.warning("sign_in_failed", principal=name[:100], address=address)
        return False

    def _forget_what_is_old(self) -> None:
        if self._clock() - self._asked_at > TRUSTED_S:
            self.forget()

    def forget(self) -> None:
        """Ask the database anew from now on."""
        self._generation += 1
        self._identities.clear()
        self._rights.clear()

    async def _write_used(self) -> None:
        if self._used and self._clock() - self._used_written_at > USED_EVERY_S:
            used, self._used = self._used, set()
            self._used_written_at = self._clock()
            await self._pool.execute(SQL["set_tokens_used"], sorted(used))


def anyone(request: web.Request, need: Need) -> Caller:
    """The caller of a server without authentication, where there is one workspace only.

    Raises: Rejected, when the request names a workspace, as MLflow's server without workspaces does.
    """
    if need is not Need.OPEN and request.headers.get(WORKSPACE_HEADER, "").strip():
        raise Rejected(
            FEATURE_DISABLED,
            "Workspace APIs are not available: workspaces are not enabled on this server",
        )
    return ANYONE


def unauthenticated(message: str) -> Rejected:
    """The error of a request that nobody is known to make."""
    return Rejected(UNAUTHENTICATED, message)


def _identity(row: Mapping[str, Any]) -> Identity:
    names = ("principal_id", "name", "admin", "home", "token_id", "workspace", "expires_at")
    return Identity(**{name: row[name] for name in names})


def _basic(credential: str) -> tuple[str, str]:
    try:
        name, colon, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise unauthenticated("The Authorization header is not valid.") from None
    if not colon:
        raise unauthenticated("The Authorization header is not valid.")
    return name, password


def _bound(cache: dict[Any, Any]) -> dict[Any, Any]:
    """The cache with room for one more."""
    if len(cache) >= CREDENTIALS_MAX:
        del cache[next(iter(cache))]
    return cache
