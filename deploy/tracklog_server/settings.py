"""Every setting of the server, declared once: its option, environment variable, default and meaning."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tracklog_artifacts.s3_config import S3Config
from tracklog_contract.client_settings import CLIENT_SETTINGS
from tracklog_contract.limits import parse_quotas
from tracklog_server import artifact_settings as artifacts
from tracklog_server.artifact_settings import parse_directory
from tracklog_server.problems import StartError

ENVIRONMENT_PREFIX: Final = "TRACKLOG_"
WORKERS_MAX: Final = 64


@dataclass(frozen=True)
class Option:
    """How one setting is written by people: `parse` turns its text into the value or raises ValueError."""

    help: str
    metavar: str
    parse: Callable[[str], Any]
    default: str | None = None
    # What --help says stands in for a missing default.
    default_words: str = ""
    # Given without a value on the command line.
    is_flag: bool = False


def _option(option: Option) -> dict[str, Option]:
    return {"option": option}


def parse_host(text: str) -> str:
    """The IP address to listen on.

    Raises: ValueError, for anything else.
    """
    host = "127.0.0.1" if text == "localhost" else text.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"must be an IP address or localhost, not {text!r}") from None
    return host


def parse_flag(text: str) -> bool:
    """Yes or no."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    if text.lower() not in words:
        raise ValueError(f"must be true or false, not {text!r}")
    return words[text.lower()]


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return parse


def parse_database_url(text: str) -> str:
    """A PostgreSQL URL. Errors never repeat it, since it may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("cannot be read as a URL") from error
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return text


def parse_text(text: str) -> str:
    """Any text of one line."""
    if not text or not text.isprintable():
        raise ValueError("must be printable text, not empty")
    return text


def parse_http_url(text: str) -> str:
    """A URL of a web server."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("cannot be read as a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"must be http://HOST or https://HOST, maybe with a path, not {text!r}")
    return text


def _quotas(text: str) -> str:
    parse_quotas(text)
    return text


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    for host in hosts:
        if any(character in host for character in "/@?#* \t") or not host.isprintable():
            raise ValueError(f"must be host names without scheme, port or wildcard, not {host!r}")
    return hosts


@dataclass(frozen=True)
class Settings:
    """What `tracklog server` runs with. `database_url` None means an embedded PostgreSQL."""

    host: str = field(
        metadata=_option(
            Option(
                "the address to listen on; other than loopback only with --auth",
                "ADDRESS",
                parse_host,
                "127.0.0.1",
            )
        )
    )
    port: int = field(
        metadata=_option(
            Option("the TCP port to listen on; 0 takes a free one", "PORT", _whole_number(0, 65535), "5000")
        )
    )
    data_dir: Path = field(
        metadata=_option(
            Option(
                "where all data lies: the embedded database, and artifacts unless --artifact-root is given",
                "DIR",
                parse_directory,
                "./tracklog-data",
            )
        )
    )
    database_url: str | None = field(
        metadata=_option(
            Option(
                "the PostgreSQL to use, as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; an option can be"
                " seen in the machine's process list, so give a password by the environment variable",
                "URL",
                parse_database_url,
                default_words="an embedded PostgreSQL in the data directory",
            )
        )
    )
    artifact_root: Path | S3Config | None = field(
        metadata=_option(
            Option(
                "where artifacts are stored: a directory, a file:///PATH URL, or s3://BUCKET/PREFIX with the"
                " credentials that AWS's chain finds (AWS_ACCESS_KEY_ID, profile, role)",
                "URL",
                artifacts.parse_artifact_root,
                default_words="the folder artifacts in the data directory",
            )
        )
    )
    artifact_endpoint: str | None = field(
        metadata=_option(
            Option(
                "the URL of the S3 server, where it is not Amazon's",
                "URL",
                artifacts.parse_endpoint,
                default_words="Amazon's",
            )
        )
    )
    artifact_public_endpoint: str | None = field(
        metadata=_option(
            Option(
                "the URL by which clients reach the S3 server, where it is another than the server's own",
                "URL",
                artifacts.parse_endpoint,
                default_words="the same",
            )
        )
    )
    artifact_region: str | None = field(
        metadata=_option(
            Option(
                "the region of the bucket",
                "NAME",
                artifacts.parse_region,
                default_words="AWS_REGION, or us-east-1",
            )
        )
    )
    artifact_addressing: str | None = field(
        metadata=_option(
            Option(
                "where the bucket's name stands in URLs: path or virtual (in the host name)",
                "STYLE",
                artifacts.parse_addressing,
                default_words="path with an endpoint, else virtual",
            )
        )
    )
    artifact_encryption: str | None = field(
        metadata=_option(
            Option(
                "what the S3 server is to encrypt files with: AES256, aws:kms or aws:kms:KEY-ID",
                "KIND",
                artifacts.parse_encryption,
                default_words="the bucket's own",
            )
        )
    )
    artifact_checksum: str | None = field(
        metadata=_option(
            Option(
                "how a signed upload is bound to its SHA-256: header (x-amz-checksum-sha256), or payload"
                " (x-amz-content-sha256 too) for S3 servers that take no notice of the header, as Ceph 16",
                "KIND",
                artifacts.parse_checksum,
                default_words="header",
            )
        )
    )
    workers: int = field(
        metadata=_option(
            Option("how many HTTP processes share the port", "N", _whole_number(1, WORKERS_MAX), "1")
        )
    )
    quotas: str = field(
        metadata=_option(
            Option(
                "the limits of a run and an experiment: default, or databricks, which has its limits exactly"
                " (default has 100,000,000 metric points a run); single limits may follow, as in"
                " default,run_params=5000",
                "PRESET",
                _quotas,
                "default",
            )
        )
    )
    allowed_hosts: tuple[str, ...] = field(
        metadata=_option(
            Option(
                "further host names, separated by commas, by which browsers and clients may call the server;"
                " localhost and loopback addresses always work, and any name does with --auth",
                "NAMES",
                _hosts,
                "",
                default_words="none",
            )
        )
    )

    auth: bool = field(
        metadata=_option(
            Option(
                "whoever calls must show a token or password, and may do what they were given permission for",
                "BOOLEAN",
                parse_flag,
                "false",
                is_flag=True,
            )
        )
    )

    public_url: str | None = field(
        metadata=_option(
            Option(
                "how browsers reach the server, where that is not how they seem to: behind a proxy with TLS,"
                " https://HOST",
                "URL",
                parse_http_url,
                default_words="as they ask",
            )
        )
    )
    oidc_issuer: str | None = field(
        metadata=_option(
            Option(
                "the OpenID provider that people may sign in by, exactly as it calls itself",
                "URL",
                parse_http_url,
                default_words="none",
            )
        )
    )
    oidc_client_id: str | None = field(
        metadata=_option(
            Option("what the OpenID provider calls this server", "ID", parse_text, default_words="none")
        )
    )
    oidc_client_secret: str | None = field(
        metadata=_option(
            Option(
                "the secret of this server at the OpenID provider, if it has one; give it by the environment",
                "SECRET",
                parse_text,
                default_words="none",
            )
        )
    )
    oidc_claim: str = field(
        metadata=_option(
            Option(
                "what the OpenID provider tells of a person that is their user name here; an email address"
                " counts when it is verified",
                "CLAIM",
                parse_text,
                "email",
            )
        )
    )

    @property
    def artifact_place(self) -> Path | S3Config:
        """Where artifacts are stored."""
        return artifacts.place_of(vars(self))


