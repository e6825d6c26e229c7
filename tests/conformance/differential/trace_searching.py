"""What can stand in a filter or an order of the search of traces, and much that cannot."""

from tests.conformance.differential.terms import LISTS, NULLS, NUMERIC, TEXT, Term
from tests.conformance.differential.trace_values import NEW_YEAR_MS, NOON_MS
from tests.conformance.differential.values import PATTERNS

MATCHES = (*TEXT, "RLIKE")
ORDERED = (">", ">=", "<", "<=")
TIMES = (*(str(NEW_YEAR_MS + ms) for ms in (0, 1, 12, 500)), str(NOON_MS), "0", "-1")
DURATIONS = ("0", "5", "1500", "2000", "-1", "1e3", "1499.5")
SAID = ("yes", "aBc", "1", "0.5", "true", "True", "%", "a%", "null", "[1]", "y")
_NAMES = ("f", "g", "F", "f%", "a_b", "^f$", "é")
TRACES = [
    Term("request_id", ("request_id", "attributes.request_id", "trace.request_id"), MATCHES + LISTS,
         ("<trace>", "tr-nope", "%", "^nope")),
    Term("status", ("status", "attribute.status", "trace.status"), MATCHES + LISTS,
         ("OK", "ERROR", "IN_PROGRESS", "ok", "O%", "^O")),
    Term("client_request_id", ("client_request_id",), MATCHES + LISTS, ("c1", "C1", "c%", "c[12]", "")),
    Term("timestamp", ("timestamp", "timestamp_ms", "attributes.timestamp_ms"), NUMERIC, TIMES),
    Term("execution_time", ("execution_time", "execution_time_ms"), NUMERIC, DURATIONS),
    Term("end_time", ("end_time", "trace.end_time_ms"), NUMERIC, TIMES),
    Term("name", ("name", "trace.name", "tags.`mlflow.traceName`"), MATCHES, _NAMES),
    Term("run_id", ("run_id", "attributes.run_id", "metadata.`mlflow.sourceRun`"), MATCHES,
         ("<run>", "nope", "%")),
    Term("tag", ("tags.", "tag."), TEXT + NULLS, tuple(PATTERNS)),
    Term("metadata", ("metadata.", "request_metadata."), TEXT + NULLS, tuple(PATTERNS)),
    Term("text", ("text", "trace.text"), ("LIKE", "ILIKE"), ("%hello%", "%HELLO%", "%é%", "nope")),
    Term("span.name", ("span.name",), MATCHES + LISTS, ("step", "Step", "s%", "^s", "a_b")),
    Term("span.type", ("span.type",), MATCHES + LISTS, ("LLM", "CHAIN", "llm", "UNKNOWN", "L%")),
    Term("span.status", ("span.status",), MATCHES + LISTS, ("OK", "ERROR", "UNSET", "E%")),
    Term("span.content", ("span.content",), ("LIKE", "ILIKE"), ("%hello%", "%gpt%", "%LLM%", "%step%")),
    Term("span attribute", ("span.attributes.model", "span.attributes.text", "span.attributes.n"), MATCHES,
         ("gpt", "%gpt%", "GPT", "g.*", "^gpt$", "5", "nope")),
    Term("feedback", ("feedback.good", "feedback.q", "feedback.Good", "feedback.`x y`"), MATCHES + NULLS,
         SAID),
    Term("expectation", ("expectation.good", "expectation.q"), MATCHES + NULLS, SAID),
    Term("feedback number", ("feedback.good", "feedback.q"), ORDERED, ("0", "0.5", "1", "-3")),
    Term("expectation number", ("expectation.good", "expectation.q"), ORDERED, ("0", "0.5", "1")),
]  # fmt: skip
ORDERS = (
    "timestamp", "timestamp_ms", "execution_time", "execution_time_ms", "end_time", "status", "request_id",
    "name", "run_id", "experiment_id", "tags.", "metadata.",
)  # fmt: skip
BAD_FILTERS = [
    "status", "status = OK", "status = 1", "status > 'OK'", "status IS NULL", "foo = 'x'", "foo.bar = 'x'",
    "timestamp = 'x'", "timestamp LIKE '1'", "timestamp IN (1)", "execution_time = 'x'", "tags.t > 'a'",
    "tags.t = 1", "tags.t IN ('a')", "metadata.m > 'a'", "metadata.m = 1", "span.foo = 'x'", "span.name = 1",
    "span.attributes. = 'x'", "span.name > 'x'", "span.content = 'x'", "span.content RLIKE 'x'", "text = 'x'",
    "feedback.good > 'x'", "feedback.good = 1", "feedback.good IN ('a')", "issue.id LIKE 'x'",
    "issue.foo = 'x'", "issue.id = 'x'", "prompt = 'x'", "prompt LIKE 'a/1'", "prompt = 'a/1'",
    "name RLIKE '['", "status RLIKE '('", "name IN ('f')", "run_id IN ('x')", "status IN ()",
    "status IN (1)", "metrics.m = 1", "params.p = 'a'", "   ", "AND", "status = 'OK' AND",
    "request_id = 'x", "trace.foo = 'x'", "span.name IS NULL", "attributes.text = 'x'",
]  # fmt: skip
BAD_ORDERS = [
    "foo", "", " ", "timestamp FOO", "span.name", "feedback.good", "text", "prompt", "client_request_id",
    "tags", "timestamp ASC DESC", "metrics.m", "trace.foo", 5,
]  # fmt: skip
