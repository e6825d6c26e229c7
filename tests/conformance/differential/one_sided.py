"""Single calls that one server takes and the other refuses, each with both answers and the reason.

They leave the two servers with different data, so they come after everything else.
"""

from dataclasses import dataclass
from typing import Any

from tests.conformance.differential.call import Call
from tests.conformance.differential.names import SALT

REFUSED = (400, "INVALID_PARAMETER_VALUE")
NUL = "PostgreSQL's text has no U+0000; a client that sends it has read a buffer to its end."
SURROGATE = "Half a surrogate pair is no text; MLflow stops reading there and takes the value for empty."
EXTENSION = "OR, NOT and parentheses are tracklog's extension of the filter grammar."
OK = (200, "")


@dataclass(frozen=True)
class OneSided:
    """A call, what MLflow and tracklog answer to it as (status, error code), and why. A code None is any."""

    endpoint: str
    fields: Any
    theirs: tuple[int, str | None]
    ours: tuple[int, str | None]
    why: str

    @property
    def call(self):
        """The call to make."""
        return Call(self.endpoint, self.fields)

    @staticmethod
    def beginnings():
        """The calls that make what cases are about, each with names of what those before it made."""
        run = {"experiment_id": "<experiment>", "start_time": 1}
        return [
            Call("POST experiments/create", {"name": f"{SALT}one-sided"}, makes="experiment"),
            Call("POST runs/create", run, makes="run"),
            Call("POST logged-models", {"experiment_id": "<experiment>", "name": "m"}, makes="model"),
        ]


_RUN = {"run_id": "<run>"}
CASES = [
    OneSided("POST experiments/create", {"name": "a\0b"}, OK, REFUSED, NUL),
    OneSided("POST runs/create", {"experiment_id": "<experiment>", "run_name": "a\0b"}, OK, REFUSED, NUL),
    OneSided("POST runs/log-parameter", {**_RUN, "key": "p", "value": "a\0b"}, OK, REFUSED, NUL),
    OneSided("POST runs/set-tag", {**_RUN, "key": "t", "value": "a\0b"}, OK, REFUSED, NUL),
    OneSided("POST runs/log-batch", {**_RUN, "tags": [{"key": "t", "value": "\0"}]}, OK, REFUSED, NUL),
    OneSided("POST runs/set-tag", {**_RUN, "key": "t", "value": "\ud800"}, OK, REFUSED, SURROGATE),
    OneSided("POST runs/log-parameter", {**_RUN, "key": "s", "value": "\udfff"}, OK, REFUSED, SURROGATE),
    *(
        OneSided(
            "POST runs/search", {"experiment_ids": ["<experiment>"], "filter": text}, REFUSED, OK, EXTENSION
        )
        for text in (
            "metrics.m = 1 OR params.p = 'a'", "(metrics.m = 1)", "NOT metrics.m = 1",
            "(NOT status = 'x' OR status = 'y')",
        )
    ),
    *(
        OneSided("POST experiments/search", {"max_results": 5, "filter": text}, REFUSED, OK, EXTENSION)
        for text in ("name = 'a' OR name = 'b'", "NOT (name = 'a')")
    ),
    OneSided(
        "POST logged-models/search",
        {"experiment_ids": ["<experiment>"], "filter": "name = 'a' OR name = 'b'"},
        REFUSED,
        OK,
        EXTENSION,
    ),
    OneSided(
        "POST runs/update",
        {**_RUN, "run_name": "n" * 8001},
        OK,
        REFUSED,
        "A run's name is also its tag mlflow.runName, which holds no more than 8000 characters.",
    ),
    OneSided(
        "POST experiments/create",
        {"name": "a relative location", "artifact_location": "a/../b"},
        OK,
        OK,
        "MLflow makes it a path on its own disk; tracklog keeps what was given, for the client to resolve.",
    ),
    OneSided(
        "GET metrics/get-history-bulk",
        {**_RUN, "metric_key": "m"},
        (404, None),
        OK,
        "MLflow serves this one under /ajax-api alone; tracklog serves everything under both.",
    ),
]  # fmt: skip


def named(value, experiment="", run="", model=""):
    """The fields of a case with the names of one experiment, run and model in them."""
    if isinstance(value, str):
        for kind, name in (("<experiment>", experiment), ("<run>", run), ("<model>", model)):
            value = value.replace(kind, name)
        return value
    if isinstance(value, list):
        return [named(item, experiment, run, model) for item in value]
    if isinstance(value, dict):
        return {key: named(item, experiment, run, model) for key, item in value.items()}
    return value
