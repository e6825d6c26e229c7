"""The client's settings: environment variables that a shell which also starts a server may have."""

from typing import Final

# Environment variable → (default, meaning), as the README shows them.
CLIENT_SETTINGS: Final[dict[str, tuple[str, str]]] = {
    "TRACKLOG_URL": ("`MLFLOW_TRACKING_URI` if http(s), else `http://127.0.0.1:5000`", "the server"),
    "TRACKLOG_TOKEN": (
        "`MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`",
        "a bearer token; never written to disk",
    ),
    "TRACKLOG_SPOOL_DIR": (
        "`~/.local/state/tracklog/spool`",
        "where values lie until the server has acknowledged them",
    ),
    "TRACKLOG_SPOOL_BYTES_MAX": ("10737418240", "how much of the disk the spool may take"),
    "TRACKLOG_EXIT_TIMEOUT_S": ("10", "how long a program's end waits for delivery; it goes on afterwards"),
    "TRACKLOG_MLFLOW_PLUGIN": ("1", "`0` leaves MLflow's client as it is"),
}
