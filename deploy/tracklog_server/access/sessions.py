"""Sessions of browsers: a cookie with 256 random bits, of which the server keeps a digest."""

import hashlib
import hmac
import secrets
from typing import Any, Final

from aiohttp import web

from tracklog_contract.errors import DENIED, Rejected

COOKIE: Final = "tracklog_session"
# Scripts of our own pages read this one, and send it back as a header; those of others can do neither.
CSRF_COOKIE: Final = "tracklog_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
LIFETIME_S: Final = 12 * 3600
SECRET_BYTES: Final = 32
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def new_secret() -> str:
    """A cookie's value."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of a cookie."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def csrf_token_of(secret: str) -> str:
    """What a session's writes show, unless they show where they come from: it tells nothing of the cookie."""
    return hashlib.sha256(b"csrf:" + secret.encode("utf-8", "surrogatepass")).hexdigest()


def check_csrf(request: web.Request, secret: str) -> None:
    """Accept a request that a cookie vouches for: browsers send those of any page along.

    One that changes something must say that it comes from a page of ours, by Origin (which HostCheck has
    compared already), or by the token that only such pages can read.

    Raises: Rejected.
    """
    if request.method in READING or request.headers.get("Origin"):
        return
    shown = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), csrf_token_of(secret).encode()):
        raise Rejected(DENIED, f"A change that a cookie vouches for needs Origin or {CSRF_HEADER}.")


def set_cookies(response: web.StreamResponse, secret: str, *, secure: bool) -> None:
    """Give a browser its session."""
    options: dict[str, Any] = {"max_age": LIFETIME_S, "path": "/", "samesite": "Lax", "secure": secure}
    response.set_cookie(COOKIE, secret, httponly=True, **options)
    response.set_cookie(CSRF_COOKIE, csrf_token_of(secret), **options)


def drop_cookies(response: web.StreamResponse) -> None:
    """Take a browser's session away."""
    for name in (COOKIE, CSRF_COOKIE):
        response.del_cookie(name, path="/")
