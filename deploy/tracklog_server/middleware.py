"""Around every handler: who may ask, and how every error looks to an MLflow client."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from tracklog_contract.caller import CALLER, Caller
from tracklog_contract.errors import (
    BAD_REQUEST,
    ENDPOINT_NOT_FOUND,
    INVALID,
    UNAUTHENTICATED,
    TracklogError,
)
from tracklog_contract.limits import JSON_BODY_BYTES_MAX
from tracklog_server.database import unavailable
from tracklog_server.hosts import HostCheck
from tracklog_server.traffic import Traffic

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Who makes a request; raises TracklogError for one that may not be answered.
Identify = Callable[[web.Request], Awaitable[Caller]]

# What the log line of a request needs to know of its beginning.
REQUEST_ID = web.RequestKey("request_id", str)
STARTED_AT = web.RequestKey("started_at", float)
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
# MLflow's own realm: browsers keep passwords by it.
CHALLENGE: Final = 'Basic realm="mlflow"'
log = structlog.get_logger()


def error_answer(
    status: int, error_code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """An error as MLflow's clients read it."""
    # Headers that are no UTF-8 come as halves of surrogate pairs, which no JSON can hold.
    message = message.encode(errors="replace").decode()
    body = msgspec.json.encode({"error_code": error_code, "message": message})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def answer_to(error: TracklogError) -> web.Response:
    """The answer to an error of ours; one that a client should resend after says when."""
    retry_after_s = getattr(error, "retry_after_s", None)
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if error.error_code == UNAUTHENTICATED:
        headers = {"WWW-Authenticate": CHALLENGE}
    return error_answer(error.status, error.error_code, error.message, headers)


def error_middleware(hosts: HostCheck, traffic: Traffic, identify: Identify) -> Any:
    """The middleware of every application of ours.

    It gives each request its REQUEST_ID, STARTED_AT and caller, and lets no exception through but a
    client's disconnection.
    """
    # Unique among processes and restarts, and cheap: a random start, then a number.
    prefix = secrets.token_hex(4)
    numbers = itertools.count(1)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[STARTED_AT] = time.perf_counter()
        request[REQUEST_ID] = f"{prefix}-{next(numbers):x}"
        refusal = hosts.refusal(request)
        if refusal is not None:
            return answer_to(refusal)
        with traffic:
            response = await _answered(request, handler, identify)
            if traffic.draining:
                response.force_close()
            return response

    return around


async def _answered(request: web.Request, handler: Handler, identify: Identify) -> web.StreamResponse:
    try:
        # For each request anew: those of a connection share their context.
        CALLER.set(await identify(request))
        return await handler(request)
    except TracklogError as error:
        return _unless_started(request, error, _answer_to_ours)
    except web.HTTPException as error:
        return _answer_to_http(request, error)
    except RequestPayloadError as error:
        return error_answer(400, BAD_REQUEST, f"The request's body cannot be read: {error}.")
    except Exception as error:  # noqa: BLE001 - the edge: whatever is left becomes an answer
        return _unless_started(request, error, _answer_to_other)


def _unless_started(
    request: web.Request, error: Any, answer: Callable[[web.Request, Any], web.Response]
) -> web.Response:
    """The answer to `error`. An answer that has begun cannot be followed by another: the connection ends."""
    if request.transport is None:
        raise ConnectionResetError("the client left") from error
    response = answer(request, error)
    if request.writer.output_size > 0:
        log.warning("answer_broken_off", request_id=request[REQUEST_ID], reason=type(error).__name__)
        raise ConnectionResetError("the answer was broken off") from error
    return response


def _answer_to_ours(request: web.Request, error: TracklogError) -> web.Response:
    if error.status == 500:
        return _answer_to_own_fault(request, error)
    return answer_to(error)


def _answer_to_other(request: web.Request, error: Exception) -> web.Response:
    known = unavailable(error)
    if known is None:
        return _answer_to_own_fault(request, error)
    log.warning("database_unavailable", request_id=request[REQUEST_ID], reason=type(error).__name__)
    return answer_to(known)


def _answer_to_own_fault(request: web.Request, error: Exception) -> web.Response:
    request_id = request[REQUEST_ID]
    log.error("request_failed", request_id=request_id, exc_info=error)
    return error_answer(
        500, INTERNAL_ERROR, f"The server failed; its log says why, under request_id {request_id}."
    )


def _answer_to_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """The answer to an error of aiohttp's: routing, or a body that is too long."""
    if error.status < 400:
        raise error
    if isinstance(error, web.HTTPNotFound):
        return error_answer(404, ENDPOINT_NOT_FOUND, f"No endpoint found for path '{request.path}'.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        message = f"{request.method} is not allowed on '{request.path}'."
        return error_answer(
            405, ENDPOINT_NOT_FOUND, message, {"Allow": ", ".join(sorted(error.allowed_methods))}
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        # Not 413: some MLflow clients take that for a failure of the server and retry for minutes.
        message = f"The request's body is longer than {JSON_BODY_BYTES_MAX} bytes, the most that is accepted."
        return error_answer(400, INVALID, message)
    return error_answer(error.status, BAD_REQUEST, error.reason)
