"""Paths that must never be read or written, percent-encoded as they come in a URL."""

from urllib.parse import unquote_to_bytes

HOSTILE = [
    "../x",
    "../../../../../../etc/passwd",
    "a/../../x",
    "..",
    "a/..",
    "/etc/passwd",
    "//etc/passwd",
    "a//b",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd",
    "..%2fx",
    "..%5cx",
    "%252e%252e%252fx",
    "%25252e%25252e%25252fx",
    "%2fetc%2fpasswd",
    "%252fetc%252fpasswd",
    "a%5cb",
    "%5c%5chost%5cshare",
    "C:/x",
    "C:%5cx",
    "c%3ax",
    "file:///etc/passwd",
    "file%3a/etc/passwd",
    "a%00b",
    "a%2500b",
    "a%0ab",
    "a%0d%0aX-Evil:1",
    "a%7fb",
    "a%23b",
    "a%2523b",
    "%c0%ae%c0%ae/x",
    "%ff",
    "%ed%a0%80",
    "%ef%bc%8e%ef%bc%8e/x",
    "%ef%bc%8e%ef%bc%8e%ef%bc%8fx",
    "a%ef%bc%8fb",
    "a%ef%bc%bcb",
    "%e2%80%a5/x",
    "%20/x",
    ".../x",
    "n" * 256,
    "/".join("d" * 100),
    "/".join(["d" * 200] * 25),
]


def _decoded(path: str) -> str:
    return unquote_to_bytes(path).decode(errors="replace")


# In JSON they come decoded or not: a second decoding must not make of them what the first did not. Bytes that
# are no text cannot be said in JSON: their escapes are but odd names.
HOSTILE_TEXTS = sorted({t for p in HOSTILE if "\ufffd" not in _decoded(p) for t in (p, _decoded(p))})
