"""Turns an artifact path from outside into safe names, or refuses it.

A path is decoded once, and that is the name that is stored. It is refused when it would lead elsewhere for
someone who decodes it again, folds its Unicode, or reads it on another operating system.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from tracklog_contract.errors import INVALID, Rejected

ArtifactPath = tuple[str, ...]

NAME_BYTES_MAX: Final = 255
PATH_BYTES_MAX: Final = 4096
PATH_NAMES_MAX: Final = 64
SCHEME: Final = "mlflow-artifacts"

# Text that is still changing after so many decodings is an attack, not a name.
_DECODINGS_MAX: Final = 10
# Control characters, and what makes some MLflow client refuse a whole listing: `\` and drives (on Windows),
# `#` and `file:` (parts of a URL to it).
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\#]|(?:^|/)(?:[a-z]|file):", re.IGNORECASE)


def file_path(text: str) -> ArtifactPath:
    """The names on the way to a file, from its decoded path: at least one, each non-empty.

    Raises: Rejected, when the path is unsafe, too long, too deep, or ends in "/".
    """
    _refuse_long(text)
    _refuse_hostile(text)
    names = tuple(text.split("/"))
    if len(names) > PATH_NAMES_MAX:
        raise Rejected(INVALID, f"Invalid path: it is more than {PATH_NAMES_MAX} names deep")
    for name in names:
        if len(name.encode()) > NAME_BYTES_MAX:
            raise Rejected(INVALID, f"Invalid path: a name in it is longer than {NAME_BYTES_MAX} bytes")
    return names


def directory_path(text: str) -> ArtifactPath:
    """The names on the way to a directory, from its decoded path; "" and "." are the root, which has none.

    Raises: Rejected, as `file_path` does.
    """
    _refuse_long(text)
    names = [name for name in text.removesuffix("/").split("/") if name != "."]
    return file_path("/".join(names)) if names and text else ()


def decoded(raw: str) -> str:
    """A URL's path as text, percent-decoded once.

    Raises: Rejected, when it is not UTF-8.
    """
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeError:
        raise Rejected(INVALID, "Invalid path") from None


def path_of_uri(uri: str) -> ArtifactPath:
    """Where in this store the root `mlflow-artifacts:/…` lies. A host in it is the client's business.

    Raises: Rejected, when the URI belongs to another store, or is unsafe.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise Rejected(INVALID, f"The artifact location '{uri}' is not a URI.") from None
    if parts.scheme != SCHEME:
        raise Rejected(
            INVALID,
            f"The artifacts at '{uri}' are not in this server's store, which holds '{SCHEME}:/…' only. "
            "Read them with a client that can reach that location.",
        )
    if parts.query or parts.fragment:
        raise Rejected(INVALID, "Invalid path")
    return directory_path(decoded(parts.path.removeprefix("/")))


def is_safe_name(name: str) -> bool:
    """Whether a listing may show this name: a client could ask for it again."""
    try:
        return "/" not in name and file_path(name) == (name,)
    except Rejected:
        return False


def _refuse_long(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeError:
        raise Rejected(INVALID, "Invalid path") from None
    if size > PATH_BYTES_MAX:
        raise Rejected(INVALID, f"Invalid path: it is longer than {PATH_BYTES_MAX} bytes")


def _refuse_hostile(text: str) -> None:
    """Look at the text as it is, with its Unicode folded, and at what that decodes to, again and again."""
    separators = text.count("/")
    for _ in range(_DECODINGS_MAX):
        folded = unicodedata.normalize("NFKC", text)
        if _is_hostile(text) or _is_hostile(folded) or folded.count("/") != separators:
            raise Rejected(INVALID, "Invalid path")
        decoded_again = unquote(folded)
        if decoded_again == text:
            return
        text = decoded_again
    raise Rejected(INVALID, "Invalid path")


def _is_hostile(text: str) -> bool:
    # Empty names make paths absolute or ambiguous; names of dots and spaces only are parents to some systems.
    return bool(_FORBIDDEN.search(text)) or any(not name.strip(". ") for name in text.split("/"))
