"""The artifact store in a bucket of S3, or of another server that speaks its protocol."""

import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import boto3
from botocore.response import StreamingBody

from tracklog_artifacts.download import attachment, content_type
from tracklog_artifacts.incoming import CHUNK_BYTES, checked
from tracklog_artifacts.parts import PART_BYTES_MIN, PARTS_MAX, chosen, no_such_upload
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.s3_calls import S3Calls
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.s3_listing import PAGE_KEYS_MAX, S3Listing
from tracklog_artifacts.s3_sign import S3Signer, SigningKeys
from tracklog_artifacts.s3_write import S3Write
from tracklog_artifacts.store import Bundles, Entry, Misconfigured, Part, SignedRequest, Stat
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected, Unavailable

_KEY_BYTES_MAX: Final = 1024
_DELETE_ATTEMPTS: Final = 5


class S3Store:
    """An `ArtifactStore` in a bucket; its URLs lead to the bucket itself.

    `session` has the credentials (a new one: those of AWS's chain). `page_keys` is how many items a listing
    asks for at once.

    Raises: Misconfigured, when there are no credentials. Nothing else is asked of the network.
    """

    part_bytes_min = PART_BYTES_MIN
    parts_max = PARTS_MAX
    bundles: Bundles | None = None

    def __init__(
        self,
        config: S3Config,
        *,
        session: boto3.session.Session | None = None,
        page_keys: int = PAGE_KEYS_MAX,
    ) -> None:
        self._config = config
        self._calls = S3Calls(config, session)
        self._client = self._calls.client
        self._listing = S3Listing(self._calls, config, page_keys)
        self._signer = S3Signer(
            self._calls.bucket_url(config.public_endpoint or config.endpoint),
            self._calls.region,
            SigningKeys(self._calls.credentials),
        )

    async def check(self) -> None:
        """Pass when the bucket answers to us.

        Raises: Misconfigured or Unavailable, saying what to look at.
        """
        place = {"Bucket": self._config.bucket, "Prefix": self._config.key("")}
        try:
            await self._calls.run(self._client.list_objects_v2, **place, MaxKeys=1)
        except Rejected as error:
            # No bucket is a listing's own answer; this is some other server's.
            raise Misconfigured(
                f"The artifact store {self._config} does not answer as an S3 server does:"
                " check --artifact-endpoint."
            ) from error

    @asynccontextmanager
    async def open(self, path: ArtifactPath) -> AsyncIterator["S3File"]:
        """As `ArtifactStore.open`."""
        target = self._target(path)
        try:
            # The whole answer is begun, and so of one version, though another may be there the next moment.
            answer = await self._calls.run(self._client.get_object, **target)
        except Rejected as error:
            if error.error_code == NOT_FOUND:
                raise await self._missing(path) from None
            raise
        try:
            yield S3File(self._calls, target, answer)
        finally:
            answer["Body"].close()

    async def _missing(self, path: ArtifactPath) -> Rejected:
        text = "/".join(path)
        if await self._listing.is_directory(path):
            return Rejected(INVALID, f"Artifact path refers to a directory, not a file: '{text}'")
        return Rejected(NOT_FOUND, f"No such artifact: '{text}'")

    async def write(
        self,
        path: ArtifactPath,
        chunks: AsyncIterable[bytes],
        *,
        size_bytes: int | None = None,
        sha256: str = "",
    ) -> Stat:
        """As `ArtifactStore.write`."""
        writing = S3Write(self._calls, self._target(path), self._kept_as(path))
        etag = await writing.run(checked(chunks, size_bytes), sha256)
        if not etag:
            stored = await self._existing(path)
            etag = stored.etag
        return Stat(writing.size_bytes, etag, time.time(), writing.sha256)

    async def entries(self, path: ArtifactPath) -> list[Entry]:
        """As `ArtifactStore.entries`."""
        return await self._listing.entries(path)

    async def delete(self, path: ArtifactPath) -> None:
        """As `ArtifactStore.delete`; a directory goes a page at a time."""
        await self._calls.run(self._client.delete_object, **self._target(path))
        async for keys in self._listing.keys_below(path):
            if keys:
                await self._calls.run(self._delete_all, keys=keys)

    def _delete_all(self, keys: list[str]) -> None:
        code = ""
        for _ in range(_DELETE_ATTEMPTS):
            objects: Any = [{"Key": key} for key in keys]
            answer = self._client.delete_objects(
                Bucket=self._config.bucket, Delete={"Objects": objects, "Quiet": True}
            )
            # Some stores stumble over a file that somebody else writes or deletes just then.
            errors = [error for error in answer.get("Errors", ()) if error.get("Code") != "NoSuchKey"]
            if not errors:
                return
            keys, code = [error["Key"] for error in errors], errors[0].get("Code", "?")
        raise Unavailable(f"The artifact store did not delete {len(keys)} files ({code}).")

    async def stat(self, path: ArtifactPath) -> Stat | None:
        """As `ArtifactStore.stat`."""
        try:
            answer = await self._calls.run(
                self._client.head_object, **self._target(path), ChecksumMode="ENABLED"
            )
        except Rejected as error:
            if error.error_code == NOT_FOUND:
                return None
            raise
        return Stat(
            answer["ContentLength"],
            answer["ETag"].strip('"'),
            answer["LastModified"].timestamp(),
            _sha256_of_whole(answer.get("ChecksumSHA256", "")),
        )

    async def _existing(self, path: ArtifactPath) -> Stat:
        stored = await self.stat(path)
        if stored is None:
            raise Unavailable("The file that was just stored is gone: somebody deleted it meanwhile.")
        return stored

    def walk(self) -> AsyncIterator[tuple[ArtifactPath, Stat]]:
        """As `ArtifactStore.walk`."""
        return self._listing.walk()

    def sign_get(self, path: ArtifactPath, *, expires_s: int) -> SignedRequest:
        """As `ArtifactStore.sign_get`."""
        query = {
            "response-content-disposition": attachment(path[-1]),
            "response-content-type": content_type(path[-1]),
        }
        return self._signer.sign("GET", self._key(path), expires_s=expires_s, query=query)

    def sign_put(
        self, path: ArtifactPath, *, expires_s: int, size_bytes: int | None, sha256: str = ""
    ) -> SignedRequest:
        """As `ArtifactStore.sign_put`."""
        headers = self._config.encryption_headers
        if sha256:
            headers["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(sha256)).decode()
            if self._config.payload_hash:
                headers["x-amz-content-sha256"] = sha256
        return self._signer.sign(
            "PUT", self._key(path), expires_s=expires_s, headers=headers, size_bytes=size_bytes
        )

    def sign_part(
        self, path: ArtifactPath, upload_id: str, number: int, *, expires_s: int, size_bytes: int | None
    ) -> SignedRequest:
        """As `ArtifactStore.sign_part`."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return self._signer.sign(
            "PUT", self._key(path), expires_s=expires_s, query=query, size_bytes=size_bytes
        )

    def sign_abort(self, path: ArtifactPath, upload_id: str, *, expires_s: int) -> SignedRequest:
        """As `ArtifactStore.sign_abort`."""
        return self._signer.sign(
            "DELETE", self._key(path), expires_s=expires_s, query={"uploadId": upload_id}
        )

    async def create_multipart(self, path: ArtifactPath) -> str:
        """As `ArtifactStore.create_multipart`."""
        answer = await self._calls.run(
            self._client.create_multipart_upload, **self._target(path), **self._kept_as(path)
        )
        return answer["UploadId"]

    async def parts(self, path: ArtifactPath, upload_id: str) -> list[Part]:
        """As `ArtifactStore.parts`."""
        try:
            _refuse_nameless(upload_id)
            return await self._listing.parts(path, upload_id)
        except Rejected as error:
            raise (no_such_upload() if error.error_code == NOT_FOUND else error) from None

    async def complete_multipart(
        self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]
    ) -> Stat:
        """As `ArtifactStore.complete_multipart`."""
        # Stores differ in what they say of wrong parts, and some say what sounds like a failure of theirs.
        parts_of_file = chosen(await self.parts(path, upload_id), parts)
        await self._calls.run(
            self._client.complete_multipart_upload,
            **self._target(path),
            UploadId=upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts_of_file]
            },
        )
        # Some stores leave the ETag out of their answer, and none tells the size.
        return await self._existing(path)

    async def abort_multipart(self, path: ArtifactPath, upload_id: str) -> None:
        """As `ArtifactStore.abort_multipart`."""
        try:
            _refuse_nameless(upload_id)
            await self._calls.run(
                self._client.abort_multipart_upload, **self._target(path), UploadId=upload_id
            )
        except Rejected as error:
            if error.error_code != NOT_FOUND:
                raise

    def uploads(self) -> AsyncIterator[tuple[ArtifactPath, str, float]]:
        """As `ArtifactStore.uploads`."""
        return self._listing.uploads()

    def _key(self, path: ArtifactPath) -> str:
        key = self._config.key("/".join(path))
        if len(key.encode()) > _KEY_BYTES_MAX:
            raise Rejected(
                INVALID,
                f"The artifact store cannot hold a file of this path: it has over {_KEY_BYTES_MAX} bytes.",
            )
        return key

    def _target(self, path: ArtifactPath) -> dict[str, Any]:
        return {"Bucket": self._config.bucket, "Key": self._key(path)}

    def _kept_as(self, path: ArtifactPath) -> dict[str, Any]:
        return {"ContentType": content_type(path[-1]), **self._config.encryption_parameters}


class S3File:
    """An `OpenArtifact` that is an object, read as the version that it was when opened, or not at all."""

    def __init__(self, calls: S3Calls, target: dict[str, Any], answer: Any) -> None:
        self._calls = calls
        self._target = target
        self._whole: StreamingBody | None = answer["Body"]
        self.size_bytes: int = answer["ContentLength"]
        self.etag: str = answer["ETag"].strip('"')
        self.modified_s: float = answer["LastModified"].timestamp()

    async def chunks(self, start: int, count: int) -> AsyncIterator[bytes]:
        """As `OpenArtifact.chunks`."""
        if not count:
            return
        body = await self._body(start, count)
        try:
            while count:
                piece = await self._calls.run(body.read, amt=min(CHUNK_BYTES, count))
                if not piece:
                    raise Unavailable("The artifact store broke an answer off.")
                count -= len(piece)
                yield piece
        finally:
            body.close()

    async def _body(self, start: int, count: int) -> StreamingBody:
        """The bytes to read: those of the answer that came with opening, when all are asked for first."""
        whole, self._whole = self._whole, None
        if whole is not None:
            if (start, count) == (0, self.size_bytes):
                return whole
            whole.close()
        answer = await self._calls.run(
            self._calls.client.get_object,
            **self._target,
            Range=f"bytes={start}-{start + count - 1}",
            IfMatch=f'"{self.etag}"',
        )
        return answer["Body"]


def _refuse_nameless(upload_id: str) -> None:
    # Without an id S3 would take the request for one about something else.
    if not upload_id:
        raise no_such_upload()


def _sha256_of_whole(checksum: str) -> str:
    """A SHA-256 in hex from S3's Base64; "" for a sum of parts' sums, which has their number behind."""
    return "" if not checksum or "-" in checksum else b64decode(checksum).hex()
