"""Who gets in, and to what: every route, asked by nobody, by everybody else, and by those who may."""

import re
import secrets
import time

import pytest

from tests.support.access import (
    LEVELS,
    OTHER_WORKSPACE,
    PASSWORD,
    World,
    basic,
    bearer,
    make_world,
    new_world,
)
from tests.support.access_requests import REQUESTS
from tests.support.api import Answer, Api
from tracklog_contract.caller import Level, Need
from tracklog_ingest.access import principals
from tracklog_server.access.needs import NEEDS
from tracklog_server.access.throttle import NAME_FAILURES_MAX

ENOUGH = {Need.READ: 1, Need.EDIT: 2, Need.MANAGE: 3}
# Of the endpoints about access, what everybody may ask.
FREE = (
    "/2.0/mlflow/users/current",
    "/2.0/mlflow/users/list",
    "/3.0/mlflow/users/current/permissions",
    "/3.0/mlflow/workspaces",
    "/2.0/mlflow/gateway-proxy",
    "/2.0/mlflow/model-versions/search",
    "/2.0/mlflow/registered-models/search",
    "/3.0/mlflow/ui-telemetry",
    "/2.0/preview/scim/v2/Me",
)
TAKING_AWAY = ("delete", "restore", "experiments/update")
ROUTES = [(method, path) for method, path in NEEDS if NEEDS[method, path] is not Need.OPEN]


def ask(api: Api, method: str, path: str, world: World, headers: dict[str, str]) -> Answer:
    """The answer to a route's request about a world."""
    asked = REQUESTS[f"{method} {path}"](world)
    return api.call(method, asked.path, asked.fields, {**asked.headers, **headers})


def test_each_route_has_its_request():
    assert {tuple(name.split()) for name in REQUESTS} == set(ROUTES)


@pytest.mark.parametrize("kind", ["none", "wrong", "expired", "revoked", "disabled", "basic", "nonsense"])
def test_nobody_gets_in_anywhere(access, access_api, world, kind):
    if kind == "disabled":
        access.make_principal("gone")

        async def disable(turn):
            await principals.change_principal(turn, "gone", disabled=True)

        access.change(disable)
    revoked = access.make_token("root")

    async def revoke(turn):
        await principals.revoke_token(turn, "_".join(revoked.split("_")[:2]))

    access.change(revoke)
    headers = {
        "none": {},
        "wrong": bearer(access.tokens["root"][:-1] + ("A" if access.tokens["root"][-1] != "A" else "B")),
        "expired": bearer(access.expired_token("root")),
        "revoked": bearer(revoked),
        "disabled": bearer(access.tokens.get("gone", "")),
        "basic": basic("reader", access.tokens["root"]),
        "nonsense": {"Authorization": "Basic %%%"},
    }[kind]
    before = access.position()
    for method, path in ROUTES:
        answer = ask(access_api, method, path, world, headers)
        assert answer.status == 401, (method, path, answer.body)
        assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'
        if method != "HEAD":
            assert answer.error_code == "UNAUTHENTICATED"
        assert world.secret.encode() not in answer.body
        assert world.hidden.encode() not in answer.body
    assert access.position() == before


def test_what_is_not_there_is_told_to_those_only_who_are_known(access, access_api):
    assert access_api.call("GET", "/api/2.0/mlflow/all-secrets").status == 401
    assert access_api.call("GET", "/api/2.0/mlflow/all-secrets", None, access.headers("reader")).status == 404


@pytest.mark.parametrize("name", ["stranger", "reader", "editor", "outsider"])
def test_a_level_that_is_too_low_gives_nothing(access, access_api, world, name):
    before = access.position()
    refused = 0
    for method, path in ROUTES:
        need = NEEDS[method, path]
        if path in FREE or (path.endswith("{workspace_name}") and method == "GET") or need is Need.CREATE:
            continue
        if need in ENOUGH and name != "outsider" and list(LEVELS).index(name) >= ENOUGH[need]:
            continue
        answer = ask(access_api, method, path, world, access.headers(name))
        assert world.hidden.encode() not in answer.body, (method, path)
        # What they may not see, searches leave out; it may be no part of any answer, but what they sent.
        asked = str(REQUESTS[f"{method} {path}"](world)).encode()
        assert world.secret.encode() not in answer.body or world.secret.encode() in asked, (method, path)
        if answer.status in {403, 404}:
            refused += 1
        elif need is not Need.READ and path != "/tracklog/v1/ingest":
            # Traces of an experiment that is not there are deleted without complaint.
            assert "delete-traces" in path, (method, path, answer.status, answer.body)
            assert answer.json["traces_deleted"] == 0
        if name == "outsider" and answer.status == 403 and (need in ENOUGH or "{experiment_id}" in path):
            raise AssertionError(f"{method} {path} tells that there is something: {answer.body!r}")
    assert access.position() == before
    assert refused > (1 if name == "editor" else 15)


