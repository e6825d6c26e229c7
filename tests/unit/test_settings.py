"""Settings: one declaration gives options, environment variables, defaults and help."""

from dataclasses import replace
from pathlib import Path

import pytest

from tracklog_artifacts.s3_config import S3Config
from tracklog_server import cli
from tracklog_server.cli import command_line
from tracklog_server.problems import StartError
from tracklog_server.settings import OPTIONS, Settings, environment_name, load, option_name
from tracklog_server.task import Task

NOTHING: dict[str, str | None] = {}


def test_defaults_are_those_of_the_issue():
    assert load(NOTHING, {}) == Settings(
        host="127.0.0.1",
        port=5000,
        data_dir=Path("tracklog-data").absolute(),
        database_url=None,
        artifact_root=None,
        artifact_endpoint=None,
        artifact_public_endpoint=None,
        artifact_region=None,
        artifact_addressing=None,
        artifact_encryption=None,
        artifact_checksum=None,
        workers=1,
        quotas="default",
        allowed_hosts=(),
        auth=False,
        public_url=None,
        oidc_issuer=None,
        oidc_client_id=None,
        oidc_client_secret=None,
        oidc_claim="email",
    )


def test_an_option_wins_over_its_environment_variable_and_that_over_the_default():
    environment = {"TRACKLOG_PORT": "6000", "TRACKLOG_WORKERS": "3"}
    settings = load({"port": "7000"}, environment)
    assert (settings.port, settings.workers, settings.quotas) == (7000, 3, "default")


def test_every_problem_is_told_at_once():
    arguments = {
        "host": "example.org",
        "artifact_root": "ftp://bucket/x",
        "quotas": "some",
        "allowed_hosts": "a/b",
    }
    environment = {"TRACKLOG_PORT": "65536", "TRACKLOG_WORKERS": "0", "TRACKLOG_DATABASE_URL": "mysql://h/d"}
    with pytest.raises(StartError) as caught:
        load(arguments, environment)
    told = str(caught.value)
    for words in (
        "--host must be an IP address or localhost, not 'example.org'",
        "--artifact-root must be a directory",
        "--quotas must begin with default or databricks, not 'some'",
        "--allowed-hosts must be host names",
        "TRACKLOG_PORT must be a whole number from 0 to 65535, not '65536'",
        "TRACKLOG_WORKERS must be a whole number from 1 to 64, not '0'",
        "TRACKLOG_DATABASE_URL must be postgresql://",
    ):
        assert words in told
    assert len(told.splitlines()) == 1 + 7


def test_an_unknown_setting_in_the_environment_is_refused_with_the_known_ones():
    with pytest.raises(
        StartError, match=r"^TRACKLOG_DATADIR is not a setting of tracklog; it knows"
    ) as caught:
        load(NOTHING, {"TRACKLOG_DATADIR": "/srv", "TRACKLOGX": "", "PATH": "/bin"})
    for name in OPTIONS:
        assert environment_name(name) in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"])
def test_loopback_hosts_are_taken(host):
    assert load({"host": host}, {}).host == {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host, host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_other_machines_are_let_in_with_authentication_only(host):
    with pytest.raises(StartError, match=rf"tracklog server --auth --host {host}$"):
        load({"host": host}, {})
    assert load({"host": host}, {"TRACKLOG_AUTH": "true"}).host == host


def test_a_provider_needs_authentication_and_a_client_id():
    issuer = {"TRACKLOG_OIDC_ISSUER": "https://login.example.org"}
    with pytest.raises(StartError, match="need each other"):
        load({"auth": "true"}, issuer)
    with pytest.raises(StartError, match="--oidc-issuer needs --auth"):
        load({}, {**issuer, "TRACKLOG_OIDC_CLIENT_ID": "tracklog"})
    assert load({"auth": "true"}, {**issuer, "TRACKLOG_OIDC_CLIENT_ID": "tracklog"}).oidc_claim == "email"


@pytest.mark.parametrize("host", ["example.org", "", "127.0.0.1:80"])
def test_other_hosts_are_refused(host):
    with pytest.raises(StartError, match="must be an IP address or localhost"):
        load({"host": host, "auth": "true"}, {})


@pytest.mark.parametrize("text", ["mysql://u:secret@h/d", "postgresql://u:secret@h:port/d", "u:secret@h"])
def test_a_wrong_database_url_is_never_repeated(text):
    with pytest.raises(StartError) as caught:
        load({"database_url": text}, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "directory"),
    [("/srv/a b", "/srv/a b"), ("file:///srv/a%20b", "/srv/a b"), ("file://localhost/srv", "/srv")],
)
def test_an_artifact_root_is_a_directory_or_a_file_url(text, directory):
    assert load({"artifact_root": text}, {}).artifact_place == Path(directory)


