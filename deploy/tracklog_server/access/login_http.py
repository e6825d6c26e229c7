"""Signing in and out by browser: with name and password, or by an OpenID provider; the pages are our own."""

import datetime as dt
import hmac
import html
import json
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web

from tracklog_contract.caller import CALLER, Caller
from tracklog_contract.errors import DENIED, INVALID, Rejected, TracklogError
from tracklog_ingest.access import principals
from tracklog_server.access import sessions
from tracklog_server.access.forms import read_form
from tracklog_server.access.office import Office
from tracklog_server.access.oidc import Attempt, Provider

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOGIN: Final = "/login"
OIDC: Final = "/login/oidc"
CALLBACK: Final = "/login/callback"
LOGOUT: Final = "/logout"
HOME: Final = "/"
ATTEMPT_COOKIE: Final = "tracklog_attempt"
ATTEMPT_S: Final = 600
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    # Not "no-referrer": a form would hide then where it comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tracklog: sign in</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 22rem; margin: 15vh auto; padding: 0 1rem }}
label, input, button, a {{ display: block; width: 100%; box-sizing: border-box; margin: .4rem 0 }}
input, button {{ font: inherit; padding: .5rem }}
</style>
<h1>Sign in</h1>
{said}{provider}<form method="post" action="{action}">
<label>User name <input name="username" autocomplete="username" autofocus required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>
</form>
"""
log = structlog.get_logger()


class Login:
    """The handlers. `provider`: None without one. `public_url`: as browsers reach us, "" as they ask."""

    def __init__(self, office: Office, provider: Provider | None, public_url: str) -> None:
        self._office = office
        self._provider = provider
        self._public_url = public_url.rstrip("/")

    def root_routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount without a prefix."""
        return [
            ("GET", LOGIN, self.page),
            ("POST", LOGIN, self.by_password),
            ("GET", OIDC, self.to_provider),
            ("GET", CALLBACK, self.from_provider),
            ("POST", LOGOUT, self.leave),
        ]

    def before(self, page: Handler) -> Handler:
        """The handler of the web page, which browsers that are not signed in are led away from."""

        async def handle(request: web.Request) -> web.StreamResponse:
            is_browser = "text/html" in request.headers.get("Accept", "")
            if is_browser and not request.headers.get("Authorization"):
                try:
                    await self._office.authenticator.identity(request)
                except Rejected:
                    return _redirect(LOGIN)
            return await page(request)

        return handle

    async def page(self, request: web.Request) -> web.Response:
        """GET /login: the form."""
        return self._page("", _next(request.query.get("next", "/")))

    async def by_password(self, request: web.Request) -> web.StreamResponse:
        """POST /login: name and password."""
        form = await read_form(request)
        name, password = (form.get(field, [""])[0] for field in ("username", "password"))
        then = _next(str(request.query.get("next", "/")))
        if not await self._office.authenticator.password_is(name, password, request.remote or ""):
            return self._page("The user name or password is wrong.", then, status=401)
        return await self._signed_in(request, name, "", then)

    async def to_provider(self, request: web.Request) -> web.StreamResponse:
        """GET /login/oidc: off to the provider."""
        provider, attempt = self._required(), Attempt.new()
        response = _redirect(await provider.authorization_url(attempt, self._url(request) + CALLBACK))
        kept = json.dumps(
            [attempt.state, attempt.nonce, attempt.verifier, _next(request.query.get("next", "/"))]
        )
        response.set_cookie(
            ATTEMPT_COOKIE, kept.encode().hex(), max_age=ATTEMPT_S, path=LOGIN, httponly=True,
            samesite="Lax", secure=self._is_secure(request),
        )  # fmt: skip
        return response

    async def from_provider(self, request: web.Request) -> web.StreamResponse:
        """GET /login/callback: back from the provider, with a code or an excuse."""
        provider = self._required()
        try:
            attempt, then = _attempt(request)
            if "code" not in request.query:
                raise Rejected(DENIED, "Signing in failed: the identity provider let nobody through.")
            name = await provider.name_of(request.query["code"], attempt, self._url(request) + CALLBACK)
            response = await self._signed_in(request, name, provider.config.issuer, then)
        except TracklogError as error:
            log.warning("sign_in_failed", reason=error.message, address=request.remote)
            response = self._page(error.message, "/", status=error.status)
        response.del_cookie(ATTEMPT_COOKIE, path=LOGIN)
        return response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """POST /logout: the session is over, everywhere."""
        secret = request.cookies.get(sessions.COOKIE)
        if secret:
            sessions.check_csrf(request, secret)
            async with self._office.change() as turn:
                await principals.end_session(turn, sessions.digest_of(secret))
        response = _redirect(LOGIN)
        sessions.drop_cookies(response)
        return response

    async def _signed_in(self, request: web.Request, name: str, issuer: str, then: str) -> web.StreamResponse:
        secret = sessions.new_secret()
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=sessions.LIFETIME_S)
        # Who signs in is who did that, in the log.
        CALLER.set(Caller(name))
        async with self._office.change() as turn:
            await principals.start_session(turn, name, sessions.digest_of(secret), ends, issuer)
        response = _redirect(then)
        sessions.set_cookies(response, secret, secure=self._is_secure(request))
        return response

    def _page(self, said: str, then: str, *, status: int = 200) -> web.Response:
        query = "" if then == "/" else f"?next={quote(then, safe='')}"
        provider = ""
        if self._provider is not None:
            host = html.escape(urlsplit(self._provider.config.issuer).hostname or "the provider")
            provider = f'<p><a href="{OIDC}{query}">Sign in with {host}</a></p>\n'
        said = f'<p role="alert">{html.escape(said)}</p>\n' if said else ""
        text = PAGE.format(said=said, provider=provider, action=f"{LOGIN}{query}")
        return web.Response(status=status, text=text, content_type="text/html", headers=HEADERS)

    def _required(self) -> Provider:
        if self._provider is None:
            raise Rejected(INVALID, "This server has no identity provider (--oidc-issuer).")
        return self._provider

    def _url(self, request: web.Request) -> str:
        return self._public_url or f"{request.scheme}://{request.host}"

    def _is_secure(self, request: web.Request) -> bool:
        return urlsplit(self._url(request)).scheme == "https"


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _next(path: str) -> str:
    """A path of this server to go on to; "/" for anything that could lead elsewhere."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours and "\\" not in path and len(path) < 2000 else "/"


def _attempt(request: web.Request) -> tuple[Attempt, str]:
    """The attempt that a browser comes back from.

    Raises: Rejected, when it began none, or another.
    """
    wrong = Rejected(DENIED, "Signing in failed: this browser did not begin it, or too long ago. Try again.")
    try:
        state, nonce, verifier, then = json.loads(bytes.fromhex(request.cookies.get(ATTEMPT_COOKIE, "")))
        shown = request.query.get("state", "").encode("utf-8", "surrogatepass")
        same = hmac.compare_digest(str(state).encode(), shown)
    except (ValueError, TypeError):
        raise wrong from None
    if not same or not all(isinstance(item, str) for item in (nonce, verifier, then)):
        raise wrong
    return Attempt(state, nonce, verifier), _next(then)
