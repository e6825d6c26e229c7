"""How access tokens look, and what is kept of them."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "tkl_"
ID_CHARS: Final = 12
SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class NewToken:
    """A token that was made just now: its text, which nobody keeps, its beginning, and its digest."""

    text: str
    token_id: str
    digest: bytes


def new_token() -> NewToken:
    """A token with 256 random bits beside the beginning that people know it by."""
    token_id = f"{PREFIX}{secrets.token_hex(ID_CHARS // 2)}"
    text = f"{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return NewToken(text, token_id, digest_of(text))


def token_of_another(token_id: str) -> NewToken:
    """A token that is worth nothing without the one of this beginning, and begins as that does."""
    token_id = f"{token_id}.{secrets.token_hex(ID_CHARS // 2)}"
    text = f"{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return NewToken(text, token_id, digest_of(text))


def digest_of(text: str) -> bytes:
    """What is kept of a token. It is as random as a key, so a plain hash cannot be searched backwards."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def looks_like_one(text: str) -> bool:
    """Is this a token of ours, by its beginning."""
    return text.startswith(PREFIX)
