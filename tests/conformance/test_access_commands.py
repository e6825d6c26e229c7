"""The commands about access on a running server, and what audits tell of it all."""

import io
import json
import secrets

import pytest

from tests.support.access import PASSWORD, basic, bearer, make_world
from tracklog_server import cli


@pytest.fixture
def tracklog(access, capsys, monkeypatch):
    """Runs a command of tracklog on the server's data; gives what it printed."""

    def run(*arguments, text="", code=0):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert cli.main([*arguments, "--data-dir", str(access.server.data_dir)]) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    return run


def test_users_groups_tokens_and_permissions_by_command(access, access_api, tracklog):
    name, group = f"cli {secrets.token_hex(6)}", f"group {secrets.token_hex(6)}"
    assert f"--user '{name}'`" in tracklog("user", "create", name, "--service")
    assert f"{name}\tservice\t-\t-\tdefault\n" in tracklog("user", "list")
    assert "already exists" in tracklog("user", "create", name, code=1)
    make_token = ("token", "create", "--user", name, "--expires", "2h", "--comment")
    assert "all printable" in tracklog(*make_token, "a\nforged line", code=1)
    token = tracklog(*make_token, "for a test").strip()
    assert len(token.splitlines()) == 1
    world = make_world(access_api, access.headers("root"))

    def status(headers):
        return access_api.call("GET", "runs/get", {"run_id": world.run_id}, headers).status

    assert status(bearer(token)) == 403
    tracklog("group", "create", group)
    tracklog("group", "add", group, "--user", name)
    assert f"{group}\t{name}\n" in tracklog("group", "list")
    tracklog("permission", "set", "CAN_READ", "--group", group, "--experiment", world.experiment_id)
    assert status(bearer(token)) == 200
    assert f"experiment {world.experiment_id}\tgroup {group}\tREAD\n" in tracklog("permission", "list")
    tracklog("permission", "set", "NO_PERMISSIONS", "--group", group, "--experiment", world.experiment_id)
    assert f"group {group}" not in tracklog("permission", "list")
    assert "give either" in tracklog("permission", "set", "CAN_READ", code=1)
    nowhere = ("permission", "set", "CAN_READ", "--user", name, "--experiment", "4711000")
    assert "No Experiment with id=4711000 exists in workspace default" in tracklog(*nowhere, code=1)
    tracklog("user", "password", name, text=f"{PASSWORD}\n")
    tracklog("permission", "set", "CAN_MANAGE", "--user", name)
    assert status(basic(name, PASSWORD)) == 200
    listed = tracklog("token", "list", "--user", name)
    assert token not in listed
    assert listed.startswith("_".join(token.split("_")[:2]) + f"\t{name}\t-\texpires ")
    tracklog("token", "revoke", token)
    assert "revoked" in tracklog("token", "list", "--user", name)
    assert "could be revoked" in tracklog("token", "revoke", token, code=1)
    tracklog("group", "remove", group, "--user", name)
    tracklog("group", "delete", group)
    tracklog("user", "disable", name)
    assert "\tdisabled\t" in tracklog("user", "list")
    tracklog("user", "enable", name)
    tracklog("user", "delete", name)
    assert name not in tracklog("user", "list")


def test_workspaces_by_command(tracklog):
    name = f"w-{secrets.token_hex(6)}"
    tracklog("workspace", "create", name, "--description", "a lab")
    tracklog("workspace", "set", name, "--default-level", "CAN_EDIT")
    assert f'{name}\tCAN_EDIT\t"a lab"\n' in tracklog("workspace", "list")
    assert "Invalid permission" in tracklog("workspace", "set", name, "--default-level", "ALL", code=1)
    tracklog("workspace", "delete", name)
    assert name not in tracklog("workspace", "list")


def test_audits_tell_who_did_what_and_no_secret(access, access_api, tracklog):
    name = f"audited {secrets.token_hex(6)}"
    access.make_principal(name)
    headers = access.headers(name)
    world = make_world(access_api, headers)
    fields = {"run_id": world.run_id, "key": "password", "value": "hunter2-hunter2"}
    assert access_api.call("POST", "runs/set-tag", fields, headers).status == 200
    told = tracklog("audit", "--since", "1h", "--principal", name, "--json")
    lines = [json.loads(line) for line in told.splitlines()]
    done = [(line["what"], line["experiment_id"]) for line in lines]
    assert done[:3] == [
        ("ExperimentCreated", world.experiment_id),
        ("RunCreated", world.experiment_id),
        ("RunLogged", world.experiment_id),
    ]
    assert {"LoggedModelCreated", "SpansRecorded", "AssessmentSet", "ArtifactsStored"} <= {
        what for what, _ in done
    }
    assert {line["run_id"] for line in lines} == {None, world.run_id}
    everything = tracklog("audit")
    for secret in (*access.tokens.values(), PASSWORD, "hunter2-hunter2"):
        assert secret not in everything
    assert f"PrincipalCreated\t-\t-\t{json.dumps({'name': name})}" in everything
    of_experiment = tracklog("audit", "--experiment", world.experiment_id)
    assert len(of_experiment.splitlines()) == len(lines)
    asked, after = [], ""
    while after is not None:
        query = {"principal": name, "max_results": 3, **({"after": after} if after else {})}
        answer = access_api.call("GET", "/api/tracklog/v1/audit", query, access.headers("root")).json
        assert len(answer["entries"]) <= 3
        asked += answer["entries"]
        after = answer.get("next_after")
    assert asked == lines
    assert access_api.call("GET", "/api/tracklog/v1/audit", {}, headers).status == 403
    assert "A time is like" in tracklog("audit", "--since", "yesterday", code=1)
