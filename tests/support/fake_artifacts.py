"""The endpoints of files and a store behind them, in memory, which can fail and counts what comes."""

import hashlib
import json
import threading
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgpack
import zstandard

API = "/api/tracklog/v1/artifacts/"
STORE = "/store/"
READ_BYTES = 2**16
UNANSWERED = -1

# The owner's id and the path below its files.
Key = tuple[str, str]


@dataclass
class FakeUpload:
    """A multipart upload that is not finished."""

    key: Key
    size: int
    sha256: str
    parts: dict[int, bytes] = field(default_factory=dict)

    def is_of(self, other: "FakeUpload") -> bool:
        """Is it of the same file."""
        return (self.key, self.size, self.sha256) == (other.key, other.size, other.sha256)


class FakeArtifacts:
    """Files by owner and path, and how often which bytes were put.

    `script` holds statuses that answer the next PUTs in place of the store, None for a connection that ends
    in the middle of the body, UNANSWERED for one that ends when all is stored. `refuses` tells of a file
    whether the server refuses it, and why. Files of at most `bundle_max` bytes are asked for in bundles,
    whose script is `bundle_script`.
    """

    def __init__(self) -> None:
        self.bundle_max = -1
        self.bundle_script: deque[int] = deque()
        self.single_max = 16 * 2**20
        self.part_size = 16 * 2**20
        self.bytes_per_s: float | None = None
        self.url = ""
        self.files: dict[Key, bytes] = {}
        self.uploads: dict[str, FakeUpload] = {}
        self.puts: Counter[tuple[str, int]] = Counter()
        self.started: Counter[tuple[str, int]] = Counter()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.store_headers: list[dict[str, str]] = []
        self.gets: list[tuple[str, str]] = []
        self.script: deque[int | None] = deque()
        self.refuses: Callable[[str, str], str] = lambda owner, path: ""
        self.knows: Callable[[str], bool] = lambda owner: True
        self.lock = threading.Lock()

    def content(self, owner: str) -> dict[str, bytes]:
        """The files of one owner."""
        return {path: data for (of, path), data in self.files.items() if of == owner}

    def read(self, key: Key) -> bytes:
        """The bytes that a GET gives."""
        return self.files[key]

    def call(self, name: str, fields: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and answer of one endpoint."""
        with self.lock:
            self.asked.append((name, fields))
            owner = fields.get("run_id") or fields["model_id"]
            if not self.knows(owner):
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no run {owner}"}
            if name == "bundle" and self.bundle_script and (status := self.bundle_script.popleft()) != 200:
                return status, {"error_code": "INVALID_PARAMETER_VALUE", "message": "as the script says"}
            return 200, getattr(self, f"_{name}")(owner, fields)

    def _uploads(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"files": [self._upload(owner, file, fields) for file in fields["files"]]}

    def _upload(self, owner: str, file: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        path, size, sha256 = file["path"], file["size"], file["sha256"]
        if why := self.refuses(owner, path):
            return _refused(path, why)
        there = self.files.get((owner, path))
        if there is not None and hashlib.sha256(there).hexdigest() == sha256:
            return {"path": path, "state": "stored"}
        if fields["bundle"] and size <= self.bundle_max:
            return {"path": path, "state": "bundled"}
        if size < self.single_max:
            headers = {"X-Checksum": sha256, "X-Size": str(size)}
            return {
                "path": path,
                "state": "single",
                "url": f"{self.url}{STORE}{owner}/{path}",
                "headers": headers,
            }
        wanted = FakeUpload((owner, path), size, sha256)
        same = (name for name, upload in self.uploads.items() if upload.is_of(wanted))
        upload_id = next(same, f"upload{len(self.asked)}-{path}")
        upload = self.uploads.setdefault(upload_id, wanted)
        parts = [{"number": n, "size": len(data), "etag": _etag(data)} for n, data in upload.parts.items()]
        return {
            "path": path,
            "state": "multipart",
            "upload_id": upload_id,
            "part_size": self.part_size,
            "parts": parts,
        }

    def _bundle(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"files": [self._unpacked(owner, file) for file in fields["files"]]}

    def _unpacked(self, owner: str, file: dict[str, Any]) -> dict[str, Any]:
        path, data = file["path"], file["data"]
        if hashlib.sha256(data).hexdigest() != file["sha256"]:
            return _refused(path, "other bytes than were told")
        self.started[f"{owner}/{path}", 0] += 1
        self.puts[f"{owner}/{path}", 0] += 1
        self.files[owner, path] = data
        return {"path": path, "state": "stored"}

    def _parts(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        upload_id = fields["upload_id"]
        urls = [
            {"number": n, "url": f"{self.url}{STORE}?upload={upload_id}&part={n}", "headers": {}}
            for n in fields["numbers"]
        ]
        return {"parts": urls}

    def _complete(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"files": [self._completed(owner, file) for file in fields["files"]]}

    def _completed(self, owner: str, file: dict[str, Any]) -> dict[str, Any]:
        path = file["path"]
        if upload := self.uploads.get(file.get("upload_id", "")):
            given = {part["number"]: part["etag"] for part in file["parts"]}
            if given != {n: _etag(data) for n, data in upload.parts.items()}:
                return _refused(path, "other parts than are there")
            del self.uploads[file["upload_id"]]
            self.files[owner, path] = b"".join(upload.parts[n] for n in sorted(upload.parts))
        data = self.files.get((owner, path))
        if data is None or (len(data), hashlib.sha256(data).hexdigest()) != (file["size"], file["sha256"]):
            return _refused(path, "the store has something else")
        return {"path": path, "state": "stored"}

    def _downloads(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"files": [self._download(owner, path) for path in fields["paths"]]}

    def _download(self, owner: str, path: str) -> dict[str, Any]:
        data = self.files.get((owner, path))
        if data is None:
            return _refused(path, "no such file", "RESOURCE_DOES_NOT_EXIST")
        return {
            "path": path,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "etag": _etag(data),
            "url": f"{self.url}{STORE}{owner}/{path}",
            "headers": {},
        }

    def _list(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        below = f"{fields['path']}/" if fields["path"] else ""
        found: dict[str, dict[str, Any]] = {}
        for path, data in sorted(self.content(owner).items()):
            if not path.startswith(below):
                continue
            first, _, rest = path[len(below) :].partition("/")
            if rest and not fields["recursive"]:
                found[first] = {"path": below + first, "is_dir": True}
            else:
                found[path] = {
                    "path": path,
                    "is_dir": False,
                    "size": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
        names = sorted(found)
        start = int(fields["page_token"] or 0)
        more = str(start + 3) if start + 3 < len(names) else ""
        return {"files": [found[name] for name in names[start : start + 3]], "next_page_token": more}

    def _delete(self, owner: str, fields: dict[str, Any]) -> dict[str, Any]:
        for path in fields["paths"]:
            for key in [key for key in self.files if key[0] == owner and f"{key[1]}/".startswith(f"{path}/")]:
                del self.files[key]
        return {}

    def put(self, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Store a body; the status and ETag."""
        if b64encode(hashlib.md5(body).digest()).decode() != headers.get("Content-MD5"):
            return 400, ""
        with self.lock:
            name, number = named(target)
            self.puts[name, number] += 1
            if number:
                if name not in self.uploads:
                    return 404, ""
                self.uploads[name].parts[number] = body
            else:
                owner, _, path = name.partition("/")
                if headers["X-Checksum"] != hashlib.sha256(body).hexdigest():
                    return 400, ""
                self.files[owner, path] = body
        return 200, _etag(body)


def named(target: str) -> tuple[str, int]:
    """What a URL of the store is of: an upload and the number of a part, or a file and 0."""
    rest = target.removeprefix(STORE)
    if rest.startswith("?"):
        upload, part = (item.partition("=")[2] for item in rest[1:].split("&"))
        return upload, int(part)
    return rest, 0


def serve(handler: BaseHTTPRequestHandler, artifacts: FakeArtifacts) -> bool:
    """Answer a request that is about files; False when it is not."""
    if handler.path.startswith(API):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers["Content-Encoding"] == "zstd":
            body = zstandard.decompress(body)
        unpack = msgpack.unpackb if handler.headers["Content-Type"] == "application/msgpack" else json.loads
        status, fields = artifacts.call(handler.path.removeprefix(API), unpack(body))
        _answer(handler, status, json.dumps(fields).encode(), {"Tracklog-Version": "0"})
        return True
    if handler.path.startswith(STORE):
        artifacts.store_headers.append(dict(handler.headers))
        (_serve_put if handler.command == "PUT" else _serve_get)(handler, artifacts)
        return True
    return False


def _serve_put(handler: BaseHTTPRequestHandler, artifacts: FakeArtifacts) -> None:
    with artifacts.lock:
        artifacts.started[named(handler.path)] += 1
        scripted = artifacts.script.popleft() if artifacts.script else 0
    size = int(handler.headers["Content-Length"])
    pieces: list[bytes] = []
    while (left := size - sum(map(len, pieces))) > 0:
        if scripted is None and left < size:
            handler.close_connection = True
            return
        piece = handler.rfile.read(min(READ_BYTES, left))
        if not piece:
            handler.close_connection = True
            return
        pieces.append(piece)
        if artifacts.bytes_per_s:
            time.sleep(len(piece) / artifacts.bytes_per_s)
    if scripted and scripted != UNANSWERED:
        _answer(handler, scripted, b"as the script says", {})
        return
    status, etag = artifacts.put(handler.path, handler.headers, b"".join(pieces))
    if scripted:
        handler.close_connection = True
        return
    _answer(handler, status, b"", {"ETag": f'"{etag}"'})


def _serve_get(handler: BaseHTTPRequestHandler, artifacts: FakeArtifacts) -> None:
    owner, _, path = handler.path.removeprefix(STORE).partition("/")
    wanted = handler.headers.get("Range", "")
    with artifacts.lock:
        artifacts.gets.append((path, wanted))
        data = artifacts.read((owner, path))
        scripted = artifacts.script.popleft() if artifacts.script else 0
    if scripted:
        _answer(handler, scripted, b"as the script says", {})
        return
    headers = {"ETag": f'"{_etag(data)}"'}
    status = 200
    if wanted:
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        data, status = data[int(first) : int(last) + 1], 206
    if scripted is None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True
        return
    _answer(handler, status, data, headers)


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _refused(path: str, why: str, code: str = "INVALID_PARAMETER_VALUE") -> dict[str, Any]:
    return {"path": path, "state": "refused", "error_code": code, "message": why}


def _etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
