"""Makes the bucket of `--artifact-root` ready: `python -m tracklog_server.make_bucket [ORIGIN...]`.

It creates the bucket where it is missing, and with origins allows web pages of those to use it. The settings
are the server's own, from the environment. It may run before every start, and waits for a store to start.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from tracklog_artifacts.s3_calls import S3Calls
from tracklog_artifacts.s3_config import S3Config
from tracklog_artifacts.store import Misconfigured
from tracklog_contract.errors import Busy, TracklogError, Unavailable
from tracklog_server.problems import FAILED, StartError
from tracklog_server.settings import load

PATIENCE_S: Final = 60.0
PAUSE_S: Final = 1.0
_THERE: Final = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
# Amazon's first region is the one that must not be named.
_NAMELESS: Final = "us-east-1"


def main(origins: Sequence[str]) -> int:
    """Make the bucket ready; the exit code."""
    try:
        place = _bucket_of(os.environ)
        calls = S3Calls(place)
        _patiently(lambda: make_ready(calls, place, origins))
    except (StartError, TracklogError) as problem:
        sys.stderr.write(f"tracklog: {problem}\n")
        return FAILED
    return 0


def _bucket_of(environment: Mapping[str, str]) -> S3Config:
    place = load({}, environment).artifact_place
    if not isinstance(place, S3Config):
        raise StartError("TRACKLOG_ARTIFACT_ROOT is no s3://BUCKET: there is nothing to make")
    return place


def _patiently(work: Callable[[], None]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            work()
        except Misconfigured:
            raise
        except (Busy, Unavailable):
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def make_ready(calls: S3Calls, place: S3Config, origins: Sequence[str]) -> None:
    """Create the bucket where it is missing, and let pages of these origins use it.

    Raises: Misconfigured or Unavailable, saying what to check.
    """
    if not calls.now(_exists, calls=calls, bucket=place.bucket):
        calls.now(_create, calls=calls, bucket=place.bucket)
    if origins:
        rules: Any = {"CORSRules": [cors_rule(origins)]}
        calls.now(calls.client.put_bucket_cors, Bucket=place.bucket, CORSConfiguration=rules)


def cors_rule(origins: Sequence[str]) -> dict[str, Any]:
    """What a page needs of the bucket: reading with ranges, and uploads in parts, which it knows by ETag."""
    return {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD", "PUT", "DELETE"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag", "Content-Range", "Content-Length"],
        "MaxAgeSeconds": 3600,
    }


def _exists(calls: S3Calls, bucket: str) -> bool:
    # Whoever only uses the bucket may not be allowed to make one.
    try:
        calls.client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except calls.client.exceptions.NoSuchBucket:
        return False
    return True


def _create(calls: S3Calls, bucket: str) -> None:
    elsewhere: Any = {"LocationConstraint": calls.region}
    options = {} if calls.region == _NAMELESS else {"CreateBucketConfiguration": elsewhere}
    try:
        calls.client.create_bucket(Bucket=bucket, **options)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _THERE:
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