def test_artifacts_are_in_the_data_directory_unless_said_otherwise():
    assert load({"data_dir": "/srv/t"}, {}).artifact_place == Path("/srv/t/artifacts")


def test_artifacts_are_in_a_bucket():
    root = {"artifact_root": "s3://bucket/some/where/"}
    assert load(root, {}).artifact_place == S3Config("bucket", "some/where")
    environment = {
        "TRACKLOG_ARTIFACT_ENDPOINT": "http://s3:9000/",
        "TRACKLOG_ARTIFACT_PUBLIC_ENDPOINT": "https://files.example",
        "TRACKLOG_ARTIFACT_REGION": "eu-west-1",
        "TRACKLOG_ARTIFACT_CHECKSUM": "payload",
        "TRACKLOG_ARTIFACT_ENCRYPTION": "aws:kms:arn:aws:kms:eu-west-1:1:key/2",
    }
    place = S3Config(
        "bucket",
        "some/where",
        endpoint="http://s3:9000",
        public_endpoint="https://files.example",
        region="eu-west-1",
        path_style=True,
        payload_hash=True,
        encryption="aws:kms:arn:aws:kms:eu-west-1:1:key/2",
    )
    assert load(root, environment).artifact_place == place
    environment["TRACKLOG_ARTIFACT_ADDRESSING"] = "virtual"
    assert load(root, environment).artifact_place == replace(place, path_style=False)
    task = Task("worker", 1, dsn="", database="given", artifact_dir="", quotas="default", s3=place)
    assert Task.from_environment(task.environment()).artifact_place == place


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("artifact_root", "s3://"),
        ("artifact_root", "s3://key:secret@bucket/x"),
        ("artifact_root", "s3://bucket:80/x"),
        ("artifact_root", "s3://bucket/a//b"),
        ("artifact_endpoint", "s3.example.org"),
        ("artifact_endpoint", "https://key:secret@s3.example.org"),
        ("artifact_endpoint", "https://s3.example.org/bucket"),
        ("artifact_endpoint", "https://s3.example.org:port"),
        ("artifact_region", "eu west"),
        ("artifact_addressing", "host"),
        ("artifact_encryption", "rot13"),
        ("artifact_checksum", "md5"),
    ],
)
def test_wrong_words_about_a_bucket_are_refused(name, text):
    with pytest.raises(StartError, match=f"^{option_name(name)} ") as caught:
        load({"artifact_root": "s3://bucket", name: text}, {})
    assert "secret" not in str(caught.value)


def test_words_about_a_bucket_need_one():
    with pytest.raises(StartError, match=r"^--artifact-region is for an --artifact-root of s3://$"):
        load({"artifact_region": "eu-west-1"}, {})


def test_allowed_hosts_are_a_list_of_lower_case_names():
    assert load({"allowed_hosts": "Tracking.Example.org, lab,"}, {}).allowed_hosts == (
        "tracking.example.org",
        "lab",
    )


def test_help_explains_every_option_with_its_default_and_variable(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10000")
    with pytest.raises(SystemExit) as caught:
        cli.main(["server", "--help"])
    assert caught.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for name, option in OPTIONS.items():
        default = option.default_words or option.default
        explained = f"{option.help} (default: {default}; environment: {environment_name(name)})"
        value = "" if option.is_flag else f"{option.metavar} "
        assert f"{option_name(name)} {value}{explained}" in told


def test_rebuild_takes_only_where_the_log_is():
    parser = cli.command_line()
    parsed = vars(parser.parse_args(["rebuild", "--data-dir", "d", "--database-url", "u"]))
    assert parsed == {"command": "rebuild", "data_dir": "d", "database_url": "u"}


def test_version_names_the_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("tracklog 0.")


def test_a_wrong_setting_ends_with_one_line_and_exit_code_1(capsys):
    assert cli.main(["server", "--port", "none"]) == 1
    assert capsys.readouterr().err == (
        "tracklog: --port must be a whole number from 0 to 65535, not 'none'\n"
    )


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e400", "soon", ""])
def test_sync_waits_for_a_number_of_seconds(text, capsys):
    assert command_line().parse_args(["sync", "--timeout", "1.5"]).patience_s == 1.5
    with pytest.raises(SystemExit):
        command_line().parse_args(["sync", f"--timeout={text}"])
    assert "must be a number of seconds" in capsys.readouterr().err
