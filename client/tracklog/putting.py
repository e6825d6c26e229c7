"""PUTs to wherever a server says, from several threads at once, each with connections of its own."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tracklog.content import Changed, Content
from tracklog.link import Failure, FilePart, Link
from tracklog.post import retry_after_s


@dataclass(frozen=True)
class Place:
    """Where something is to be put, or to be had from: a signed URL and the headers that go with it."""

    url: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """The place in a server's answer."""
        return cls(str(answer["url"]), {str(k): str(v) for k, v in (answer.get("headers") or {}).items()})


class PutFailed(Exception):
    """The store has not taken it.

    With `is_refusal` it has said so, as it does when a URL has expired, and with `is_gone` that there is no
    such upload any more. With `is_lost` there is no answer, and it may have been taken all the same.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_refusal: bool = False,
        is_gone: bool = False,
        is_lost: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.is_refusal = is_refusal
        self.is_gone = is_gone
        self.is_lost = is_lost
        self.retry_after_s = retry_after_s


class _Stopped(Exception):
    """Whoever uploads has no more use for it."""


class Links:
    """Kept-alive connections, for each thread its own."""

    def __init__(self) -> None:
        self._links: dict[tuple[int, str], Link] = {}

    def to(self, url: str) -> tuple[Link, str]:
        """The connection of this thread to the server of a URL, and what of the URL it is asked for."""
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        key = threading.get_ident(), place
        if key not in self._links:
            self._links[key] = Link(place)
        return self._links[key], (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def close(self) -> None:
        """End all connections, which no thread may be using."""
        for link in self._links.values():
            link.close()
        self._links.clear()


class Putter:
    """Puts contents, and counts what has gone out; any number of threads may share it."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._links = Links()
        self._stopping = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Have every thread stop at its next megabyte."""
        self._stopping = True

    def raise_if_stopped(self) -> None:
        """End the thread's work here, when it is to stop."""
        if self._stopping:
            raise _Stopped

    def close(self) -> None:
        """End the connections, once the threads have ended."""
        self._links.close()

    def count(self, size: int) -> None:
        """So many bytes are there: sent now, or before."""
        with self._lock:
            self.sent_bytes += size

    def put(self, content: Content, start: int, size: int, place: Place) -> str:
        """PUT a stretch of a content; the ETag that the store gives it, without quotes.

        Raises: PutFailed; Changed, when the content is no longer what it was.
        """
        link, target = self._links.to(place.url)
        counted = 0

        def on_sent(count: int) -> None:
            nonlocal counted
            self.raise_if_stopped()
            counted += count
            self.count(count)

        try:
            with content.opened() as fd:
                headers = dict(place.headers)
                if not _has_checksum(headers):
                    headers["Content-MD5"] = content.md5_header(fd, start, size)
                body = FilePart(fd, content.offset + start, size, on_sent)
                answer = link.exchange("PUT", target, body, headers)
        except Failure as error:
            self.count(-counted)
            host = urlsplit(place.url).netloc
            raise PutFailed(f"the store at {host} cannot be reached ({error})", is_lost=True) from error
        except Changed:
            self.count(-counted)
            raise
        if 200 <= answer.status < 300:
            return answer.headers.get("etag", "").removeprefix("W/").strip('"')
        self.count(-counted)
        text = answer.body[:300].decode(errors="replace")
        raise PutFailed(
            f"the store at {urlsplit(place.url).netloc} does not take a file: {answer.status} {text}".strip(),
            is_refusal=answer.status < 500 and answer.status not in (408, 429),
            is_gone=answer.status == 404,
            retry_after_s=retry_after_s(answer),
        )


def _has_checksum(headers: Mapping[str, str]) -> bool:
    return any(
        name.lower() == "content-md5" or name.lower().startswith("x-amz-checksum-") for name in headers
    )
