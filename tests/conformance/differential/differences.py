"""Where tracklog answers otherwise than MLflow on purpose: which calls, how the answers differ, and why."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.differential.call import Call, Outcome


@dataclass(frozen=True)
class Difference:
    """A purposeful difference; it holds for the calls and answers that `applies` accepts."""

    name: str
    why: str
    applies: Callable[[Call, Outcome, Outcome], bool]


_UNREADABLE = re.compile(
    r"Invalid value .* for parameter .*(Hint: Value was of type|It must lie between)", re.DOTALL
)
_NESTED_MISSING = re.compile(
    r"Missing value for required parameter '\w+\[\d+\]|Invalid value \S+ for parameter 'flavors'"
)


HALF_READ_FILTERS = frozenset(
    {
        "AND", "AND name = 'a'", "metrics.m = 1 metrics.n = 2", "metrics.m = 1 AND AND metrics.m = 1",
        "metrics. = 1",
        "name = 1", "name IN ()", "tags.t = 1", "params.p = abc",
    }
)  # fmt: skip


def _refused(theirs, ours, code="INVALID_PARAMETER_VALUE"):
    return theirs.status == 200 and ours.error_code == code


DIFFERENCES = [
    Difference(
        "error instead of a crash",
        "MLflow answers 500, often with its database's or Python's own message, and its clients then "
        "retry for minutes; a request that cannot succeed is refused with 400 or 404.",
        lambda call, theirs, ours: theirs.status == 500 and ours.status in (400, 404),
    ),
    Difference(
        "null for a list",
        "MLflow answers 500 to a list that is null; tracklog takes it for an absent one, as "
        "protobuf's JSON says.",
        lambda call, theirs, ours: (
            theirs.status == 500 and ours.status == 200 and None in call.fields.values()
        ),
    ),
    Difference(
        "pages of less than one model",
        "MLflow answers an empty page with a token to a max_results below 1.",
        lambda call, theirs, ours: (
            call.endpoint == "POST logged-models/search"
            and call.fields.get("max_results") in (0, -1)
            and theirs.status == 200
        ),
    ),
    Difference(
        "half-read bodies",
        "MLflow stops reading a body at the first value of a wrong type or size and acts on what came"
        " before; tracklog refuses the body.",
        lambda call, theirs, ours: (
            (_refused(theirs, ours) or theirs.error_code == "BAD_REQUEST")
            and _UNREADABLE.match(ours.message) is not None
        ),
    ),
    Difference(
        "nested fields that say nothing",
        "MLflow stores a dataset without source, an output without model or a model's record without "
        "flavors as empty; tracklog asks for them.",
        lambda call, theirs, ours: (
            (_refused(theirs, ours) or theirs.error_code == "BAD_REQUEST")
            and _NESTED_MISSING.match(ours.message) is not None
        ),
    ),
    Difference(
        "an upload's answer",
        "MLflow answers nothing at all to an artifact's PUT, tracklog an empty object; no client reads it.",
        lambda call, theirs, ours: call.method == "PUT" and (theirs.body, ours.body) == ("", {}),
    ),
    Difference(
        "tags of new runs and models",
        "MLflow does not look at the keys of the tags that a run or model is made with, or that a "
        "model gets, and its database fails at a doubled one; tracklog checks them as it does "
        "everywhere.",
        lambda call, theirs, ours: (
            call.endpoint in ("POST runs/create", "PATCH logged-models/{model_id}/tags", "POST logged-models")
            and (theirs.status, theirs.error_code) in ((200, ""), (400, "BAD_REQUEST"))
            and (
                (
                    ours.error_code == "INVALID_PARAMETER_VALUE"
                    and ("for parameter 'key'" in ours.message or "'key' exceeds" in ours.message)
                )
                or (theirs.error_code == "BAD_REQUEST" and ours.status == 200)
            )
        ),
    ),
    Difference(
        "a run without experiment",
        "MLflow answers BAD_REQUEST with its database's message.",
        lambda call, theirs, ours: (
            call.endpoint == "POST runs/create"
            and (theirs.error_code, ours.error_code) == ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
        ),
    ),
    Difference(
        "the status of logged models",
        "MLflow compares its status column, a number, with the text that is asked for; tracklog "
        "compares and orders by the names.",
        lambda call, theirs, ours: (
            call.endpoint == "POST logged-models/search"
            and theirs.status == ours.status == 200
            and any("models filter status" in name or "models order status" in name for name in call.covers)
        ),
    ),
    Difference(
        "writes to deleted models",
        "MLflow lets a deleted model be finalized and given tags and params, which nobody can then "
        "read; tracklog answers that there is none.",
        lambda call, theirs, ours: (
            "logged-models/{model_id}" in call.endpoint
            and call.method != "GET"
            and theirs.status == 200
            and ours.status == 404
        ),
    ),
    Difference(
        "keywords in lower case",
        "MLflow takes `like` and its kin in lower case in searches of runs, but not of experiments "
        "and models.",
        lambda call, theirs, ours: (
            call.endpoint.endswith(("experiments/search", "logged-models/search"))
            and theirs.error_code == "INVALID_PARAMETER_VALUE"
            and "Invalid comparator" in theirs.message
            and ours.status == 200
        ),
    ),
    Difference(
        "the same output again",
        "MLflow answers BAD_REQUEST with its database's message when a run gets an output that it "
        "has; as for inputs, a call that is sent twice is no error.",
        lambda call, theirs, ours: (
            call.endpoint == "POST runs/outputs" and theirs.error_code == "BAD_REQUEST" and ours.status == 200
        ),
    ),
    Difference(
        "artifacts outside the store",
        "MLflow looks for them on its own disk, where a client's path means nothing; tracklog says "
        "where they are.",
        lambda call, theirs, ours: (
            call.endpoint == "GET artifacts/list"
            and _refused(theirs, ours)
            and "are not in this server's store" in ours.message
        ),
    ),
    Difference(
        "half-read filters",
        "MLflow skips over parts of a filter that it does not understand, which finds what was not "
        "asked for.",
        lambda call, theirs, ours: (
            call.endpoint.endswith("/search")
            and _refused(theirs, ours)
            and call.fields.get("filter") in HALF_READ_FILTERS
        ),
    ),
    Difference(
        "a taken name",
        "MLflow answers BAD_REQUEST with its database's message when an experiment gets another's name.",
        lambda call, theirs, ours: (
            call.endpoint == "POST experiments/update"
            and (theirs.error_code, ours.error_code) == ("BAD_REQUEST", "RESOURCE_ALREADY_EXISTS")
        ),
    ),
]


def purpose_of(call, theirs, ours):
    """The name of the purposeful difference that explains these answers, None when there is none."""
    return next((item.name for item in DIFFERENCES if item.applies(call, theirs, ours)), None)
