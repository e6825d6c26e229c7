"""A ledger of artifacts in memory, for tests of endpoints that need no database."""

import time

from tracklog_artifacts.ledger import Intent, Listed, StoredFile
from tracklog_contract.errors import NOT_FOUND, QUOTA, Rejected


class MemoryLedger:
    """A `Ledger` that knows every place but those in `unknown`, and holds `bytes_max` at most."""

    def __init__(self, bytes_max=None):
        self.recorded: dict[tuple[str, ...], StoredFile] = {}
        self.times: dict[tuple[str, ...], int] = {}
        self.promised: list[Intent] = []
        self.unknown: set[tuple[str, ...]] = set()
        self.bytes_max = bytes_max

    def _check(self, path):
        if any(path[: len(root)] == root for root in self.unknown):
            raise Rejected(NOT_FOUND, f"There is no '{'/'.join(path)}'")

    def _check_room(self, sizes, paths):
        if self.bytes_max is None:
            return
        kept = sum(file.size_bytes for path, file in self.recorded.items() if path not in paths)
        if kept + sum(sizes) > self.bytes_max:
            raise Rejected(QUOTA, f"The storage quota is {self.bytes_max} bytes")

    async def stored(self, files):
        for file in files:
            self._check(file.path)
        self._check_room([file.size_bytes for file in files], {file.path for file in files})
        overtaken = {file.path for file in files if self._is_overtaken(file)}
        for file in files:
            if file.path not in overtaken:
                self.recorded[file.path] = file
                self.times[file.path] = time.time_ns() // 1_000_000
        paths = {file.path for file in files} - overtaken
        self.promised = [intent for intent in self.promised if intent.path not in paths]
        for path in overtaken - {intent.path for intent in self.promised}:
            self.promised.append(Intent(path, None, 0.0))

    def _is_overtaken(self, file):
        known = self.recorded.get(file.path)
        etag = known.etag if known else ""
        return file.replaces is not None and etag not in (file.replaces, file.etag)

    async def removed(self, path):
        self._check(path)
        self.recorded = {p: file for p, file in self.recorded.items() if p[: len(path)] != path}
        self.promised = [intent for intent in self.promised if intent.path[: len(path)] != path]

    async def intended(self, intents):
        for intent in intents:
            self._check(intent.path)
        self._check_room([i.size_bytes or 0 for i in intents], {i.path for i in intents})
        same = {(intent.path, intent.upload_id) for intent in intents}
        self.promised = [i for i in self.promised if (i.path, i.upload_id) not in same] + list(intents)
        return {i.path: self.recorded[i.path].etag for i in intents if i.path in self.recorded}

    async def intents(self, path):
        self._check(path)
        return [intent for intent in self.promised if intent.path == path]

    async def intents_below(self, path, *, after, limit):
        self._check(path)
        inside = [i for i in self.promised if i.path[: len(path)] == path and (not after or i.path > after)]
        inside.sort(key=lambda intent: (intent.path, intent.upload_id))
        last = inside[limit - 1].path if len(inside) >= limit else None
        return [intent for intent in inside if last is None or intent.path <= last]

    async def forgotten(self, intents):
        self.promised = [intent for intent in self.promised if intent not in intents]

    async def file(self, path):
        return (await self.files([path])).get(path)

    async def files(self, paths):
        for path in paths:
            self._check(path)
        return {path: self._listed(path) for path in paths if path in self.recorded}

    def _listed(self, path):
        file = self.recorded[path]
        return Listed(path, file.size_bytes, file.sha256, file.etag, self.times[path])

    async def entries(self, path):
        self._check(path)
        depth = len(path) + 1
        items = {}
        for inside in self.recorded:
            if inside[: len(path)] == path and len(inside) >= depth:
                item = inside[:depth]
                items[item] = self._listed(item) if inside == item else Listed(item, None)
        return [items[item] for item in sorted(items)]

    async def tree(self, path, *, after, limit):
        self._check(path)
        inside = sorted(p for p in self.recorded if p[: len(path)] == path and len(p) > len(path))
        return [self._listed(p) for p in inside if after is None or p > after][:limit]