def test_those_who_may_can(access, access_api):
    by_need = {Need.READ: "reader", Need.EDIT: "editor", Need.MANAGE: "manager", Need.CREATE: "stranger"}
    shared = new_world(access, access_api)
    for method, path in ROUTES:
        need = NEEDS[method, path]
        if need is Need.ADMIN or (need is Need.SIGNED_IN and path not in FREE):
            continue
        # What a writer does must not be in the way of the next.
        takes_away = method == "DELETE" or any(
            word in path for word in ("delete", "restore", "experiments/update")
        )
        world = new_world(access, access_api) if takes_away else shared
        name = by_need.get(need, "reader")
        answer = ask(access_api, method, path, world, access.headers(name))
        assert answer.status not in {401, 403}, (method, path, answer.body)
        assert answer.status < 500 or answer.status == 501, (method, path, answer.body)
        if need is Need.READ and answer.status == 200 and method != "HEAD" and "directories" not in path:
            assert any(
                part.encode() in answer.body
                for part in (world.secret, world.hidden, world.trace_id, world.run_id)
            ) or ("get-history" in path), (method, path, answer.body)


def test_what_another_workspace_has_answers_as_what_is_not_there(access, access_api, world):
    nothing = World(
        "987654321", "nothing", "0" * 32, "m-" + "0" * 32, "tr-" + "0" * 32, "a-" + "0" * 32, "nothing"
    )
    for method, path in ROUTES:
        if NEEDS[method, path] not in ENOUGH and "{experiment_id}" not in path:
            continue
        there = ask(access_api, method, path, world, access.headers("outsider"))
        not_there = ask(access_api, method, path, nothing, access.headers("outsider"))
        assert there.status == not_there.status, (method, path, there.body, not_there.body)
        told = there.body
        for part in ("run_id", "model_id", "trace_id", "assessment_id", "secret"):
            told = told.replace(getattr(world, part).encode(), getattr(nothing, part).encode())
        told = re.sub(rb"\b%b\b" % world.experiment_id.encode(), nothing.experiment_id.encode(), told)
        assert told == not_there.body, (method, path)


def test_a_revoked_token_is_worth_nothing_within_a_second_on_every_node(access):
    token = access.make_token("reader")
    headers = bearer(token)
    with Api(access.server.url) as one, Api(access.server.url) as another:
        connections = [one, another]
        for _ in range(20):
            assert all(
                c.call("GET", "experiments/search", {"max_results": 1}, headers).status == 200
                for c in connections
            )

        async def revoke(turn):
            await principals.revoke_token(turn, "_".join(token.split("_")[:2]))

        access.change(revoke)
        deadline = time.monotonic() + 1.0
        statuses = {200}
        while statuses != {401}:
            assert time.monotonic() < deadline
            statuses = {
                c.call("GET", "experiments/search", {"max_results": 1}, headers).status for c in connections
            }


def test_a_permission_holds_at_once_on_every_node_and_no_longer_than_a_second(access):
    with Api(access.server.url) as one, Api(access.server.url) as another:
        world = make_world(one, access.headers("root"))
        for api in (one, another):
            assert (
                api.call("GET", "runs/get", {"run_id": world.run_id}, access.headers("reader")).status == 403
            )
        access.grant("reader", Level.EDIT, world.experiment_id)
        for api in (one, another):
            run = {"run_id": world.run_id, "key": "k", "value": "v"}
            assert api.call("POST", "runs/set-tag", run, access.headers("reader")).status == 200
            found = api.call(
                "POST", "runs/search", {"experiment_ids": [world.experiment_id]}, access.headers("reader")
            )
            assert len(found.json["runs"]) == 1
        access.grant("reader", Level.DENY, world.experiment_id)
        deadline = time.monotonic() + 1.0
        point = {"run_id": world.run_id, "key": "m", "value": 1.0, "timestamp": 1}
        while any(
            api.call("POST", "runs/log-metric", point, access.headers("reader")).status != 403
            for api in (one, another)
        ):
            assert time.monotonic() < deadline


