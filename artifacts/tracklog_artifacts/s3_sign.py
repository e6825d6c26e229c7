"""Presigns S3 requests (AWS signature version 4 in the query) with botocore's signer: no round trips."""

import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import structlog
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError

from tracklog_artifacts.store import SignedRequest

# The longest that signature version 4 knows.
EXPIRES_MAX_S: Final = 7 * 24 * 3600
RENEWAL_EVERY_S: Final = 60.0
log = structlog.get_logger()


class SigningKeys:
    """The credentials to sign with. Those that expire are renewed beside, so that no signing waits for it."""

    def __init__(self, source: Credentials) -> None:
        self._source = source
        self.now: ReadOnlyCredentials = source.get_frozen_credentials()
        if isinstance(source, RefreshableCredentials):
            threading.Thread(target=self._renew_forever, name="s3-credentials", daemon=True).start()

    def _renew_forever(self) -> None:
        while True:
            time.sleep(RENEWAL_EVERY_S)
            try:
                # It goes out for new ones when a quarter of an hour or less is left.
                self.now = self._source.get_frozen_credentials()
            except BotoCoreError as error:
                log.warning("s3_credentials_not_renewed", reason=type(error).__name__)


class S3Signer:
    """Signs requests for the keys of one bucket. `bucket_url` has no "/" at its end."""

    def __init__(self, bucket_url: str, region: str, keys: SigningKeys) -> None:
        self._bucket_url = bucket_url
        self._region = region
        self._keys = keys

    def sign(
        self,
        method: str,
        key: str,
        *,
        expires_s: int,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        size_bytes: int | None = None,
    ) -> SignedRequest:
        """The request, good for `expires_s` from now on, and for bodies of `size_bytes` only, if given."""
        headers = headers or {}
        bound = {} if size_bytes is None else {"content-length": str(size_bytes)}
        url = f"{self._bucket_url}/{quote(key, safe='/~')}"
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        request = AWSRequest(method=method, url=url, headers={**headers, **bound})
        expires_s = min(expires_s, EXPIRES_MAX_S)
        S3SigV4QueryAuth(self._keys.now, "s3", self._region, expires=expires_s).add_auth(request)
        return SignedRequest(method, str(request.url), headers)
