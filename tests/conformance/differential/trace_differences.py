"""Where tracklog answers otherwise than MLflow on purpose about traces (`differences.py` has all else)."""

import re

from tests.conformance.differential.row import Row


def _of_traces(call):
    return "trace" in call.endpoint


def _searches(call):
    return call.endpoint in ("POST traces/search", "GET traces")


def _without(outcome, *names):
    return {name: value for name, value in outcome.body.items() if name not in names}


ROWS = [
    Row(
        "words about traces",
        "MLflow words the same mistake about a trace in several ways, with its lexer's tokens or its "
        "database's text; no client reads them.",
        lambda call, theirs, ours: _of_traces(call) and theirs == ours and ours.status != 200,
    ),
    Row(
        "errors of OTLP",
        "MLflow answers {\"detail\"} with 400 or 422, or 500; tracklog MLflow's JSON error with 400 or 404.",
        lambda call, theirs, ours: (
            call.otlp and theirs.status in (400, 404, 422, 500) and ours.status in (400, 404)
        ),
    ),
    Row(
        "an empty answer in OTLP's JSON",
        "MLflow answers JSON with protobuf's empty body, which is no JSON.",
        lambda call, theirs, ours: call.otlp and (theirs.body, ours.body) == ("", {}),
    ),
    Row(
        "spans of no experiment",
        "MLflow takes an empty header for an experiment's id.",
        lambda call, theirs, ours: (
            call.otlp and call.fields["experiment"] == "" and (theirs.status, ours.status) == (200, 400)
        ),
    ),
    Row(
        "a link to an unknown run",
        "MLflow stores it, where nobody can read it; tracklog says that there is no such run.",
        lambda call, theirs, ours: (
            call.endpoint == "POST traces/link-to-run" and (theirs.status, ours.status) == (200, 404)
        ),
    ),
    Row(
        "half-read traces",
        "MLflow stops reading at a malformed time, duration or other value and keeps what came before.",
        lambda call, theirs, ours: (
            _of_traces(call) and ours.status == 400 and ours.message.startswith("Invalid value")
        ),
    ),
    Row(
        "a second start's answer",
        "MLflow's answer to a second start lacks tags that it has stored.",
        lambda call, theirs, ours: (
            call.endpoint == "POST traces"
            and theirs.status == ours.status == 200
            and _info(theirs).get("tags", {}).items() <= _info(ours).get("tags", {}).items()
        ),
    ),
    Row(
        "a location of no type",
        "MLflow asks for the type beside the location, which tells it already.",
        lambda call, theirs, ours: theirs.message.startswith("Trace location type"),
    ),
    Row(
        "tags of no trace",
        "MLflow answers BAD_REQUEST with its database's message.",
        lambda call, theirs, ours: (
            call.endpoint == "PATCH traces/{trace_id}/tags"
            and theirs.error_code == "BAD_REQUEST"
            and ours.status in (400, 404)
        ),
    ),
    Row(
        "orders by end_time",
        "MLflow lists it among the orders and answers 500 to it.",
        lambda call, theirs, ours: (
            _searches(call)
            and (theirs.status, ours.status) == (500, 200)
            and "end_time" in str(call.fields.get("order_by"))
        ),
    ),
    Row(
        "`text` is a word",
        "MLflow's lexer takes it for a keyword and refuses what MLflow's own vocabulary has.",
        lambda call, theirs, ours: (
            _searches(call)
            and (theirs.status, ours.status) == (400, 200)
            and "text" in call.fields.get("filter", "")
        ),
    ),
    Row(
        "two mistakes",
        "MLflow looks for the trace or assessment first, tracklog reads the request first.",
        lambda call, theirs, ours: (
            _of_traces(call) and {theirs.status, ours.status} == {404, 400}
        ),
    ),
    Row(
        "traces that MLflow answers 500 to",
        "Its clients then retry for minutes; a request that cannot succeed is refused, and one that asks "
        "for traces without spans gets those that have some.",
        lambda call, theirs, ours: (
            _of_traces(call)
            and theirs.status == 500
            and (ours.status in (400, 404) or theirs.message == "Trace data not stored in tracking store")
        ),
    ),
    Row(
        "an end of no status",
        "MLflow answers 500 to the status that its protocol has for an unknown one.",
        lambda call, theirs, ours: (
            call.endpoint == "PATCH traces/{trace_id}"
            and (theirs.status, ours.status) == (500, 200)
            and theirs.message.endswith("is not a valid TraceState")
        ),
    ),
    Row(
        "the token of a last page",
        "MLflow gives one with every full page; tracklog only where there is more.",
        lambda call, theirs, ours: (
            _searches(call)
            and theirs.status == ours.status == 200
            and "next_page_token" in theirs.body
            and "next_page_token" not in ours.body
            and _without(theirs, "next_page_token") == ours.body
        ),
    ),
    Row(
        "keywords in lower case, of traces",
        "MLflow takes `like` and its kin in lower case for some parts of a trace and not for others.",
        lambda call, theirs, ours: (
            _searches(call)
            and (theirs.status, ours.status) == (400, 200)
            and re.search("[Cc]omparator '(like|ilike|rlike|in|not in|is null|is not null)'", theirs.message)
            is not None
        ),
    ),
    Row(
        "two things said at once",
        "MLflow takes an assessment's feedback and drops its expectation or issue.",
        lambda call, theirs, ours: (
            "assessments" in call.endpoint and _refused(theirs, ours, "Exactly one of ")
        ),
    ),
    Row(
        "texts of traces of any length",
        "MLflow on SQLite stores texts longer than its columns; on another database it answers with that "
        "database's message, as tracklog's indexes would.",
        lambda call, theirs, ours: (
            _of_traces(call)
            and (_refused(theirs, ours, "'.*' exceeds the maximum length") or _cut_preview(theirs, ours))
        ),
    ),
    Row(
        "deleting what nobody said",
        "MLflow answers that it has deleted an assessment of a trace that is not there.",
        lambda call, theirs, ours: (
            call.method == "DELETE"
            and "assessments" in call.endpoint
            and (theirs.status, ours.status) == (200, 404)
        ),
    ),
    Row(
        "overriding what nobody said",
        "MLflow makes an expectation that overrides an assessment that is not there.",
        lambda call, theirs, ours: (
            call.endpoint == "POST traces/{trace_id}/assessments"
            and (theirs.status, ours.status) == (200, 404)
        ),
    ),
    Row(
        "no spans to download",
        "MLflow calls this, and nothing else, NOT_FOUND.",
        lambda call, theirs, ours: (
            call.endpoint == "GET get-trace-artifact" and theirs.status == ours.status == 404
        ),
    ),
    Row(
        "a trace of no id",
        "MLflow makes one, which no path can name.",
        lambda call, theirs, ours: call.endpoint == "POST traces" and _refused(theirs, ours, "A trace needs"),
    ),
    Row(
        "a source of no id",
        "MLflow's answer lacks it, and its client calls it `default`, as tracklog does.",
        lambda call, theirs, ours: (
            call.endpoint == "POST traces/{trace_id}/assessments"
            and theirs.status == ours.status == 200
            and "source_id" not in theirs.body["assessment"]["source"]
            and ours.body["assessment"]["source"]["source_id"] == "default"
        ),
    ),
    Row(
        "a link made twice",
        "MLflow answers BAD_REQUEST with its database's message; a call that is sent twice is no error.",
        lambda call, theirs, ours: (
            call.endpoint == "POST traces/link-to-run"
            and (theirs.error_code, ours.status) == ("BAD_REQUEST", 200)
            and "UNIQUE constraint" in theirs.message
        ),
    ),
    Row(
        "text compared with a trace's number",
        "MLflow lets its database compare them, which finds nothing.",
        lambda call, theirs, ours: (
            _searches(call) and _refused(theirs, ours, "Expected a numeric value for ")
        ),
    ),
    Row(
        "broken regular expressions",
        "MLflow tells only when there is a text to compare, and then with 500.",
        lambda call, theirs, ours: (
            _searches(call)
            and theirs.status in (200, 500)
            and ours.message.startswith("Invalid regular expression")
        ),
    ),
]  # fmt: skip


def _refused(theirs, ours, message):
    return theirs.status == 200 and ours.status == 400 and re.match(message, ours.message) is not None


def _cut_preview(theirs, ours):
    return theirs.status == ours.status == 200 and len(_info(theirs).get("request_preview", "")) > 10_000


def _info(outcome):
    return outcome.body.get("trace", {}).get("trace_info", {})
