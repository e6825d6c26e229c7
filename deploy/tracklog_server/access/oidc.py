"""OpenID Connect: signs people in by their organisation's provider, with an authorisation code and PKCE."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tracklog_contract.errors import DENIED, Rejected, Unavailable
from tracklog_server.task import OidcSettings

# Asymmetric ones: with the others, whoever can verify a token could make one.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 2**20
METADATA_KEPT_S: Final = 3600.0
KEYS_KEPT_S: Final = 300.0
CLOCKS_DIFFER_S: Final = 60
SCOPES: Final = "openid email profile"


@dataclass(frozen=True)
class Attempt:
    """What one attempt to sign in must show again: the browser keeps it until it comes back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Attempt":
        """An attempt that nobody can guess."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @property
    def challenge(self) -> str:
        """PKCE's challenge of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Provider:
    """An OpenID provider, as far as this server needs one."""

    def __init__(self, config: OidcSettings) -> None:
        self.config = config
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0
        self._keys: KeySet | None = None
        self._keys_until = 0.0

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where to send a browser.

        Raises: Unavailable, when the provider does not answer as one.
        """
        query = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = await self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def name_of(self, code: str, attempt: Attempt, redirect_uri: str) -> str:
        """Who came back with a code: the user name that the provider vouches for.

        Raises: Rejected, when it vouches for none; Unavailable, when it does not answer as a provider.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.config.client_id,
            "code_verifier": attempt.verifier,
        }
        headers = {}
        if self.config.client_secret:
            pair = f"{quote(self.config.client_id, safe='')}:{quote(self.config.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._ask("POST", await self._endpoint("token_endpoint"), data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("gave no ID token")
        return self._name_in(await self._claims(token, attempt.nonce))

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that is for us, of now, and of this attempt."""
        try:
            decoded = jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have new keys.
            self._keys_until = 0.0
            try:
                decoded = jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                raise _refused("signed its ID token with a key that it does not show") from None
        claims = decoded.claims
        registry = jwt.JWTClaimsRegistry(
            leeway=CLOCKS_DIFFER_S,
            iss={"essential": True, "value": self.config.issuer},
            aud={"essential": True, "value": self.config.client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise _refused(f"gave an ID token that is not good here ({error.error})") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.config.client_id:
            raise _refused("gave an ID token that is for others too")
        return claims

    def _name_in(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self.config.claim)
        if not isinstance(name, str) or not name:
            raise _refused(f"told no {self.config.claim}")
        if self.config.claim == "email" and claims.get("email_verified") is not True:
            # Whoever can put down any address could become anyone.
            raise _refused("has not verified this person's email address")
        return name

    async def _endpoint(self, name: str) -> str:
        if time.monotonic() > self._metadata_until:
            url = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = await self._ask("GET", url)
            if metadata.get("issuer") != self.config.issuer:
                raise Unavailable("the identity provider calls itself by another name than --oidc-issuer.")
            self._metadata, self._metadata_until = metadata, time.monotonic() + METADATA_KEPT_S
        endpoint = self._metadata.get(name)
        if not isinstance(endpoint, str):
            raise Unavailable(f"the identity provider has no {name}.")
        return endpoint

    async def _key_set(self) -> KeySet:
        if self._keys is None or time.monotonic() > self._keys_until:
            answer: Any = await self._ask("GET", await self._endpoint("jwks_uri"))
            try:
                self._keys = KeySet.import_key_set(answer)
            except (JoseError, ValueError, KeyError, TypeError):
                raise Unavailable("the identity provider's keys cannot be read.") from None
            self._keys_until = time.monotonic() + KEYS_KEPT_S
        return self._keys

    async def _ask(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """A JSON object that the provider answers."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.request(method, url, allow_redirects=False, **request) as answer,
            ):
                body = await answer.content.read(ANSWER_BYTES_MAX)
                if answer.status == 200:
                    return _object(body)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unavailable("the identity provider does not answer.") from None
        if status in {400, 401, 403}:
            raise _refused("does not know this attempt")
        raise Unavailable(f"the identity provider answers with status {status}.")


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Unavailable("the identity provider's answer cannot be read.") from None


def _refused(why: str) -> Rejected:
    return Rejected(DENIED, f"Signing in failed: the identity provider {why}.")
