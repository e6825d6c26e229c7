"""What a program may set for its logging: read from the environment once, when a run is opened."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

DEFAULT_URL: Final = "http://127.0.0.1:5000"
SPOOL_BYTES_MAX: Final = 10 * 2**30
EXIT_TIMEOUT_S: Final = 10.0
MLFLOW_PLUGIN: Final = "TRACKLOG_MLFLOW_PLUGIN"
_CREDENTIALS: Final = (
    "TRACKLOG_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


@dataclass(frozen=True)
class Config:
    """Where values go. `url` is None when nobody has named a server."""

    url: str | None
    spool_dir: Path
    spool_bytes_max: int = SPOOL_BYTES_MAX
    exit_timeout_s: float = EXIT_TIMEOUT_S


def from_environment(url: str | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings of this process; `url` wins over the environment's.

    Raises: ValueError, naming the setting that cannot be used.
    """
    return Config(
        url=_url(url, environment),
        spool_dir=_spool_dir(environment),
        spool_bytes_max=int(_number("TRACKLOG_SPOOL_BYTES_MAX", environment, SPOOL_BYTES_MAX)),
        exit_timeout_s=_number("TRACKLOG_EXIT_TIMEOUT_S", environment, EXIT_TIMEOUT_S),
    )


def credentials(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What of the environment logs in to a server, as it is now."""
    return {name: environment[name] for name in _CREDENTIALS if name in environment}


def login_name(environment: Mapping[str, str] = os.environ) -> str:
    """Which login of the environment counts: a token as it is, a password by its user; "" for none."""
    if token := environment.get("TRACKLOG_TOKEN"):
        return token
    user, password = (environment.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    if user and password:
        return f"{user}:"
    return environment.get("MLFLOW_TRACKING_TOKEN", "")


def mlflow_plugin_is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """May MLflow's client log by the spool: as long as TRACKLOG_MLFLOW_PLUGIN is not 0."""
    return environment.get(MLFLOW_PLUGIN, "").strip().lower() not in ("0", "false", "no", "off")


def jupyter_session(environment: Mapping[str, str] = os.environ) -> str:
    """A kernel's session as Jupyter calls it: since jupyter_server 2 its notebook's path; "" for none."""
    return environment.get("JPY_SESSION_NAME", "")


def parse_url(text: str, name: str = "url") -> str:
    """The server's URL without a slash at its end.

    Raises: ValueError, when it is no http(s) URL, or holds a password, which would be written to disk.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{name} must be http://HOST:PORT or https://HOST, not {text[:200]!r}")
    if "@" in parts.netloc:
        raise ValueError(
            f"{name} must not hold a user or password: give them by MLFLOW_TRACKING_USERNAME and"
            " MLFLOW_TRACKING_PASSWORD, or a token by TRACKLOG_TOKEN"
        )
    if parts.query or parts.fragment:
        raise ValueError(f"{name} must have no query and no fragment")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def user_name(environment: Mapping[str, str] = os.environ) -> str:
    """The user's name as Python's getpass finds it, whose import takes longer than all of this package."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if environment.get(name):
            return environment[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "unknown"


def _url(url: str | None, environment: Mapping[str, str]) -> str | None:
    if url is not None:
        return parse_url(url)
    if environment.get("TRACKLOG_URL"):
        return parse_url(environment["TRACKLOG_URL"], "TRACKLOG_URL")
    if environment.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://")):
        return parse_url(environment["MLFLOW_TRACKING_URI"], "MLFLOW_TRACKING_URI")
    return None


def _spool_dir(environment: Mapping[str, str]) -> Path:
    if environment.get("TRACKLOG_SPOOL_DIR"):
        return Path(environment["TRACKLOG_SPOOL_DIR"]).expanduser().absolute()
    state = Path(environment.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    return state.absolute() / "tracklog" / "spool"


def _number(name: str, environment: Mapping[str, str], default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(f"{name} must be a whole number, not {text[:200]!r}")
    return int(text)