def test_who_makes_an_experiment_may_manage_it_at_once(access, access_api):
    name = secrets.token_hex(8)
    made = access_api.call("POST", "experiments/create", {"name": name}, access.headers("stranger"))
    world = {"experiment_id": made.json["experiment_id"]}
    for _ in range(3):
        # New connections: any of the processes answers.
        with Api(access.server.url) as other:
            assert other.call("POST", "runs/create", world, access.headers("stranger")).status == 200
    assert access_api.call("POST", "runs/create", world, access.headers("manager")).status == 403
    assert access_api.call("POST", "experiments/delete", world, access.headers("stranger")).status == 200
    who = access.value(
        "select string_agg(distinct principal || ' in ' || workspace, ',') from tracklog_log.entry"
        " where experiment_id = $1",
        int(made.json["experiment_id"]),
    )
    assert who == "stranger in default"


def test_passwords_work_as_tokens_do_and_guesses_are_slowed(access, access_api, world):
    search = ("GET", "experiments/search", {"max_results": 1})
    assert access_api.call(*search, basic("reader", PASSWORD)).status == 200
    assert access_api.call(*search, basic("reader", access.tokens["reader"])).status == 200
    assert access_api.call(*search, basic("token", access.tokens["reader"])).status == 200
    statuses = [
        access_api.call(*search, basic("editor", f"a wrong guess {number}")).status
        for number in range(NAME_FAILURES_MAX * 2 + 2)
    ]
    assert set(statuses) == {401, 429}
    limited = access_api.call(*search, basic("editor", "one more"))
    assert (limited.status, limited.error_code) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert int(limited.headers["retry-after"]) >= 1
    # Who was right before, and whoever has a token, is not kept out by it.
    assert access_api.call(*search, basic("reader", PASSWORD)).status == 200
    assert access_api.call(*search, access.headers("editor")).status == 200


def test_a_workspace_is_chosen_by_header_or_token_and_strangers_hear_of_none(access, access_api, world):
    search = ("GET", "experiments/search", {"max_results": 100})
    there = {"X-MLFLOW-WORKSPACE": OTHER_WORKSPACE}
    for name in ("reader", "manager"):
        answer = access_api.call(*search, {**access.headers(name), **there})
        assert (answer.status, answer.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")
        unknown = access_api.call(*search, {**access.headers(name), "X-MLFLOW-WORKSPACE": "never-was"})
        assert unknown.body.replace(b"never-was", OTHER_WORKSPACE.encode()) == answer.body
    bound = bearer(access.make_token("root", workspace=OTHER_WORKSPACE))
    assert access_api.call(*search, {**bound, "X-MLFLOW-WORKSPACE": "default"}).status == 404
    name = secrets.token_hex(8)
    ids = [
        access_api.call("POST", "experiments/create", {"name": name}, headers).json["experiment_id"]
        for headers in (access.headers("root"), bound)
    ]
    assert ids[0] != ids[1]
    found = access_api.call(
        "GET", "experiments/get-by-name", {"experiment_name": name}, {**access.headers("root"), **there}
    )
    assert found.json["experiment"]["experiment_id"] == ids[1]
    assert found.json["experiment"]["workspace"] == OTHER_WORKSPACE
    assert access_api.call("GET", "experiments/get", {"experiment_id": ids[0]}, bound).status == 404
    everything = ("POST", "runs/search", {"experiment_ids": ["*"], "max_results": 1000})
    assert world.run_id.encode() in access_api.call(*everything, access.headers("root")).body
    assert world.run_id.encode() not in access_api.call(*everything, access.headers("outsider")).body


def test_a_page_of_another_site_changes_nothing(access, access_api):
    fields = {"name": secrets.token_hex(8)}
    headers = {**access.headers("root"), "Origin": "https://elsewhere.example"}
    assert access_api.call("POST", "experiments/create", fields, headers).status == 403
    own = {**access.headers("root"), "Host": "lab.example", "Origin": "http://lab.example"}
    assert access_api.call("POST", "experiments/create", fields, own).status == 200
