"""Lists an S3 store page by page: directories, all files, unfinished uploads and their parts."""

from collections.abc import AsyncIterator
from typing import Any, Final

from tracklog_artifacts import paths
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.s3_calls import S3Calls
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import Entry, Part, Stat
from tracklog_contract.errors import Rejected

# The most that S3 gives at once.
PAGE_KEYS_MAX: Final = 1000


class S3Listing:
    """The listings of one store; `page_keys` at most are asked for at once."""

    def __init__(self, calls: S3Calls, config: S3Config, page_keys: int = PAGE_KEYS_MAX) -> None:
        self._calls = calls
        self._bucket = config.bucket
        self._config = config
        self._page_keys = page_keys

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """The items of the directory at `path`, sorted by name."""
        below = self._config.key("/".join((*path, "")))
        found = []
        async for page in self._pages(Prefix=below, Delimiter="/"):
            names = [(item["Prefix"][len(below) : -1], None) for item in page.get("CommonPrefixes", ())]
            names += [(item["Key"][len(below) :], item["Size"]) for item in page.get("Contents", ())]
            # What a client could not ask for is not shown; an empty name is a mark of the directory itself.
            found += [Entry(name, size) for name, size in names if name and paths.is_safe_name(name)]
        return sorted(found, key=lambda entry: entry.name)

    async def is_directory(self, path: ArtifactPath) -> bool:
        """Whether there are files below `path`."""
        below = self._config.key("/".join((*path, "")))
        page = await self._calls.run(
            self._calls.client.list_objects_v2, Bucket=self._bucket, Prefix=below, MaxKeys=1
        )
        return bool(page.get("KeyCount") or page.get("Contents"))

    async def keys_below(self, path: ArtifactPath) -> AsyncIterator[list[str]]:
        """The keys of all files below `path`, a page at a time."""
        async for page in self._pages(Prefix=self._config.key("/".join((*path, "")))):
            yield [item["Key"] for item in page.get("Contents", ())]

    async def walk(self) -> AsyncIterator[tuple[ArtifactPath, Stat]]:
        """Every file, in the order of keys."""
        async for page in self._pages(Prefix=self._config.key("")):
            for item in page.get("Contents", ()):
                path = self._path(item["Key"])
                if path is not None:
                    modified_s = item["LastModified"].timestamp()
                    yield path, Stat(item["Size"], item["ETag"].strip('"'), modified_s)

    async def parts(self, path: ArtifactPath, upload_id: str) -> list[Part]:
        """The parts of an upload, by number.

        Raises: Rejected (RESOURCE_DOES_NOT_EXIST), when there is no such upload.
        """
        found: list[Part] = []
        marker = 0
        while True:
            page = await self._calls.run(
                self._calls.client.list_parts,
                Bucket=self._bucket,
                Key=self._config.key("/".join(path)),
                UploadId=upload_id,
                PartNumberMarker=marker,
                MaxParts=self._page_keys,
            )
            found += [
                Part(item["PartNumber"], item["Size"], item["ETag"].strip('"'))
                for item in page.get("Parts", ())
            ]
            if not page.get("IsTruncated"):
                return found
            marker = page["NextPartNumberMarker"]

    async def uploads(self) -> AsyncIterator[tuple[ArtifactPath, str, float]]:
        """Every unfinished upload: path, id and when it began."""
        markers: dict[str, str] = {}
        while True:
            page = await self._calls.run(
                self._calls.client.list_multipart_uploads,
                Bucket=self._bucket,
                Prefix=self._config.key(""),
                MaxUploads=self._page_keys,
                **markers,
            )
            for item in page.get("Uploads", ()):
                path = self._path(item["Key"])
                if path is not None:
                    yield path, item["UploadId"], item["Initiated"].timestamp()
            if not page.get("IsTruncated") or not page.get("Uploads"):
                return
            # Not every store tells where the next page begins: after the last item of this one.
            last = page["Uploads"][-1]
            markers = {"KeyMarker": last["Key"], "UploadIdMarker": last["UploadId"]}

    async def _pages(self, **what: Any) -> AsyncIterator[Any]:
        """The pages of a listing of keys; the next is asked for when one is done with."""
        token: dict[str, str] = {}
        while True:
            page = await self._calls.run(
                self._calls.client.list_objects_v2,
                Bucket=self._bucket,
                MaxKeys=self._page_keys,
                **what,
                **token,
            )
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _path(self, key: str) -> ArtifactPath | None:
        """The path that has this key; None for a key that no path has, which somebody else put there."""
        try:
            return paths.file_path(key[len(self._config.key("")) :])
        except Rejected:
            return None
