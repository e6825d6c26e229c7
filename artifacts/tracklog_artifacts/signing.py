"""Signs the URLs of the local store with a key of the installation, and tells what a signed URL grants."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from tracklog_artifacts.paths import ArtifactPath
from tracklog_contract.errors import DENIED, Rejected

PREFIX: Final = "/artifact-store/"
KEY_BYTES: Final = 32

_FIELDS: Final = frozenset({"expires", "size", "sha256", "upload", "part", "signature"})
_DIGITS_MAX: Final = 18
_NOT_OURS: Final = (
    "This artifact URL is not one that this server signed for this request: it was changed, or is used for"
    " another file or method. Ask for a new one."
)


@dataclass(frozen=True)
class Grant:
    """What a signed URL allows: one method on one file, or on a multipart upload or a part of it."""

    method: str
    path: ArtifactPath
    expires_at_s: int
    size_bytes: int | None = None
    sha256: str = ""
    upload_id: str = ""
    part: int = 0


def new_key() -> bytes:
    """A key that nobody can guess."""
    return secrets.token_bytes(KEY_BYTES)


def signed_url(key: bytes, grant: Grant) -> str:
    """The URL, relative to the server, that gives its holder this grant."""
    fields = {
        "expires": grant.expires_at_s,
        "size": grant.size_bytes,
        "sha256": grant.sha256 or None,
        "upload": grant.upload_id or None,
        "part": grant.part or None,
        "signature": _signature(key, grant),
    }
    query = urlencode({name: value for name, value in fields.items() if value is not None})
    return f"{PREFIX}{quote('/'.join(grant.path))}?{query}"


def granted(key: bytes, method: str, path: ArtifactPath, query: str, now_s: float) -> Grant:
    """What the holder of a URL with this path and query may do with `method`.

    Raises: Rejected (PERMISSION_DENIED), when nothing: the URL was not signed so, or has expired.
    """
    fields = _fields(query)
    grant = Grant(
        method,
        path,
        expires_at_s=_number(fields["expires"]),
        size_bytes=_number(fields["size"]) if "size" in fields else None,
        sha256=fields.get("sha256", ""),
        upload_id=fields.get("upload", ""),
        part=_number(fields.get("part", "0")),
    )
    if not hmac.compare_digest(_signature(key, grant).encode(), fields["signature"].encode()):
        raise Rejected(DENIED, _NOT_OURS)
    if now_s > grant.expires_at_s:
        raise Rejected(
            DENIED, f"This artifact URL expired {now_s - grant.expires_at_s:.0f} s ago. Ask for a new one."
        )
    return grant


def _signature(key: bytes, grant: Grant) -> str:
    # A list in JSON: no two grants have the same text, whatever characters are in them.
    said = [
        grant.method,
        "/".join(grant.path),
        grant.expires_at_s,
        grant.size_bytes,
        grant.sha256,
        grant.upload_id,
        grant.part,
    ]
    return hmac.digest(key, json.dumps(said).encode(), hashlib.sha256).hex()


def _fields(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, strict_parsing=True, errors="strict", max_num_fields=len(_FIELDS))
    except ValueError:
        raise Rejected(DENIED, _NOT_OURS) from None
    fields = dict(pairs)
    if len(fields) < len(pairs) or not {"expires", "signature"} <= fields.keys() <= _FIELDS:
        raise Rejected(DENIED, _NOT_OURS)
    return fields


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise Rejected(DENIED, _NOT_OURS)
    return int(text)
