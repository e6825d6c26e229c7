"""Who a caller is and what they may do, as far as that needs no server."""

import re
from unittest.mock import MagicMock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tracklog_contract.caller import Caller, Level, Need
from tracklog_contract.errors import Rejected, TooMany
from tracklog_contract.ids import DEFAULT_WORKSPACE
from tracklog_ingest.access.principals import check_name
from tracklog_server import worker
from tracklog_server.access import passwords, sessions, tokens
from tracklog_server.access.commands import expiry
from tracklog_server.access.login_http import Login
from tracklog_server.access.needs import NEEDS, need_of
from tracklog_server.access.quotas_http import QuotaDesk
from tracklog_server.access.rights import DatabaseRights
from tracklog_server.access.throttle import Throttle
from tracklog_server.problems import StartError
from tracklog_server.task import Task


def test_every_route_says_what_it_needs_and_nothing_else_does(tmp_path):
    task = Task(
        "worker", 1, dsn="", database="given", artifact_dir=str(tmp_path), quotas="default", auth=True
    )
    desk = QuotaDesk(MagicMock(), MagicMock(), MagicMock())
    application = worker._application(
        MagicMock(), MagicMock(), MagicMock(), task, MagicMock(), MagicMock(), desk
    )
    served = set()
    for route in application.router.routes():
        path = re.sub(r"^/(ajax-)?api(?=/)", "", re.sub(r"{(\w+)[^}]*}", r"{\1}", route.resource.canonical))
        served.add((route.method, path))
    # Version 3.0 of a 2.0 path is served too, and needs the same.
    twins = {(method, path) for method, path in served if (method, path.replace("/3.0/", "/2.0/")) in NEEDS}
    assert set(NEEDS) - served == set(), "in the table, but not served"
    assert served - twins - set(NEEDS) == set()


def test_a_route_of_which_nobody_has_said_what_it_needs_keeps_the_server_from_starting():
    async def handler(request):
        raise AssertionError

    with pytest.raises(StartError, match=r"the route GET /2.0/mlflow/all-secrets has no entry"):
        worker.compose([("GET", "/2.0/mlflow/all-secrets", handler)], MagicMock(), MagicMock())


def test_only_what_holds_no_data_is_open():
    open_to_all = {path for (_, path), need in NEEDS.items() if need is Need.OPEN}
    assert open_to_all == {
        "/",
        "/health",
        "/version",
        "/static-files/{name}",
        "/3.0/mlflow/server-info",
        "/artifact-store/{path}",  # by its signature only
        "/trace-data/{trace_id}",  # likewise
        "/.well-known/databricks-config",
        "/ml/{path}",  # leads to the page
        "/oidc/.well-known/oauth-authorization-server",
        "/oidc/v1/token",  # by the client's secret
        "/login",
        "/login/oidc",
        "/login/callback",
        "/logout",
    }
    assert need_of("GET", "/artifact-store/{path:(?s:.+)}") is Need.OPEN


@pytest.mark.parametrize("need", [Need.READ, Need.EDIT, Need.MANAGE])
def test_each_level_holds_those_below_it_and_another_workspace_holds_nothing(need):
    caller = Caller("ada", "lab", need, MagicMock())
    for level in Level:
        if level >= need.level:
            caller.decide(7, level)
        else:
            with pytest.raises(Rejected, match="User ada does not have permission to '") as refused:
                caller.decide(7, level)
            assert refused.value.status == 403
    with pytest.raises(Rejected, match=r"No Experiment with id=7 exists"):
        caller.decide(7, None)


def rights(**said):
    row = {
        "principal_id": 1, "admin": False, "default_level": 1, "of_workspace": None, "of_experiments": None,
        "denied": None, "has_denials": None, "has_any": None,
    }  # fmt: skip
    return DatabaseRights(MagicMock(), "lab", row | said)


def test_rights_come_of_membership_defaults_and_what_is_said():
    assert not rights().enters
    assert rights().floor == Level.NONE
    member = rights(of_workspace=2, has_any=True)
    assert (member.enters, member.may_create, member.floor) == (True, True, Level.READ)
    assert rights(of_workspace=2, default_level=0).floor == Level.NONE
    assert rights(of_workspace=1).may_create is False
    assert rights(of_workspace=2, of_experiments=3).floor == Level.EDIT
    assert rights(of_workspace=2, denied=True).floor == Level.DENY
    assert rights(of_workspace=4, denied=True).floor == Level.MANAGE
    assert rights(admin=True, denied=True).floor == Level.MANAGE
    assert member._level(None, 4) == Level.MANAGE
    assert member._level(-1, 4) == Level.DENY
    guest = rights(has_any=True)
    assert (guest.enters, guest.may_create, guest.floor) == (True, False, Level.NONE)


def test_failed_attempts_run_out_and_come_back():
    now = 0.0
    throttle = Throttle(5, lambda: now)
    for _ in range(5):
        throttle.check("ada")
        throttle.failed("ada")
    with pytest.raises(TooMany) as refused:
        throttle.check("ada")
    assert refused.value.status == 429
    throttle.check("bob")
    now += refused.value.retry_after_s
    throttle.check("ada")
    throttle.failed("ada")
    with pytest.raises(TooMany):
        throttle.check("ada")


def test_passwords_match_themselves_only():
    kept = passwords.hashed("correct horse battery")
    assert kept != passwords.hashed("correct horse battery")
    assert passwords.matches("correct horse battery", kept)
    assert not passwords.matches("correct horse battery ", kept)
    assert not passwords.matches("", passwords.NOBODYS)
    with pytest.raises(Rejected, match="12 to 1000 characters"):
        passwords.hashed("short")


def test_tokens_are_told_by_their_beginning_and_kept_as_digests():
    one, other = tokens.new_token(), tokens.new_token()
    assert one.text.startswith(one.token_id + "_")
    assert len(one.text) > len(one.token_id) + 43
    assert {one.digest, other.digest} == {tokens.digest_of(one.text), tokens.digest_of(other.text)}
    assert one.text.encode() not in one.digest
    assert tokens.looks_like_one(one.text)


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", " a", "a" * 256, "\u202e", "a\0"])
def test_names_that_could_pass_for_others_are_refused(name):
    with pytest.raises(Rejected):
        check_name(name)


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1w", "999999d", "١d"])
def test_a_wrong_expiry_is_refused(text):
    with pytest.raises(Rejected, match="90d"):
        expiry(text)


def test_the_default_caller_may_do_everything():
    assert Caller().rights is None
    assert Caller().workspace == DEFAULT_WORKSPACE
    Caller().check_create()


@pytest.mark.parametrize(
    ("public_url", "scheme", "is_secure"),
    [("https://lab.example", "http", True), ("", "http", False), ("", "https", True)],
)
def test_a_cookie_that_came_by_tls_goes_by_tls_only(public_url, scheme, is_secure):
    request = make_mocked_request("POST", "/login", {"Host": "lab.example"}).clone(scheme=scheme)
    response = web.Response()
    secure = Login(MagicMock(), None, public_url)._is_secure(request)
    sessions.set_cookies(response, sessions.new_secret(), secure=secure)
    cookie, csrf = (response.cookies[name] for name in (sessions.COOKIE, sessions.CSRF_COOKIE))
    assert (bool(cookie["secure"]), bool(csrf["secure"])) == (is_secure, is_secure)
    assert (cookie["samesite"], csrf["samesite"]) == ("Lax", "Lax")
    # Scripts of our own pages read the second one; no script reads the first.
    assert (bool(cookie["httponly"]), bool(csrf["httponly"])) == (True, False)
    assert csrf.value not in cookie.value
