"""Reads the settings of the artifact store: a directory, or a bucket and how it is spoken to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tracklog_artifacts.s3_config import S3Config

ADDRESSINGS: Final = ("path", "virtual")
CHECKSUMS: Final = ("header", "payload")
# Settings that say nothing about a directory.
OF_BUCKETS: Final = (
    "artifact_endpoint",
    "artifact_public_endpoint",
    "artifact_region",
    "artifact_addressing",
    "artifact_encryption",
    "artifact_checksum",
)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
_ENCRYPTION: Final = re.compile(r"AES256|aws:kms(:[A-Za-z0-9:/_.-]+)?")


def parse_directory(text: str) -> Path:
    """The absolute path of a directory."""
    if not text or not text.isprintable():
        raise ValueError("must be printable text, not empty")
    return Path(text).expanduser().absolute()


def parse_artifact_root(text: str) -> Path | S3Config:
    """The local directory that a path or a file:// URL names, or the bucket and prefix of an s3:// URL."""
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return parse_directory(unquote(parts.path))
    if parts.scheme == "s3":
        return _bucket(text)
    if "://" in text or parts.scheme == "file":
        raise ValueError(f"must be a directory, a file:///PATH URL or s3://BUCKET/PREFIX, not {text!r}")
    return parse_directory(text)


def _bucket(text: str) -> S3Config:
    bucket, _, prefix = text.partition("://")[2].partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket) or "//" in prefix or not f"{prefix}/".isprintable():
        raise ValueError("must be s3://BUCKET or s3://BUCKET/PREFIX, without user, port or query")
    return S3Config(bucket, prefix)


def parse_endpoint(text: str) -> str:
    """The URL of an S3 server. Errors never repeat it, since it may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("cannot be read as a URL") from error
    whole = parts.scheme in {"http", "https"} and parts.hostname
    if not whole or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be http://HOST:PORT or https://HOST, without user and path")
    return text.rstrip("/")


def parse_region(text: str) -> str:
    """The name of a region."""
    if not _REGION.fullmatch(text):
        raise ValueError(f"must be the name of a region, such as eu-west-1, not {text!r}")
    return text


def parse_addressing(text: str) -> str:
    """Where a bucket's name stands in URLs."""
    if text not in ADDRESSINGS:
        raise ValueError(f"must be path or virtual, not {text!r}")
    return text


def parse_checksum(text: str) -> str:
    """How a signed upload is bound to its bytes."""
    if text not in CHECKSUMS:
        raise ValueError(f"must be header or payload, not {text!r}")
    return text


def parse_encryption(text: str) -> str:
    """What files are to be encrypted with."""
    if not _ENCRYPTION.fullmatch(text):
        raise ValueError(f"must be AES256, aws:kms or aws:kms:KEY-ID, not {text!r}")
    return text


def pointless(values: Mapping[str, Any]) -> Iterable[str]:
    """The names of settings that are given for a bucket, where none is."""
    if isinstance(values.get("artifact_root"), S3Config):
        return ()
    return [name for name in OF_BUCKETS if values.get(name) is not None]


def place_of(values: Mapping[str, Any]) -> Path | S3Config:
    """Where artifacts are, from all settings by name."""
    root = values["artifact_root"]
    if root is None:
        return Path(values["data_dir"]) / "artifacts"
    if isinstance(root, S3Config):
        endpoint = values["artifact_endpoint"] or ""
        # Only Amazon's servers are sure to know a bucket by its host name.
        addressing = values["artifact_addressing"] or ("path" if endpoint else "virtual")
        return replace(
            root,
            endpoint=endpoint,
            public_endpoint=values["artifact_public_endpoint"] or "",
            region=values["artifact_region"] or "",
            path_style=addressing == "path",
            encryption=values["artifact_encryption"] or "",
            payload_hash=values["artifact_checksum"] == "payload",
        )
    return Path(root)
