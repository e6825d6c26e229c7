"""The server's native endpoints of files (README, "Artifacts"), asked for one run or logged model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgpack

from tracklog.artifact import Artifact, Owner
from tracklog.link import ANSWER_TIMEOUT_S, Failure
from tracklog.post import NotNow, Post, error_of, not_now
from tracklog_contract.errors import ENDPOINT_NOT_FOUND, INVALID, STATUS_BY_CODE, Rejected

PATH: Final = "/api/tracklog/v1/artifacts"
# What one request may name.
FILES_MAX: Final = 1_000
_TOO_LARGE: Final = 413


class NoEndpoint(NotNow):
    """The server has no such endpoints: it is older, or none of tracklog's."""


class ArtifactApi:
    """Asks one server; not to be shared by threads.

    All methods raise Rejected for what the server refuses, and NotNow where it gives no verdict.
    """

    def __init__(
        self, url: str, environment: Mapping[str, str], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """`environment` has the credentials."""
        self.url = url
        self._environment = environment
        self._timeout_s = timeout_s
        self._post = Post(url, environment, timeout_s=timeout_s)

    def another(self) -> "ArtifactApi":
        """The same server, asked by a connection of its own."""
        return ArtifactApi(self.url, self._environment, timeout_s=self._timeout_s)

    def close(self) -> None:
        """End the connection."""
        self._post.close()

    def uploads(self, owner: Owner, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Where each of the files (path, size, sha256) is to be put, in their order."""
        return self._of_files("uploads", owner, files, {"bundle": True})

    def bundle(self, owner: Owner, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Upload small files (path, sha256, data) as they are; what has become of each, in their order."""
        body = msgpack.packb({owner.kind: owner.id, "files": list(files)})
        found = _checked(self._send("bundle", body, "application/msgpack"), "files", self.url)
        return _in_order(found, [file["path"] for file in files], self.url)

    def parts(self, owner: Owner, path: str, upload_id: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Where parts of a multipart upload are to be put."""
        fields = {"path": path, "upload_id": upload_id, "numbers": list(numbers)}
        return self._items("parts", owner, fields, "parts")

    def complete(self, owner: Owner, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Tell that files are uploaded, and learn of each what has become of it, in their order."""
        return self._of_files("complete", owner, files)

    def downloads(self, owner: Owner, paths: Sequence[str]) -> list[dict[str, Any]]:
        """From where each of the files is to be had, in their order."""
        found = self._items("downloads", owner, {"paths": list(paths)}, "files")
        return _in_order(found, paths, self.url)

    def entries(self, owner: Owner, path: str, *, recursive: bool) -> Iterator[Artifact]:
        """What lies in a directory, or all files below it, page by page."""
        token = ""
        while True:
            fields = {"path": path, "recursive": recursive, "page_token": token}
            answer = self._ask("list", owner, fields)
            for item in _checked(answer, "files", self.url):
                is_dir = bool(item["is_dir"])
                yield Artifact(
                    str(item["path"]),
                    is_dir,
                    None if is_dir else int(item["size"]),
                    str(item.get("sha256") or ""),
                )
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def delete(self, owner: Owner, paths: Sequence[str]) -> None:
        """Delete files, and directories with all they hold; nothing there is fine too."""
        self._ask("delete", owner, {"paths": list(paths)})

    def _of_files(
        self, name: str, owner: Owner, files: Sequence[Mapping[str, Any]], more: Mapping[str, Any] = {}
    ) -> list[dict[str, Any]]:
        found = self._items(name, owner, {"files": list(files), **more}, "files")
        return _in_order(found, [file["path"] for file in files], self.url)

    def _items(self, name: str, owner: Owner, fields: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        return _checked(self._ask(name, owner, fields), key, self.url)

    def _ask(self, name: str, owner: Owner, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps({owner.kind: owner.id, **fields}).encode()
        return self._send(name, body, "application/json")

    def _send(self, name: str, body: bytes, content_type: str) -> Mapping[str, Any]:
        try:
            answer = self._post.send(body, f"{PATH}/{name}", content_type)
        except Failure as error:
            raise NotNow(f"{self.url} cannot be reached ({error or type(error).__name__})") from error
        error_code, message = error_of(answer)
        if answer.status == 200:
            return _decoded(answer.body, self.url)
        if error_code == ENDPOINT_NOT_FOUND or (answer.status in (404, 405) and not error_code):
            raise NoEndpoint(f"{self.url} has no endpoints for tracklog's files", 10)
        if answer.status in (400, 404, _TOO_LARGE) and "tracklog-version" in answer.headers:
            raise Rejected(error_code if error_code in STATUS_BY_CODE else INVALID, message)
        raise not_now(answer, self.url, message)


def rejected(answer: Mapping[str, Any]) -> Rejected:
    """The error in an answer about one file."""
    code = str(answer.get("error_code"))
    return Rejected(code if code in STATUS_BY_CODE else INVALID, str(answer.get("message") or "refused"))


def _decoded(body: bytes, url: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise NotNow(f"{url} does not answer as a tracklog server does", 10)
    return fields


def _checked(fields: Mapping[str, Any], key: str, url: str) -> list[dict[str, Any]]:
    items = fields.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NotNow(f"{url} does not answer as a tracklog server does", 10)
    return items


def _in_order(found: list[dict[str, Any]], paths: Sequence[str], url: str) -> list[dict[str, Any]]:
    """What was answered about each path, whichever order the server has chosen."""
    by_path = {item.get("path"): item for item in found}
    if any(path not in by_path for path in paths):
        raise NotNow(f"{url} does not answer as a tracklog server does", 10)
    return [by_path[path] for path in paths]
