"""The JSON of the native artifact endpoints: what requests hold, within bounds, and what answers do."""

from typing import Annotated, Final

import msgspec

FILES_MAX: Final = 1000
PARTS_MAX: Final = 10_000
# S3's own limit of an object.
FILE_BYTES_MAX: Final = 5 * 2**40
LIST_PAGE_MAX: Final = 10_000
# A file in a bundle, and all those of one.
SMALL_BYTES_MAX: Final = 64 * 2**10
BUNDLE_BYTES_MAX: Final = 4 * 2**20

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
SizeBytes = Annotated[int, msgspec.Meta(ge=0, le=FILE_BYTES_MAX)]
PartNumber = Annotated[int, msgspec.Meta(ge=1, le=PARTS_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
# Of a store's making: S3 gives at most some hundred characters.
Token = Annotated[str, msgspec.Meta(max_length=2048)]


class Owned(msgspec.Struct):
    """Whose files a request is about: a run's or a logged model's, one of both."""

    run_id: Token = ""
    model_id: Token = ""


class File(msgspec.Struct):
    """A file that is to come; `path` is relative to its owner's root."""

    path: Text
    size: SizeBytes
    sha256: Sha256


class PackedFile(msgspec.Struct):
    """A small file with all its bytes."""

    path: Text
    sha256: Sha256
    data: Annotated[bytes, msgspec.Meta(max_length=SMALL_BYTES_MAX)]


class PartDone(msgspec.Struct):
    """A part that was sent."""

    number: PartNumber
    etag: Token


class FileDone(File):
    """A file that was sent; in parts, where it has an `upload_id`. Without `parts`, those that are there."""

    upload_id: Token = ""
    parts: Annotated[list[PartDone], msgspec.Meta(max_length=PARTS_MAX)] = []


class Uploads(Owned, kw_only=True):
    """POST /uploads. `bundle`: the client can send small files many at once."""

    bundle: bool = False
    files: Annotated[list[File], msgspec.Meta(min_length=1, max_length=FILES_MAX)]


class Parts(Owned, kw_only=True):
    """POST /parts."""

    path: Text
    upload_id: Token
    numbers: Annotated[list[PartNumber], msgspec.Meta(min_length=1, max_length=FILES_MAX)]


class Complete(Owned, kw_only=True):
    """POST /complete."""

    files: Annotated[list[FileDone], msgspec.Meta(min_length=1, max_length=FILES_MAX)]


class Bundle(Owned, kw_only=True):
    """POST /bundle, as msgpack."""

    files: Annotated[list[PackedFile], msgspec.Meta(min_length=1, max_length=FILES_MAX)]


class Paths(Owned, kw_only=True):
    """POST /downloads, and POST /delete."""

    paths: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=FILES_MAX)]


class Listing(Owned, kw_only=True):
    """POST /list."""

    path: Text = ""
    recursive: bool = False
    page_token: Annotated[str, msgspec.Meta(max_length=8192)] = ""


class PartThere(msgspec.Struct):
    """A part that is in the store."""

    number: int
    size: int
    etag: str


class SignedPart(msgspec.Struct):
    """Where to PUT a part, with which headers."""

    number: int
    url: str
    headers: dict[str, str]


class Stored(msgspec.Struct, tag_field="state", tag="stored"):
    """The file is there, and is these bytes."""

    path: str


class Single(msgspec.Struct, tag_field="state", tag="single"):
    """Where to PUT the whole file, with which headers."""

    path: str
    url: str
    headers: dict[str, str]


class Bundled(msgspec.Struct, tag_field="state", tag="bundled"):
    """The file is small: it is to be sent in a bundle."""

    path: str


class Multipart(msgspec.Struct, tag_field="state", tag="multipart"):
    """The upload in parts that is to be carried on: each of `part_size` bytes but the last."""

    path: str
    upload_id: str
    part_size: int
    parts: list[PartThere]


class Refused(msgspec.Struct, tag_field="state", tag="refused"):
    """What is wrong with this file; it says nothing of the others."""

    path: str
    error_code: str
    message: str


class Download(msgspec.Struct):
    """Where to GET a file; `sha256` is "" where nobody computed it."""

    path: str
    size: int
    sha256: str
    etag: str
    url: str
    headers: dict[str, str]


class ListedFile(msgspec.Struct):
    """An item of a listing; a directory has the size 0."""

    path: str
    is_dir: bool
    size: int
    sha256: str
