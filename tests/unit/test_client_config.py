"""The client's settings: where they come from, what is refused, and that the README shows them all."""

from pathlib import Path

import pytest

from tests.unit.test_readme import rows_after
from tracklog.config import Config, from_environment, parse_url, user_name
from tracklog.post import _authorization
from tracklog.sender import PAUSE_MAX_S, RETRY_AFTER_MAX_S, Pauses
from tracklog_contract.client_settings import CLIENT_SETTINGS
from tracklog_server.settings import load

HOME = {"XDG_STATE_HOME": "/state"}


def test_defaults():
    assert from_environment(None, HOME) == Config(None, Path("/state/tracklog/spool"), 10 * 2**30, 10.0)
    assert from_environment(None, {}).spool_dir == Path("~/.local/state/tracklog/spool").expanduser()


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://a", {"TRACKLOG_URL": "http://b"}, "http://a"),
        (None, {"TRACKLOG_URL": "http://b/", "MLFLOW_TRACKING_URI": "http://c"}, "http://b"),
        (None, {"MLFLOW_TRACKING_URI": "https://c:1/x/"}, "https://c:1/x"),
        (None, {"MLFLOW_TRACKING_URI": "sqlite:///x.db"}, None),
        (None, {"TRACKLOG_URL": ""}, None),
    ],
)
def test_the_server_is_named_by_the_call_then_by_the_environment(url, environment, expected):
    assert from_environment(url, environment | HOME).url == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://h",
        "h:5000",
        "http://",
        "http://h:x",
        "http://u:p@h",
        "http://u@h",
        "http://h?a=b",
        "http://h#f",
    ],
)
def test_what_is_no_url_of_a_server_is_refused_and_a_password_never_repeated(text):
    with pytest.raises(ValueError, match="url") as caught:
        parse_url(text)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("name", ["TRACKLOG_SPOOL_BYTES_MAX", "TRACKLOG_EXIT_TIMEOUT_S"])
def test_numbers_are_numbers(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number, not '5GB'"):
        from_environment(None, HOME | {name: "5GB"})
    assert 7 in vars(from_environment(None, HOME | {name: "7"})).values()


def test_the_readme_shows_every_setting():
    shown = {row[0].strip("`"): (row[1], row[2]) for row in rows_after("environment of a program")}
    assert shown == CLIENT_SETTINGS


def test_a_server_starts_in_a_shell_that_also_trains():
    assert load({}, dict.fromkeys(CLIENT_SETTINGS, "x")).port == 5000


def test_the_user_is_the_one_of_the_environment():
    assert user_name({"USER": "ada", "LOGNAME": "grace"}) == "grace"
    assert user_name({}) != ""


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        (
            {"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"},
            "Basic dTpw",
        ),
        ({"TRACKLOG_TOKEN": "own", "MLFLOW_TRACKING_TOKEN": "t"}, "Bearer own"),
    ],
)
def test_credentials_become_a_header(environment, header):
    assert _authorization(environment).get("Authorization") == header


def test_pauses_grow_to_a_bound_and_heed_the_server():
    pauses = Pauses()
    own = [pauses.next_s(None) for _ in range(12)]
    assert own[0] < 0.2
    assert own[-1] <= PAUSE_MAX_S
    assert own[-1] > own[0]
    assert pauses.next_s(30.0) == 30.0
    assert pauses.next_s(10_000.0) == RETRY_AFTER_MAX_S
    pauses.reset()
    assert pauses.next_s(None) < 0.2
