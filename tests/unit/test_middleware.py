"""The middleware around every handler: errors as MLflow has them, host names, request ids and log lines.

Requests run through aiohttp's own application and router; only the network is left out.
"""

import asyncio
import json
from unittest import mock

import asyncpg
import pytest
import structlog
from aiohttp import streams, web
from aiohttp.test_utils import make_mocked_request

from tracklog_contract import errors
from tracklog_contract.limits import JSON_BODY_BYTES_MAX
from tracklog_server import status
from tracklog_server.hosts import HostCheck
from tracklog_server.middleware import REQUEST_ID
from tracklog_server.request_log import RequestLog, shown
from tracklog_server.traffic import Traffic
from tracklog_server.worker import compose

# One that there is with both methods.
ROUTE = "/2.0/mlflow/experiments/search"


def application(handler, allowed=()):
    return compose([("GET", ROUTE, handler), ("POST", ROUTE, handler)], HostCheck(allowed), Traffic())


def raising(error):
    async def handler(request):
        raise error

    return handler


async def ok(request):
    return web.Response(text="fine")


async def ask(app, method="GET", path=f"/api{ROUTE}", *, headers=None, body=b""):
    """The application's answer to one request, without a network."""
    loop = asyncio.get_running_loop()
    payload = streams.StreamReader(mock.Mock(), limit=JSON_BODY_BYTES_MAX, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    headers = {"Host": "localhost:5000", **(headers or {})}
    request = make_mocked_request(
        method, path, headers, payload=payload, client_max_size=JSON_BODY_BYTES_MAX, loop=loop
    )
    request.writer.output_size = 0
    app.freeze()
    return await app._handle(request)


def error_of(response):
    assert response.content_type == "application/json"
    body = json.loads(response.body)
    assert sorted(body) == ["error_code", "message"]
    return response.status, body["error_code"], body["message"]


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
async def test_routes_are_there_under_both_prefixes(prefix):
    response = await ask(application(ok), path=prefix + ROUTE)
    assert (response.status, response.text) == (200, "fine")


@pytest.mark.parametrize(("error_code", "http_status"), errors.STATUS_BY_CODE.items())
async def test_a_rejection_has_mlflows_code_and_status(error_code, http_status):
    response = await ask(application(raising(errors.Rejected(error_code, "wrong é"))))
    assert error_of(response) == (http_status, error_code, "wrong é")
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("error", "retry_after"), [(errors.Busy("full", retry_after_s=7), "7"), (errors.Unavailable("away"), "1")]
)
async def test_not_now_says_when(error, retry_after):
    response = await ask(application(raising(error)))
    assert error_of(response) == (503, "TEMPORARILY_UNAVAILABLE", error.message)
    assert response.headers["Retry-After"] == retry_after


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.AdminShutdownError("shutting down"),
        asyncpg.TooManyConnectionsError("too many"),
        asyncpg.QueryCanceledError("canceled"),
        asyncpg.DiskFullError("disk full"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.ReadOnlySQLTransactionError("a replica now"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionRefusedError("refused"),
        TimeoutError(),
    ],
)
async def test_a_database_that_is_away_is_not_now(error):
    response = await ask(application(raising(error)))
    http_status, error_code, message = error_of(response)
    assert (http_status, error_code) == (503, "TEMPORARILY_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) >= 1
    assert str(error) == "" or str(error) not in message


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("inside"),
        FileNotFoundError("/srv/inside"),
        asyncpg.UndefinedTableError("inside"),
        errors.Corrupt("inside"),
    ],
)
async def test_a_fault_of_our_own_is_logged_and_shows_nothing_of_the_inside(error):
    with structlog.testing.capture_logs() as lines:
        http_status, error_code, message = error_of(await ask(application(raising(error))))
    assert (http_status, error_code) == (500, "INTERNAL_ERROR")
    assert "inside" not in message
    (line,) = lines
    assert line["event"] == "request_failed"
    assert line["exc_info"] is error
    assert line["request_id"] in message


async def test_an_unknown_path_is_json_that_mlflow_understands():
    assert error_of(await ask(application(ok), path="/api/2.0/mlflow/nothing")) == (
        404,
        "ENDPOINT_NOT_FOUND",
        "No endpoint found for path '/api/2.0/mlflow/nothing'.",
    )


async def test_a_wrong_method_is_json_that_mlflow_understands():
    response = await ask(application(ok), "DELETE")
    assert error_of(response)[:2] == (405, "ENDPOINT_NOT_FOUND")
    assert response.headers["Allow"] == "GET, POST"


async def test_a_body_over_the_limit_is_refused_with_the_limit():
    async def handler(request):
        return web.Response(text=str(len(await request.read())))

    app = application(handler)
    most = b"x" * JSON_BODY_BYTES_MAX
    assert (await ask(app, "POST", body=most)).text == str(JSON_BODY_BYTES_MAX)
    http_status, error_code, message = error_of(await ask(app, "POST", body=most + b"x"))
    assert (http_status, error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert str(JSON_BODY_BYTES_MAX) in message


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:5000",
        "127.3.2.1",
        "[::1]",
        "[::1]:5000",
        "lab.example.org:5000",
    ],
)
async def test_known_hosts_are_answered(host):
    response = await ask(application(ok, ("lab.example.org",)), headers={"Host": host})
    assert response.status == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.org", "localhost.evil.org", "127.0.0.1.evil.org:5000", "10.0.0.1", "[::2]", "[", "0.0.0.0"],
)
async def test_other_hosts_are_not_answered(host):
    response = await ask(application(ok, ("lab.example.org",)), headers={"Host": host})
    assert error_of(response)[:2] == (403, "PERMISSION_DENIED")


