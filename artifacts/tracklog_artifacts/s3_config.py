"""Where an S3 store is and how it is spoken to; its credentials are found as boto3 finds them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class S3Config:
    """A bucket, or the part of it below `prefix` ("" or names that end in no "/").

    `endpoint`: the server's URL; "" is Amazon's for the region. `public_endpoint`: the URL by which clients
    reach it, where that is another. `region`: "" leaves it to AWS_REGION, AWS's configuration or us-east-1.
    `path_style`: whether the bucket stands in the URL's path rather than in its host name. `encryption`: ""
    is the bucket's own; AES256, aws:kms, or aws:kms:KEY-ID is asked for with every file. `payload_hash`:
    signed uploads are bound to their bytes by `x-amz-content-sha256` too, for servers that take no notice of
    `x-amz-checksum-sha256`; others know no such thing in signed URLs.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = ""
    path_style: bool = False
    encryption: str = ""
    payload_hash: bool = False

    def __str__(self) -> str:
        """Where it is, for people."""
        where = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        return f"{where} at {self.endpoint}" if self.endpoint else where

    def key(self, name: str) -> str:
        """The key of a file by its path's text; with "" what all keys begin with."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def encryption_headers(self) -> dict[str, str]:
        """What a request that begins a file says of its encryption."""
        if not self.encryption:
            return {}
        kind, _, key_id = self.encryption.removeprefix("aws:").partition(":")
        if kind == "AES256":
            return {"x-amz-server-side-encryption": kind}
        headers = {"x-amz-server-side-encryption": f"aws:{kind}"}
        if key_id:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = key_id
        return headers

    @property
    def encryption_parameters(self) -> dict[str, str]:
        """The same, as boto3's calls take it."""
        names = {
            "x-amz-server-side-encryption": "ServerSideEncryption",
            "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
        }
        return {names[name]: value for name, value in self.encryption_headers.items()}
