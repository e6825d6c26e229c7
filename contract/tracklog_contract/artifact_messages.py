"""The requests of MLflow's and Databricks' artifact protocols that hand out signed URLs, as in `messages`."""

from typing import Final

from tracklog_contract.messages import ARRAY, INT, REQUIRED, TEXT, TEXTS
from tracklog_contract.shape import Check, Field, Message

CREDENTIALS_PATHS_MAX: Final = 2000


def _text(name: str, *checks: Check, default: str | None = None) -> Field:
    return Field(name, checks=(*checks, TEXT), default=default)


_RUN_ID: Final = _text("run_id", REQUIRED)
_PATH: Final = _text("path", REQUIRED)
_UPLOAD_ID: Final = _text("upload_id", REQUIRED)
_NUMBER: Final = Field("part_number", "int64", checks=(REQUIRED, INT))
_PARTS: Final = Message("MultipartUploadPart", (_NUMBER, _text("etag", REQUIRED)))

CREATE_IN_PARTS: Final = Message(
    "CreateMultipartUpload", (_PATH, Field("num_parts", "int64", checks=(INT,), default=1))
)
COMPLETE_IN_PARTS: Final = Message(
    "CompleteMultipartUpload",
    (
        _PATH,
        _text("upload_id", default=""),
        Field("parts", "message", checks=(REQUIRED, ARRAY), repeated=True, message=_PARTS),
    ),
)
ABORT_IN_PARTS: Final = Message("AbortMultipartUpload", (_PATH, _text("upload_id", default="")))

_PATHS: Final = Field("path", checks=(ARRAY, TEXTS), repeated=True)
_PAGE_TOKEN: Final = _text("page_token", default="")
CREDENTIALS_OF_RUN: Final = Message("GetCredentials", (_RUN_ID, _PATHS, _PAGE_TOKEN))
CREDENTIALS_OF_MODEL: Final = Message(
    "GetCredentialsForLoggedModel", (Field("paths", checks=(ARRAY, TEXTS), repeated=True), _PAGE_TOKEN)
)
CREATE_OF_RUN: Final = Message(
    "CreateMultipartUpload", (_RUN_ID, _PATH, Field("num_parts", "int64", checks=(REQUIRED, INT)))
)
COMPLETE_OF_RUN: Final = Message(
    "CompleteMultipartUpload",
    (
        _RUN_ID,
        _PATH,
        _UPLOAD_ID,
        Field("part_etags", "message", checks=(REQUIRED, ARRAY), repeated=True, message=_PARTS),
    ),
)
PART_OF_RUN: Final = Message("GetPresignedUploadPartUrl", (_RUN_ID, _PATH, _UPLOAD_ID, _NUMBER))
