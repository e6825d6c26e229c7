"""Writes a stream of unknown length to S3: in one PUT when short, else in parts, two of them in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import structlog

from tracklog_artifacts.parts import PART_BYTES_MIN
from tracklog_artifacts.s3_calls import S3Calls
from tracklog_contract.errors import INVALID, Rejected, TracklogError

# Parts begin as small as may be, for two of an upload are in memory: one is sent while the next is gathered.
# They grow, so that their number does not run out: 268 GiB fit in.
_PARTS_OF_A_SIZE: Final = 1000
log = structlog.get_logger()


class S3Write:
    """One stream to one object: `target` is its Bucket and Key, `parameters` say how it is to be kept."""

    def __init__(self, calls: S3Calls, target: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        self._calls = calls
        self._target: dict[str, Any] = dict(target)
        self._parameters: dict[str, Any] = dict(parameters)
        self._hash = hashlib.sha256()
        self._etags: list[str] = []
        self._upload: asyncio.Future[str] | None = None
        self._sending: asyncio.Future[str] | None = None
        self.size_bytes = 0
        self.sha256 = ""

    async def run(self, chunks: AsyncIterable[bytes], sha256: str) -> str:
        """Store all of `chunks`; the object's ETag, or "" where the store does not tell it.

        Raises: Rejected, storing nothing, when they have not this SHA-256 (if given); what `chunks` raises.
        """
        try:
            part = bytearray()
            async for chunk in chunks:
                part += chunk
                if len(part) >= PART_BYTES_MIN * (1 + len(self._etags) // _PARTS_OF_A_SIZE):
                    await self._send_part(part)
                    part = bytearray()
            return await self._finish(part, sha256)
        except BaseException:
            await self._abandon()
            raise

    async def _send_part(self, part: bytearray) -> None:
        """Begin to send a part, once the one before it is there."""
        if self._upload is None:
            self._upload = self._calls.start(self._create)
        upload_id = await _outcome(self._upload)
        await self._sent()
        number = len(self._etags) + 1
        self._sending = self._calls.start(self._put_part, part=part, number=number, upload_id=upload_id)

    async def _sent(self) -> None:
        if self._sending is not None:
            self._etags.append(await _outcome(self._sending))
            self._sending = None

    async def _finish(self, rest: bytearray, sha256: str) -> str:
        if self._upload is None:
            await self._calls.run(self._take, part=rest)
            self._verify(sha256)
            return await self._calls.run(self._put, body=rest)
        if rest:
            await self._send_part(rest)
        await self._sent()
        self._verify(sha256)
        return await self._calls.run(self._complete, upload_id=self._upload.result())

    def _verify(self, sha256: str) -> None:
        self.sha256 = self._hash.hexdigest()
        if sha256 not in {"", self.sha256}:
            raise Rejected(INVALID, "The bytes do not have the SHA-256 that was told; nothing was stored.")

    async def _abandon(self) -> None:
        """Leave nothing of an upload in parts behind."""
        if self._upload is None:
            return
        # What is on its way is waited for: a part that arrives after the end would stay for good.
        for step in (self._upload, self._sending):
            if step is not None:
                await asyncio.wait({step})
        with suppress(TracklogError):
            upload_id = self._upload.result()
            try:
                await self._calls.run(self._abort, upload_id=upload_id)
            except TracklogError as error:
                log.warning("s3_upload_not_aborted", key=self._target["Key"], reason=error.message)

    # In threads:

    def _take(self, part: bytearray) -> None:
        self._hash.update(part)
        self.size_bytes += len(part)

    def _create(self) -> str:
        return self._calls.client.create_multipart_upload(**self._target, **self._parameters)["UploadId"]

    def _put_part(self, part: bytearray, number: int, upload_id: str) -> str:
        self._take(part)
        answer = self._calls.client.upload_part(
            **self._target, UploadId=upload_id, PartNumber=number, Body=cast(bytes, part)
        )
        return answer["ETag"]

    def _put(self, body: bytearray) -> str:
        return self._calls.client.put_object(**self._target, **self._parameters, Body=cast(bytes, body))[
            "ETag"
        ].strip('"')

    def _complete(self, upload_id: str) -> str:
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, start=1)
        ]
        answer = self._calls.client.complete_multipart_upload(
            **self._target, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
        return answer.get("ETag", "").strip('"')

    def _abort(self, upload_id: str) -> None:
        self._calls.client.abort_multipart_upload(**self._target, UploadId=upload_id)


async def _outcome(step: "asyncio.Future[str]") -> str:
    # Awaited itself, it would be cancelled with its waiter, and what it did in the store be forgotten.
    await asyncio.wait({step})
    return step.result()