async def test_the_pages_of_other_sites_may_read_nothing_new_and_change_nothing():
    app = application(ok)
    for origin in ("https://evil.org", "null", "http://127.0.0.1.evil.org", "http://["):
        assert (await ask(app, "POST", headers={"Origin": origin})).status == 403
    assert (await ask(app, "POST", headers={"Origin": "http://localhost:3000"})).status == 200
    assert (await ask(app, "GET", headers={"Origin": "https://evil.org"})).status == 200


async def test_an_answer_that_has_begun_is_broken_off_not_followed_by_another():
    async def handler(request):
        request.writer.output_size = 10
        raise errors.Unavailable("away")

    with structlog.testing.capture_logs() as lines, pytest.raises(ConnectionResetError):
        await ask(application(handler))
    assert [line["event"] for line in lines] == ["answer_broken_off"]


async def test_every_request_has_an_id_of_its_own():
    seen = []

    async def handler(request):
        seen.append(request[REQUEST_ID])
        return web.Response()

    app = application(handler)
    for _ in range(3):
        await ask(app)
    assert len(set(seen)) == 3


def test_the_log_line_of_a_request():
    request = make_mocked_request("GET", "/api/x?filter=secret", {"Host": "localhost"})
    request[REQUEST_ID] = "r-1"
    with structlog.testing.capture_logs() as lines:
        RequestLog(None, "").log(request, web.Response(status=404), 0.0125)
    (line,) = lines
    assert line == {
        "event": "request_served",
        "log_level": "info",
        "method": "GET",
        "path": "/api/x",
        "status": 404,
        "request_bytes": 0,
        "response_bytes": 0,
        "artifact_bytes": 0,
        "elapsed_ms": 12.5,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("raw", "in_log"),
    [
        ("/a/%0A?x=%0A", "/a/%0A"),
        ("/a\nb", "/a\\nb"),
        ("/\x1b[31m", "/\\x1b[31m"),
        ("/é\u2028\udcff", "/\\xe9\\u2028\\udcff"),
        ("/" + "a" * 1000, "/" + "a" * 511),
    ],
)
def test_a_path_in_the_log_cannot_forge_a_line(raw, in_log):
    assert shown(raw) == in_log


async def test_health_says_what_does_not_work():
    async def yes():
        return True

    async def no():
        return False

    async def broken():
        raise ConnectionError

    for append, projector, expected in (
        (yes, yes, (200, "OK")),
        (no, yes, (503, "the log cannot be appended to")),
        (yes, broken, (503, "the projector is not running")),
        (broken, no, (503, "the log cannot be appended to; the projector is not running")),
    ):
        response = await status.health(append, projector)(None)
        assert (response.status, response.text) == expected


async def test_what_clients_ask_about_the_server():
    app = application(ok)
    assert (await ask(app, path="/version")).text == "3.17.2"
    info = json.loads((await ask(app, path="/ajax-api/3.0/mlflow/server-info")).body)
    assert info["store_type"] == "SqlStore"
    # Clients of large files are to use the store's own URLs.
    assert info["multipart_uploads_enabled"] is info["multipart_downloads_enabled"] is True


async def test_a_stop_waits_for_requests_in_progress_and_ends_their_connections():
    traffic, go = Traffic(), asyncio.Event()

    async def handler(request):
        await go.wait()
        return web.Response(text="fine")

    app = compose([("GET", ROUTE, handler)], HostCheck(()), traffic)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(app))
        await asyncio.sleep(0)
        draining = tasks.create_task(traffic.drain(10.0))
        await asyncio.sleep(0)
        assert not draining.done()
        go.set()
    assert asking.result().keep_alive is False


async def test_a_stop_does_not_wait_for_ever():
    traffic = Traffic()
    with traffic:
        # A request is in progress all the while.
        async with asyncio.timeout(5):
            await traffic.drain(0.01)


@pytest.mark.parametrize(
    ("origin", "host", "is_let_through"),
    [
        ("http://lab.example:5000", "lab.example:5000", True),
        ("https://tracklog.example", "127.0.0.1:5000", True),  # the public URL, before a proxy
        ("https://named.example", "127.0.0.1:5000", True),
        ("http://localhost:5000", "localhost:5000", True),
        # Another server of the same machine: browsers add our cookies to its pages' requests.
        ("http://localhost:8888", "localhost:5000", False),
        ("http://127.0.0.1:8888", "localhost:5000", False),
        ("http://localhost", "lab.example:5000", False),
        ("https://elsewhere.example", "lab.example", False),
        ("null", "lab.example", False),
        ("null", "", False),
    ],
)
def test_with_authentication_only_a_page_of_this_very_server_changes_anything(origin, host, is_let_through):
    check = HostCheck(("named.example",), any_host=True, public="Tracklog.example")
    request = make_mocked_request("POST", "/", {"Host": host, "Origin": origin})
    assert (check.refusal(request) is None) == is_let_through
    assert check.refusal(make_mocked_request("GET", "/", {"Host": host, "Origin": origin})) is None


async def test_a_message_with_what_is_no_unicode_is_an_answer_still():
    response = await ask(application(raising(errors.Rejected(errors.INVALID, "not '\udcff'"))))
    assert error_of(response) == (400, errors.INVALID, "not '?'")


async def test_no_cache_may_keep_what_does_not_say_so():
    app = application(ok)
    (sign,) = app.on_response_prepare
    answers = [web.Response(), web.Response(headers={"Cache-Control": "private, no-cache"})]
    for answer in answers:
        await sign(mock.Mock(), answer)
    assert [a.headers["Cache-Control"] for a in answers] == ["no-store", "private, no-cache"]
