"""Passwords as they are kept: scrypt, which takes tens of milliseconds and 16 MiB a guess."""

import hashlib
import hmac
import secrets
from typing import Final

from tracklog_contract.errors import INVALID, Rejected

CHARS_MIN: Final = 12
CHARS_MAX: Final = 1000
SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
# Verifying a name that nobody has takes as long as one that somebody has.
NOBODYS: Final = bytes(SALT_BYTES + DIGEST_BYTES)


def hashed(password: str) -> bytes:
    """Salt and digest of a new password.

    Raises: Rejected, for one that is too short, or absurdly long.
    """
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise Rejected(INVALID, f"A password has {CHARS_MIN} to {CHARS_MAX} characters.")
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + _digest(password, salt)


def matches(password: str, kept: bytes) -> bool:
    """Is this the password that `kept` was made of."""
    salt, digest = kept[:SALT_BYTES], kept[SALT_BYTES:]
    return hmac.compare_digest(_digest(password[:CHARS_MAX], salt), digest)


def _digest(password: str, salt: bytes) -> bytes:
    encoded = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(encoded, salt=salt, n=2**14, r=8, p=1, dklen=DIGEST_BYTES)
