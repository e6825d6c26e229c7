"""Calls S3 in threads of the store's own; what goes wrong becomes an error of ours, without secrets."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import Misconfigured
from tracklog_artifacts.threads import Threads
from tracklog_contract.errors import INVALID, NOT_FOUND, Busy, Rejected, TracklogError, Unavailable

if TYPE_CHECKING:  # types only: what they are of is not installed with the server
    from mypy_boto3_s3.client import S3Client

THREADS: Final = 32
CONNECT_TIMEOUT_S: Final = 5
# Completing an upload of many parts takes a store minutes.
READ_TIMEOUT_S: Final = 300
ATTEMPTS: Final = 3

_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchUpload"})
_WRONG: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML", "BadDigest"})
_REPLACED: Final = frozenset({"PreconditionFailed", "412"})
_FULL: Final = frozenset({"SlowDown", "503", "ServiceUnavailable", "RequestLimitExceeded"})
_REFUSED: Final = frozenset(
    {
        *("403", "AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem"),
        *(
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "RequestTimeTooSkewed",
        ),
    }
)
_ELSEWHERE: Final = frozenset(
    {"301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"}
)

_T = TypeVar("_T")


class S3Calls:
    """A boto3 client of the store, of this session or a new one, whose calls run beside the event loop.

    Raises: Misconfigured, when there are no credentials.
    """

    def __init__(self, config: S3Config, session: boto3.session.Session | None = None) -> None:
        self._config = config
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._threads = Threads(self._executor)
        self._session = session or boto3.session.Session()
        self.region = config.region or self._session.region_name or "us-east-1"
        credentials = self.now(self._session.get_credentials)
        if credentials is None:
            raise _no_credentials(config)
        self.credentials = credentials
        self.client = self._new_client(config.endpoint)

    def _new_client(self, endpoint: str) -> "S3Client":
        options = Config(
            signature_version="s3v4",
            s3={
                "addressing_style": "path" if self._config.path_style else "virtual",
                # The store checks what it was sent, also when a proxy stands between.
                "payload_signing_enabled": True,
            },
            # Not every store knows the checksums that boto3 adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=THREADS,
            tcp_keepalive=True,
        )
        return self._session.client(
            "s3", endpoint_url=endpoint or None, region_name=self.region, config=options
        )

    async def run(self, work: Callable[..., _T], **parameters: Any) -> _T:
        """What `work(**parameters)` returns, in a thread.

        Raises: Rejected (RESOURCE_DOES_NOT_EXIST) for what is not there; Rejected for what the store finds
        wrong with parts or bytes; Busy; Misconfigured; Unavailable.
        """
        return await self._threads.run(functools.partial(self.now, work, **parameters))

    def start(self, work: Callable[..., _T], **parameters: Any) -> "asyncio.Future[_T]":
        """Begin `work(**parameters)` in a thread; its outcome is that of `run`."""
        call = functools.partial(self.now, work, **parameters)
        return asyncio.get_running_loop().run_in_executor(self._executor, call)

    def bucket_url(self, endpoint: str) -> str:
        """The URL that the bucket's keys are appended to, with a "/" between, at this endpoint."""
        client = self.client if endpoint == self._config.endpoint else self._new_client(endpoint)
        url = client.generate_presigned_url("get_object", {"Bucket": self._config.bucket, "Key": "k"})
        return url.partition("?")[0].removesuffix("/k")

    def now(self, work: Callable[..., _T], **parameters: Any) -> _T:
        """What `work(**parameters)` returns, in this thread; errors are those of `run`."""
        try:
            return work(**parameters)
        except ClientError as error:
            raise _of_answer(error, self._config) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise _no_credentials(self._config) from error
        except BotoCoreError as error:
            raise Unavailable(
                f"The artifact store {self._config} gave no answer ({type(error).__name__}):"
                " check that it runs, and --artifact-endpoint."
            ) from error


def _of_answer(error: ClientError, config: S3Config) -> TracklogError:
    """Our error for what the store answered; of its own text only the code is repeated."""
    code = str(error.response.get("Error", {}).get("Code", "?"))
    if code in _MISSING:
        return Rejected(NOT_FOUND, "No such artifact or upload")
    if code in _WRONG:
        return Rejected(INVALID, f"The artifact store refuses the upload ({code}); nothing was stored.")
    if code in _REPLACED:
        return Unavailable("The artifact was replaced while it was read. Ask for it again.")
    if code in _FULL:
        return Busy(f"The artifact store {config} asks for fewer requests ({code}).")
    if code == "NoSuchBucket":
        return Misconfigured(
            f"The artifact store {config} has no such bucket: create it, or check --artifact-root."
        )
    if code in _REFUSED:
        return Misconfigured(
            f"The artifact store {config} refuses the server ({code}): check its credentials"
            " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what else AWS's chain finds), what they may do"
            " with the bucket, and the clock."
        )
    if code in _ELSEWHERE:
        return Misconfigured(
            f"The artifact store {config} expects another region or endpoint ({code}):"
            " check --artifact-region and --artifact-endpoint."
        )
    return Unavailable(f"The artifact store {config} failed ({code}).")


def _no_credentials(config: S3Config) -> Misconfigured:
    return Misconfigured(
        f"There are no credentials for the artifact store {config}: set AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, or use another way of AWS's chain (profile, role)."
    )
