"""Ways round the rules: another's things named sideways, and what is asked before anybody is known."""

import contextlib
import hashlib
import http.client
import re
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgpack
import pytest

from tests.support.access import (
    OTHER_WORKSPACE,
    PASSWORD,
    World,
    basic,
    bearer,
    make_world,
    new_world,
    running_access,
    spans,
)
from tests.support.access_requests import REQUESTS
from tests.support.api import Api
from tests.support.native import MSGPACK, series
from tests.support.otlp import PROTOBUF
from tracklog_contract.caller import Level, Need
from tracklog_ingest.access import principals
from tracklog_server.access.needs import NEEDS

FS = "/api/2.0/fs"
PLACE = "/WorkspaceInternal/Mlflow/Artifacts"
PROXY = "/api/2.0/mlflow-artifacts"
NATIVE = "/api/tracklog/v1/artifacts"
TRACES = "/api/3.0/mlflow/traces"
LINK_S_MAX = 15 * 60
NOTHING = World(
    "987654321", "nothing", "0" * 32, "m-" + "1" * 32, "tr-" + "2" * 32, "a-" + "3" * 32, "nothing"
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Request = tuple[str, str, Any] | tuple[str, str, Any, dict[str, str]]


@pytest.fixture(scope="module")
def access():
    """A server of its own: guests are let in here, and passwords and levels change."""
    with running_access() as access:
        yield access


@pytest.fixture(scope="module")
def access_api(access):
    """A connection to it."""
    with Api(access.server.url) as api:
        yield api


@pytest.fixture(scope="module")
def world(access, access_api):
    """Something on it in which nothing changes."""
    return new_world(access, access_api)


@pytest.fixture(scope="module")
def own(access):
    """Something of the outsider's."""
    with Api(access.server.url) as api:
        return make_world(api, access.headers("outsider"))


def packed(world: World, **begin: Any) -> bytes:
    """A native request that begins a run, and one for the run of a world."""
    points = series(loss=[1.0])
    runs = [
        {"run_id": world.run_id, "points": points},
        {"run_id": secrets.token_hex(16), "begin": {"start_ms": 0, **begin}, "points": points},
    ]
    return bytes(msgpack.packb({"producer": secrets.token_bytes(16), "sequence": 1, "runs": runs}))


def bundle(world: World) -> bytes:
    """A bundle for the run of a world."""
    files = [{"path": "a", "sha256": hashlib.sha256(b"a").hexdigest(), "data": b"a"}]
    return bytes(msgpack.packb({"run_id": world.run_id, "files": files}))


# By what they go through, requests of whoever has `o` about another's `w`.
SIDEWAYS: dict[str, Callable[[World, World], Request]] = {
    "bulk, after one's own": lambda w, o: (
        "GET", "metrics/get-history-bulk", {"run_id": [o.run_id, w.run_id], "metric_key": w.secret}
    ),
    "samples, after one's own": lambda w, o: (
        "GET", "metrics/get-history-bulk-interval", {"run_ids": [o.run_id, w.run_id], "metric_key": w.secret}
    ),
    "all experiments": lambda w, _: (
        "POST", "runs/search", {"experiment_ids": ["*"], "filter": f"attributes.run_id = '{w.run_id}'"}
    ),
    "among one's own": lambda w, o: (
        "POST", "runs/search", {"experiment_ids": [o.experiment_id, w.experiment_id], "run_view_type": "ALL",
                                "filter": f"metrics.`{w.secret}` > 0"},
    ),
    "models of all": lambda w, _: (
        "POST", "logged-models/search", {"experiment_ids": ["*"], "filter": f"name = '{w.name}'"}
    ),
    "models by run": lambda w, o: (
        "POST", "logged-models/search",
        {"experiment_ids": [o.experiment_id, w.experiment_id], "filter": f"source_run_id = '{w.run_id}'"},
    ),
    "datasets": lambda w, o: (
        "POST", "experiments/search-datasets", {"experiment_ids": [w.experiment_id, "123456789"]}
    ),
    "traces in one's own": lambda w, o: (
        "GET", f"{TRACES}/batchGet", {"trace_ids": [w.trace_id], "experiment_ids": [o.experiment_id]}
    ),
    "traces by name": lambda w, _: ("POST", f"{TRACES}/batchGetInfos", {"trace_ids": [w.trace_id] * 2}),
    "a link of traces": lambda w, o: (
        "POST", f"{TRACES}/link-to-run", {"trace_ids": [w.trace_id], "run_id": o.run_id}
    ),
    "a link to a run": lambda w, o: (
        "POST", f"{TRACES}/link-to-run", {"trace_ids": [o.trace_id], "run_id": w.run_id}
    ),
    "a trace's tag": lambda w, _: ("PATCH", f"{TRACES}/{w.trace_id}/tags", {"key": "k", "value": "v"}),
    "traces deleted as one's own": lambda w, o: (
        "POST", f"{TRACES}/delete-traces", {"experiment_id": o.experiment_id, "request_ids": [w.trace_id]}
    ),
    "spans": lambda w, _: (
        "POST", "/v1/traces", spans(secrets.token_hex(16), "more"),
        {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": w.experiment_id},
    ),
    "points of a model": lambda w, o: (
        "POST", "runs/log-batch",
        {"run_id": o.run_id,
         "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0, "model_id": w.model_id}]},
    ),
    "outputs": lambda w, o: (
        "POST", "runs/outputs", {"run_id": o.run_id, "models": [{"model_id": w.model_id, "step": 0}]}
    ),
    "inputs": lambda w, o: (
        "POST", "runs/log-inputs", {"run_id": o.run_id, "models": [{"model_id": w.model_id}]}
    ),
    "a native run": lambda w, _: (
        "POST", "/api/tracklog/v1/ingest", packed(w, experiment_id=w.experiment_id), MSGPACK
    ),
    "graphql": lambda w, o: (
        "POST", "/graphql",
        {"query": "query($own: MlflowGetRunInput, $other: MlflowGetRunInput) {"
                  " own: mlflowGetRun(input: $own) { run { info { status } } }"
                  " other: mlflowGetRun(input: $other) { run { info { runName } experiment { name } } } }",
         "variables": {"own": {"runId": o.run_id}, "other": {"runId": w.run_id}}},
    ),
    "graphql's samples": lambda w, _: (
        "POST", "/graphql",
        {"query": "query($of: MlflowGetMetricHistoryBulkIntervalInput)"
                  " { mlflowGetMetricHistoryBulkInterval(input: $of) { metrics { value } } }",
         "variables": {"of": {"runIds": [w.run_id], "metricKey": w.secret}}},
    ),
    "a folder": lambda w, _: ("GET", f"{PROXY}/artifacts", {"path": w.experiment_id}),
    "a run's folder below one's own": lambda w, o: (
        "GET", f"{PROXY}/artifacts/{o.experiment_id}/{w.run_id}/artifacts/{w.secret}.txt", None
    ),
    "a file put below one's own": lambda w, o: (
        "PUT", f"{PROXY}/artifacts/{o.experiment_id}/{w.run_id}/artifacts/a.txt", b"data"
    ),
    "a tree": lambda w, _: ("DELETE", f"{PROXY}/artifacts/{w.experiment_id}", None),
    "a presigned file": lambda w, _: (
        "GET", f"{PROXY}/presigned/{w.experiment_id}/{w.run_id}/artifacts/{w.secret}.txt", None
    ),
    "an upload in parts": lambda w, _: (
        "POST", f"{PROXY}/mpu/create/{w.experiment_id}/{w.run_id}/artifacts", {"path": "p", "num_parts": 1}
    ),
    "credentials of a model as of a run": lambda w, _: (
        "POST", "artifacts/credentials-for-write", {"run_id": w.model_id, "path": ["a"]}
    ),
    "Databricks' path with one's own experiment": lambda w, o: (
        "GET", f"{FS}/files{PLACE}/{o.experiment_id}/Runs/{w.run_id}/artifacts/{w.secret}.txt", None
    ),
    "Databricks' folder": lambda w, _: (
        "GET", f"{FS}/directories{PLACE}/{w.experiment_id}/LoggedModels/{w.model_id}/artifacts", None
    ),
    "a bundle": lambda w, _: ("POST", f"{NATIVE}/bundle", bundle(w), MSGPACK),
    "a bundle that is announced": lambda w, _: (
        "POST", f"{NATIVE}/uploads",
        {"run_id": w.run_id, "bundle": True, "files": [{"path": "a", "size": 1, "sha256": "0" * 64}]},
    ),
    "usage of a run": lambda w, _: ("GET", "/api/tracklog/v1/usage", {"run_id": w.run_id}),
    "usage of an experiment": lambda w, _: (
        "GET", "/api/tracklog/v1/usage", {"experiment_id": w.experiment_id}
    ),
    "one's own permission": lambda w, _: (
        "GET", "/api/3.0/mlflow/users/permissions/get",
        {"username": "outsider", "resource_type": "experiment", "resource_id": w.experiment_id},
    ),
    "a permission for oneself": lambda w, _: (
        "POST", "/api/3.0/mlflow/users/permissions/grant",
        {"username": "outsider", "resource_type": "experiment", "resource_id": w.experiment_id,
         "permission": "READ"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", SIDEWAYS)
def test_no_way_leads_to_what_is_of_another_workspace(access, access_api, world, own, way):
    entries = "select count(*) from tracklog_log.entry where experiment_id = $1"
    before = access.value(entries, int(world.experiment_id))

    def ask(about: World) -> tuple[int, bytes]:
        method, path, fields, *headers = SIDEWAYS[way](about, own)
        sent = {**access.headers("outsider"), **(headers[0] if headers else {})}
        answer = access_api.call(method, path, fields, sent)
        told = answer.body
        if answer.headers["content-type"] == "application/msgpack":
            told = repr(msgpack.unpackb(told)).encode()
        for part in ("run_id", "model_id", "trace_id", "secret"):
            told = told.replace(getattr(about, part).encode(), b"(it)")
        return answer.status, re.sub(rb"(?<=[='\"/])%b\b" % about.experiment_id.encode(), b"(it)", told)

    there = ask(world)
    assert there == ask(NOTHING)
    assert there[0] < 500
    assert world.hidden.encode() not in there[1]
    assert access.value(entries, int(world.experiment_id)) == before


def test_points_are_of_models_only_that_their_logger_may_change(access, access_api, world, own):
    point = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    for model_id, status in ((own.model_id, 200), (world.model_id, 404), (NOTHING.model_id, 404)):
        batch = {"run_id": own.run_id, "metrics": [{**point, "model_id": model_id}]}
        answer = access_api.call("POST", "runs/log-batch", batch, access.headers("outsider"))
        assert answer.status == status, answer.body


def test_whoever_may_only_read_is_not_told_to_send_a_bundle(access, access_api, world):
    files = [{"path": "a", "size": 1, "sha256": hashlib.sha256(b"a").hexdigest()}]
    reader, asked = access.headers("reader"), {"run_id": world.run_id, "files": files}
    answers = [
        access_api.call("POST", f"{NATIVE}/uploads", asked, reader),
        access_api.call("POST", f"{NATIVE}/uploads", {**asked, "bundle": True}, reader),
        access_api.call("POST", f"{NATIVE}/bundle", bundle(world), {**MSGPACK, **reader}),
    ]
    assert {(answer.status, answer.body) for answer in answers} == {(403, answers[0].body)}


def test_an_upload_in_parts_is_of_its_file_whoever_knows_its_id(access, access_api, own):
    world = new_world(access, access_api)
    theirs, inside = (f"{w.experiment_id}/{w.run_id}/artifacts" for w in (world, own))
    editor, outsider = access.headers("editor"), access.headers("outsider")
    create = {"path": "p", "num_parts": 1}
    begun = access_api.call("POST", f"{PROXY}/mpu/create/{theirs}", create, editor).json
    url = urlsplit(begun["credentials"][0]["url"])
    etag = access_api.call("PUT", f"{url.path}?{url.query}", b"data").headers["etag"]
    parts, upload_id = [{"part_number": 1, "etag": etag}], begun["upload_id"]
    upload = {"path": "p", "upload_id": upload_id}
    of_own = {"run_id": own.run_id, **upload}
    named = f"{PLACE}/{own.experiment_id}/Runs/{own.run_id}/artifacts/p"
    complete = f"{FS}/files{named}?action=complete-upload&session_token={upload_id}"
    for method, path, fields in (
        ("POST", f"{PROXY}/mpu/complete/{inside}", {**upload, "parts": parts}),
        ("POST", f"{PROXY}/mpu/complete/{theirs}", {**upload, "parts": parts}),
        ("POST", complete, {"parts": parts}),
        ("POST", "artifacts/complete-multipart-upload", {**of_own, "part_etags": parts}),
        ("POST", f"{NATIVE}/parts", {**of_own, "numbers": [1]}),
        ("GET", "artifacts/get-presigned-upload-part-url", {**of_own, "part_number": 1}),
        ("POST", f"{FS}/create-abort-upload-url", {"path": named, "session_token": upload_id}),
        ("POST", f"{PROXY}/mpu/abort/{theirs}", upload),
    ):
        answer = access_api.call(method, path, fields, outsider)
        assert answer.status == 404, (path, answer.status, answer.body)
    assert access_api.call("POST", f"{PROXY}/mpu/abort/{inside}", upload, outsider).status < 500
    whole = {**upload, "parts": parts}
    assert access_api.call("POST", f"{PROXY}/mpu/complete/{theirs}", whole, editor).status == 200


def test_a_trace_cannot_say_that_its_files_lie_with_anothers(access, access_api, world, own):
    outsider = access.headers("outsider")
    place = f"mlflow-artifacts:/{world.experiment_id}/{world.run_id}/artifacts"
    tag = {"key": "mlflow.artifactLocation", "value": place}
    assert access_api.call("PATCH", f"{TRACES}/{own.trace_id}/tags", tag, outsider).status == 200
    for what, path in (("download", f"{world.secret}.txt"), ("upload", "new.txt"), ("upload", "../x")):
        url = f"/api/2.0/mlflow/traces/{own.trace_id}/credentials-for-data-{what}"
        answer = access_api.call("GET", url, {"path": path}, outsider)
        assert answer.status in {400, 404}, (what, answer.body)


def test_a_page_token_leads_no_further_than_its_user_may_go(access, access_api, world, own):
    search = {"experiment_ids": [world.experiment_id, own.experiment_id], "max_results": 1}
    run = {"experiment_id": world.experiment_id}
    assert access_api.call("POST", "runs/create", run, access.headers("editor")).status == 200
    token = access_api.call("POST", "runs/search", search, access.headers("root")).json["next_page_token"]
    found = access_api.call(
        "POST", "runs/search", {**search, "page_token": token}, access.headers("outsider")
    ).json
    ids = [run["info"]["experiment_id"] for run in found.get("runs", [])]
    assert set(ids) <= {own.experiment_id}


def test_a_role_speaks_of_its_own_workspaces_experiments_only(access, access_api, world, own):
    root = access.headers("root")
    there = {**root, "X-MLFLOW-WORKSPACE": OTHER_WORKSPACE}
    role = {"name": secrets.token_hex(4), "workspace": OTHER_WORKSPACE}
    role_id = access_api.call("POST", "/api/3.0/mlflow/roles/create", role, there).json["role"]["id"]
    add = {"role_id": role_id, "resource_type": "experiment", "permission": "READ"}
    before = access.position()
    statuses = [
        access_api.call(
            "POST", "/api/3.0/mlflow/roles/permissions/add", {**add, "resource_pattern": number}, there
        )
        for number in (world.experiment_id, NOTHING.experiment_id)
    ]
    assert [answer.status for answer in statuses] == [404, 404]
    assert access.position() == before
    add["resource_pattern"] = own.experiment_id
    assert access_api.call("POST", "/api/3.0/mlflow/roles/permissions/add", add, there).status == 200


def test_who_is_known_by_one_permission_only_keeps_it_when_all_are_set_anew(access, access_api):
    world = new_world(access, access_api)
    access.grant("outsider", Level.READ, world.experiment_id)
    path = f"/api/2.0/permissions/experiments/{world.experiment_id}"
    wanted = [
        {"user_name": "manager", "permission_level": "CAN_MANAGE"},
        {"user_name": "outsider", "permission_level": "CAN_EDIT"},
    ]
    answer = access_api.call("PUT", path, {"access_control_list": wanted}, access.headers("manager"))
    assert answer.status == 200, answer.body
    there = {**access.headers("outsider"), "X-MLFLOW-WORKSPACE": "default"}
    tag = {"run_id": world.run_id, "key": "k", "value": "v"}
    assert access_api.call("POST", "runs/set-tag", tag, there).status == 200


def test_a_link_is_good_for_minutes_whatever_its_asker_wants(access, access_api, world):
    run = {"run_id": world.run_id, "path": f"{world.secret}.txt", "expiration": 7 * 24 * 3600}
    named = f"{PLACE}/{world.experiment_id}/Runs/{world.run_id}/artifacts/{world.secret}.txt"
    asked = urlencode({"path": named, "expire_time": "2999-01-01T00:00:00Z"})
    for name, path, fields, url in (
        ("reader", "artifacts/presigned-download-url", run, "presigned_url"),
        ("editor", "artifacts/presigned-upload-url", {**run, "path": "b.txt"}, "presigned_url"),
        ("reader", f"{FS}/create-download-url?{asked}", None, "url"),
    ):
        answer = access_api.call("POST", path, fields, access.headers(name))
        assert answer.status == 200, answer.body
        ends_s = int(parse_qs(urlsplit(answer.json[url]).query)["expires"][0])
        assert ends_s - time.time() <= LINK_S_MAX, path


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_whoever_was_signed_in_is_not_after_a_new_password_or_a_ban(access, change):
    name = f"user {secrets.token_hex(4)}"
    access.make_principal(name)
    with Api(access.server.url) as api:
        form = urlencode({"username": name, "password": PASSWORD}).encode()
        cookie = {"Cookie": f"tracklog_session={signed_in(access.server.url, form)}"}
        current = ("GET", "users/current", None, cookie)
        assert api.call(*current).status == 200

        async def change_it(turn):
            if change == "password":
                await principals.change_principal(turn, name, password=b"another")
            else:
                await principals.change_principal(turn, name, disabled=True)
                await principals.change_principal(turn, name, disabled=False)

        access.change(change_it)
        deadline = time.monotonic() + 1.0
        while api.call(*current).status != 401:
            assert time.monotonic() < deadline
        # Tokens are credentials of their own.
        assert api.call("GET", "users/current", None, access.headers(name)).status == 200


def signed_in(url: str, form: bytes) -> str:
    """The secret of the session that a form of the login page begins."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/login", form, FORM)
        cookies = connection.getresponse().headers.get_all("Set-Cookie", [])
    (cookie,) = (text for text in cookies if text.startswith("tracklog_session="))
    return cookie.partition(";")[0].partition("=")[2]


def test_a_name_with_a_nul_is_nobodys(access_api):
    search = ("GET", "experiments/search", {"max_results": 1})
    assert access_api.call(*search, basic("root", PASSWORD)).status == 200
    for name in ("root\0", "ro\0ot"):
        assert access_api.call(*search, basic(name, PASSWORD)).status == 401


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}, b"username=a&password=b"),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"}, b"username=+2AA-&password=b"),
        (FORM, b"username=\xff\xfe&password=%ff%00"),
        (FORM, b"username=%00&password=%00"),
        (FORM, b"a=b&" * 100),
        (FORM, b"username=" + b"x" * 30_000),
        ({**FORM, "Content-Encoding": "deflate"}, b"x\x9c\x03\x00\x00\x00\x00\x01"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\n\r\nx\r\n--b--\r\n"),
        ({"Content-Type": "multipart/form-data"}, b"--b\r\n\r\nx\r\n--b--\r\n"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/oidc/v1/token"])
def test_no_form_of_an_unknown_breaks_anything(access_api, path, headers, body):
    answer = access_api.call("POST", path, body, headers)
    assert answer.status in {400, 401}, (answer.status, answer.body)


def test_bytes_that_are_no_text_break_no_answer(access, access_api, world):
    odd = "\xff"
    for method, path, fields, header in (
        ("GET", "experiments/search", {"max_results": 1}, "X-MLFLOW-WORKSPACE"),
        ("POST", "/v1/traces", b"x", "x-mlflow-experiment-id"),
        ("POST", "/v1/traces", b"x", "x-mlflow-run-id"),
        ("POST", "/api/tracklog/v1/ingest", b"x", "Content-Type"),
        ("POST", "/api/tracklog/v1/ingest", b"x", "Content-Encoding"),
        ("POST", f"{NATIVE}/bundle", b"x", "Content-Type"),
        ("POST", "runs/log-batch", b"{}", "Content-Type"),
        ("PUT", f"{PROXY}/artifacts/{world.experiment_id}/a", b"x", "Content-Encoding"),
        ("GET", "/login", None, "Cookie"),
    ):
        answer = access_api.call(method, path, fields, {**access.headers("root"), header: odd})
        assert answer.status < 500, (path, header, answer.body)
    for method, path in (
        ("GET", "/api/3.0/mlflow/workspaces/%00"),
        ("PATCH", "/api/3.0/mlflow/workspaces/%00"),
        ("DELETE", "/api/3.0/mlflow/workspaces/%00"),
        ("GET", "/api/3.0/mlflow/roles/list?workspace=%00"),
        ("GET", "/api/tracklog/v1/audit?since=0001-01-01"),
        ("GET", "/api/tracklog/v1/audit?since=9999-12-31T23:59-14:00"),
        ("GET", "/login/callback?state=%ff&code=%00"),
        ("GET", "/ml/experiments/1%0d%0aSet-Cookie:%20a=b"),
    ):
        fields = {"description": "d"} if method == "PATCH" else None
        answer = access_api.call(method, path, fields, access.headers("root"))
        assert answer.status in {400, 404}, (path, answer.status, answer.body)
        assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]


def test_no_cache_may_keep_what_a_route_answers(access, access_api, world):
    asked = 0
    for (method, path), need in NEEDS.items():
        if method in {"GET", "HEAD"} and need in {Need.READ, Need.SIGNED_IN}:
            request = REQUESTS[f"{method} {path}"](world)
            for headers in (access.headers("reader"), bearer("wrong")):
                answer = access_api.call(method, request.path, request.fields, {**request.headers, **headers})
                kept = answer.headers["cache-control"]
                assert "no-store" in kept or "private" in kept, (method, path, kept)
                asked += 1
    assert asked > 80


def test_a_list_of_users_tells_roles_to_those_only_who_manage_them(access, access_api):
    root, roles = access.headers("root"), "/api/3.0/mlflow/roles"
    guest = f"guest {secrets.token_hex(4)}"
    access.make_principal(guest, home=OTHER_WORKSPACE)
    role = {"name": secrets.token_hex(4), "workspace": "default"}
    role_id = access_api.call("POST", f"{roles}/create", role, root).json["role"]["id"]
    grant = {"role_id": role_id, "resource_type": "experiment", "resource_pattern": "*", "permission": "READ"}
    assert access_api.call("POST", f"{roles}/permissions/add", grant, root).status == 200

    def listed(name: str, **headers: str) -> dict[str, list[str]]:
        answer = access_api.call("GET", "users/list", None, {**access.headers(name), **headers})
        return {user["username"]: [r["name"] for r in user["roles"]] for user in answer.json["users"]}

    assert guest not in listed("reader")
    assign = {"role_id": role_id, "username": guest}
    assert access_api.call("POST", f"{roles}/assign", assign, root).status == 200
    assert listed("reader")[guest] == []
    assert listed("root")[guest] == [role["name"]]
    assert listed(guest)[guest] == [role["name"]]
    assert "reader" not in listed(guest)
    whole = access_api.call("GET", "users/list", None, root).json["users"]
    (shown,) = [user["roles"] for user in whole if user["username"] == guest]
    asked = {"username": guest}
    assert shown == access_api.call("GET", "/api/3.0/mlflow/users/roles/list", asked, root).json["roles"]
    assert shown[0]["permissions"][0]["permission"] == "READ"
