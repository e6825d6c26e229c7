"""Which requests may be answered, by the host name they ask for: the guard against DNS rebinding.

Without authentication, being reachable from this machine only is the protection. A web page whose name was
pointed at 127.0.0.1 would pass it, but not this check. Nor may pages of other sites change anything (Origin),
with authentication or without; with it, neither may those of other servers on the same machine, to whose
requests browsers add our cookies too.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from tracklog_contract.errors import DENIED, Rejected

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class HostCheck:
    """Lets through requests for localhost, loopback addresses and the `allowed` names, on any port.

    `any_host`: those for other names too, since callers must show who they are; `public` is then the
    authority (name and port) that browsers know the server by, where that is not how they seem to ask.
    """

    def __init__(self, allowed: tuple[str, ...], *, any_host: bool = False, public: str = "") -> None:
        self._named = frozenset(allowed)
        self._allowed = self._named | {"localhost"}
        self._any_host = any_host
        self._public = public.lower()
        # Clients repeat themselves; the cache is small because names are the sender's choice.
        self._known = lru_cache(256)(self._is_known)

    def refusal(self, request: web.BaseRequest) -> Rejected | None:
        """Why `request` is not answered, or None."""
        headers = request.headers
        host = headers.get("Host", "")
        if not self._any_host and not self._known(host):
            return Rejected(
                DENIED,
                "This server does not answer to the host name in the request; its operator can add it with"
                " --allowed-hosts (TRACKLOG_ALLOWED_HOSTS).",
            )
        origin = headers.get("Origin")
        if origin is not None and request.method not in _READING and not self._is_ours(origin, host):
            return Rejected(DENIED, "A page of another site may not change anything on this server.")
        return None

    def _is_ours(self, origin: str, host: str) -> bool:
        authority = _authority(origin).lower()
        if not self._any_host:
            return self._known(authority)
        return authority != "" and (
            authority in (host.lower(), self._public) or _host_of(authority) in self._named
        )

    def _is_known(self, authority: str) -> bool:
        host = _host_of(authority)
        return host in self._allowed or _is_loopback(host)


def _host_of(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].lower()


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
