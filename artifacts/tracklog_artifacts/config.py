"""Bounds of the artifact endpoints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArtifactConfig:
    """Bounds of the artifact endpoints, per process."""

    uploads_max: int = 64
    # Of all bundles from their first byte to their answer, as sent and as read.
    bundle_bytes_max: int = 64 * 2**20
    # A client that sends nothing for so long has lost its upload, so that it cannot keep its place for ever.
    upload_stall_timeout_s: float = 60.0
    # How long a signed URL is good for where the client does not say.
    url_expires_s: int = 15 * 60
    # MLflow's client takes the URLs of all parts at once and can ask for none again.
    parts_expire_s: int = 3600
    # An upload that began with the last second of its URL may take its time to end.
    upload_expires_s: int = 6 * 3600
    # So long a client may be gone in the middle of a large file and go on after.
    multipart_expires_s: int = 7 * 24 * 3600
    # How many requests to the store are under way for one of ours.
    store_requests_max: int = 16
    settle_interval_s: float = 60.0
    # How many uploads the background task looks for in one go.
    settle_uploads_max: int = 1000

    def __post_init__(self) -> None:
        # Whatever a URL lets in is still looked for.
        assert self.url_expires_s < self.upload_expires_s
        assert self.parts_expire_s < self.multipart_expires_s
