"""Every error a room may raise, grouped by what the caller does next.

    TracklogError
      Rejected      your request is wrong: fix it, do not resend   -> 4xx
      Busy          fine, but not now: resend after retry_after_s  -> 503
      TooMany       fine, but too often: as Busy                   -> 429
      Unavailable   outcome unknown: resend; with a producer id and sequence it is stored once -> 503
      Corrupt       a promise of ours is broken: a fold stops, a request fails -> 500

`Rejected` carries MLflow's `error_code`, since that is what MLflow's clients act on.
"""

from typing import Final

INVALID: Final = "INVALID_PARAMETER_VALUE"
BAD_REQUEST: Final = "BAD_REQUEST"
NOT_FOUND: Final = "RESOURCE_DOES_NOT_EXIST"
ENDPOINT_NOT_FOUND: Final = "ENDPOINT_NOT_FOUND"
EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
INVALID_STATE: Final = "INVALID_STATE"
DENIED: Final = "PERMISSION_DENIED"
QUOTA: Final = "RESOURCE_LIMIT_EXCEEDED"
FEATURE_DISABLED: Final = "FEATURE_DISABLED"
UNIMPLEMENTED: Final = "NOT_IMPLEMENTED"
# Of the native lane only.
SEQUENCE_GAP: Final = "SEQUENCE_GAP"
UNSUPPORTED_TYPE: Final = "UNSUPPORTED_MEDIA_TYPE"
UNAUTHENTICATED: Final = "UNAUTHENTICATED"

# INVALID_STATE and RESOURCE_LIMIT_EXCEEDED have no 4xx in MLflow's own table; a 500 would make its
# clients retry for minutes what can never succeed, so both are 400 here.
STATUS_BY_CODE: Final[dict[str, int]] = {
    INVALID: 400,
    BAD_REQUEST: 400,
    EXISTS: 400,
    INVALID_STATE: 400,
    QUOTA: 400,
    FEATURE_DISABLED: 400,
    UNAUTHENTICATED: 401,
    DENIED: 403,
    NOT_FOUND: 404,
    ENDPOINT_NOT_FOUND: 404,
    UNIMPLEMENTED: 501,
    SEQUENCE_GAP: 409,
    UNSUPPORTED_TYPE: 415,
}


# Messages name what they are about, and a client may have sent megabytes as a name.
MESSAGE_CHARS_MAX: Final = 16_000


class TracklogError(Exception):
    """Any error of tracklog's own. Its message is cut to MESSAGE_CHARS_MAX characters."""

    error_code = "INTERNAL_ERROR"
    status = 500

    def __init__(self, message: str) -> None:
        if len(message) > MESSAGE_CHARS_MAX:
            message = message[: MESSAGE_CHARS_MAX - 3] + "..."
        super().__init__(message)
        self.message = message


class Rejected(TracklogError):
    """The request is wrong and stays wrong; nothing of it was stored."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.status = STATUS_BY_CODE[error_code]


class TooMany(TracklogError):
    """More requests than one may make in a time; nothing was stored. Resend after `retry_after_s` seconds."""

    error_code = "REQUEST_LIMIT_EXCEEDED"
    status = 429

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Busy(TracklogError):
    """A bounded queue is full; nothing was stored. Resend after `retry_after_s` seconds."""

    error_code = "TEMPORARILY_UNAVAILABLE"
    status = 503

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(TracklogError):
    """The outcome is unknown, usually because the server or its database went away. Resend."""

    error_code = "TEMPORARILY_UNAVAILABLE"
    status = 503
    retry_after_s = 1


class Corrupt(TracklogError):
    """Stored data contradicts itself. The projector stops at it; a request that meets it fails alone."""