OPTIONS: Final[dict[str, Option]] = {f.name: f.metadata["option"] for f in fields(Settings)}


def environment_name(name: str) -> str:
    """The environment variable of setting `name`."""
    return ENVIRONMENT_PREFIX + name.upper()


def option_name(name: str) -> str:
    """The command-line option of setting `name`."""
    return "--" + name.replace("_", "-")


def load(arguments: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """The settings from command-line texts by setting name, then the environment, then the defaults.

    Raises: StartError, with every problem there is.
    """
    problems = list(_unknown_names(environment))
    values: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        text, source = _text_of(name, option, arguments, environment)
        try:
            values[name] = None if text is None else option.parse(text)
        except ValueError as error:
            problems.append(f"{source} {error}")
    problems += [
        f"{option_name(name)} is for an --artifact-root of s3://" for name in artifacts.pointless(values)
    ]
    if not problems and (values["oidc_issuer"] is None) != (values["oidc_client_id"] is None):
        problems.append("--oidc-issuer and --oidc-client-id need each other")
    if not problems and values["oidc_issuer"] is not None and not values["auth"]:
        problems.append("--oidc-issuer needs --auth")
    if not problems and not values["auth"] and not ipaddress.ip_address(values["host"]).is_loopback:
        problems.append(
            f"--host {values['host']} lets other machines in, and without authentication anyone there could"
            f" read and change everything: start it with\n  tracklog server --auth --host {values['host']}"
        )
    if problems:
        raise StartError("; ".join(problems) if len(problems) == 1 else "\n  ".join(["settings:", *problems]))
    return Settings(**values)


def _text_of(
    name: str, option: Option, arguments: Mapping[str, str | None], environment: Mapping[str, str]
) -> tuple[str | None, str]:
    if (text := arguments.get(name)) is not None:
        return text, option_name(name)
    variable = environment_name(name)
    return environment.get(variable, option.default), variable


def _unknown_names(environment: Mapping[str, str]) -> Iterable[str]:
    known = sorted(map(environment_name, OPTIONS))
    # A shell that also trains has the client's settings; they are no mistake.
    harmless = {*known, *CLIENT_SETTINGS}
    unknown = sorted(
        name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in harmless
    )
    for name in unknown:
        yield f"{name} is not a setting of tracklog; it knows {', '.join(known)}"
