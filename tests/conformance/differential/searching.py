"""Everything that can stand in a filter or an order of the four searches, and much that cannot."""

from tests.conformance.differential import trace_searching
from tests.conformance.differential.names import SALT
from tests.conformance.differential.terms import LISTS, NULLS, NUMERIC, TEXT, Term
from tests.conformance.differential.values import (
    COMMON_KEYS,
    COMMON_PATTERNS,
    CONTEXTS,
    KEYS,
    MODEL_NAMES,
    MODEL_TYPES,
    PATTERNS,
    RUN_NAMES,
    STATUSES,
    USERS,
)

NUMBERS = (
    "0",
    "1",
    "-1.5",
    "0.30000000000000004",
    "1e308",
    "5e-324",
    "3",
    "1e-3",
    "-0.0",
    "9007199254740993",
)
MADE = ("<run>", "<experiment>", "<model>", "<trace>")
RUN_TIMES = ("0", "5", "12", "-1", "9223372036854775807", "3.5", "1e1")
CLOCKS = ("0", "1", "9999999999999", "-5")


_KEYED = tuple(KEYS[:-1])
RUNS = [
    Term("metric", ("metrics.", "metric."), NUMERIC, NUMBERS),
    Term("param", ("params.", "param.", "parameter."), TEXT + NULLS, tuple(PATTERNS)),
    Term("tag", ("tags.", "tag."), TEXT + NULLS, tuple(PATTERNS)),
    Term("run_id", ("run_id", "attributes.run_id"), TEXT + LISTS, ("<run>", "nope", "%")),
    Term(
        "run_name",
        ("run_name", "attr.run_name", "`Run Name`", "run.`run name`"),
        TEXT,
        (*RUN_NAMES, "R%", "r_"),
    ),
    Term("status", ("status", "attribute.status"), TEXT, (*STATUSES, "running", "F%", "f%")),
    Term("user_id", ("user_id", "attributes.user_id"), TEXT, (*USERS, "A%")),
    Term("artifact_uri", ("artifact_uri", "run.artifact_uri"), TEXT, ("%", "%artifacts", "%ARTIFACTS", "x")),
    Term("start_time", ("start_time", "attributes.start_time"), NUMERIC, RUN_TIMES),
    Term("created", ("created", "Created", "attr.created"), NUMERIC, RUN_TIMES),
    Term("end_time", ("end_time", "attribute.end_time"), NUMERIC, RUN_TIMES),
    Term("dataset.name", ("dataset.name", "datasets.name"), TEXT + LISTS, ("d", "q", "D", "%", "Ünï")),
    Term("dataset.digest", ("dataset.digest", "datasets.digest"), TEXT + LISTS, ("x", "y", "X", "_")),
    Term("dataset.context", ("dataset.context", "datasets.context"), TEXT + LISTS, (*CONTEXTS, "t%")),
]
EXPERIMENTS = [
    Term(
        "name",
        ("name", "attribute.name"),
        TEXT,
        ("Default", "default", f"{SALT}e%", f"{SALT}E%", "%1", "%_%", f"{SALT}scrap", f"{SALT}SCRAP"),
    ),
    Term(
        "experiment_id", ("experiment_id", "attribute.experiment_id"), ("=", "!=", *LISTS), ("<experiment>",)
    ),
    Term("creation_time", ("creation_time", "attribute.creation_time"), NUMERIC, CLOCKS),
    Term("last_update_time", ("last_update_time",), NUMERIC, CLOCKS),
    Term("tag", ("tags.", "tag."), TEXT + NULLS, tuple(PATTERNS)),
]
MODELS = [
    Term("name", ("name", "attributes.name"), TEXT + LISTS, (*MODEL_NAMES, "A%", "a_%")),
    Term("model_id", ("model_id", "attributes.model_id"), TEXT + LISTS, ("<model>", "m-%", "nope")),
    Term("model_type", ("model_type", "attributes.model_type"), TEXT + LISTS, (*MODEL_TYPES[1:], "t%")),
    Term("status", ("status",), TEXT + LISTS, ("READY", "PENDING", "UPLOAD_FAILED", "LOGGED_MODEL_READY")),
    Term("source_run_id", ("source_run_id",), TEXT + LISTS, ("<run>", "nope", "%")),
    Term("experiment_id", ("experiment_id",), ("=", "!="), ("<experiment>",)),
    Term("creation_timestamp", ("creation_timestamp", "creation_time"), NUMERIC, CLOCKS),
    Term("last_updated_timestamp", ("last_updated_timestamp",), NUMERIC, CLOCKS),
    Term("metric", ("metrics.",), NUMERIC, NUMBERS),
    Term("param", ("params.",), TEXT, tuple(PATTERNS)),
    Term("tag", ("tags.",), TEXT, tuple(PATTERNS)),
]
TERMS = {"runs": RUNS, "experiments": EXPERIMENTS, "models": MODELS, "traces": trace_searching.TRACES}
ORDERS = {
    "runs": ("metrics.", "params.", "tags.", "status", "start_time", "end_time", "run_name", "user_id",
             "run_id",
             "artifact_uri", "created", "attributes.start_time"),
    "experiments": ("name", "experiment_id", "creation_time", "last_update_time"),
    "models": ("name", "model_id", "model_type", "status", "source_run_id", "creation_timestamp",
    "creation_time",
               "last_updated_timestamp", "experiment_id", "metrics."),
    "traces": trace_searching.ORDERS,
}  # fmt: skip
# By ids that the two servers choose themselves.
INCOMPARABLE_ORDERS = frozenset({"run_id", "artifact_uri", "model_id", "source_run_id"})
BAD_FILTERS = {
    "runs": [
        "metrics.m", "metrics.m = '1'", "metrics.m = NaN", "metrics.m LIKE '1'", "metrics.m IS NULL",
        "metrics.m == 1",
        "metrics.m IN (1)", "params.p = 1", "params.p > 'a'", "params.p RLIKE 'a'", "params.p NOT LIKE 'a'",
        "params.p = abc",
        "params.p IN ('a')", "tags.t IN ('a')", "tags.t >= 'a'", "tags.t = 5", "status IN ('RUNNING')",
        "run_name IN ('a')", "run_id IN ()", "run_id IN (1)", "run_id IN ('a', 1)", "run_id > 'a'",
        "end_time IS NULL",
        "start_time = '10'", "start_time LIKE '1'", "lifecycle_stage = 'active'", "foo = 'x'",
        "foo.bar = 'x'",
        "dataset.foo = 'x'", "dataset.name > 'x'", "dataset.name = 1", "dataset.name IS NULL", "   ", "AND",
        "1 = 1",
        "= 1", "metrics. = 1", "metrics.m = ", "metrics.m 1", "metrics.m = 1 AND AND metrics.m = 1",
        "'a' = 'a'",
        "metrics.m = 1;", "metrics.m = 1 -- x", "metrics.m = 1 metrics.n = 2", "metrics.m = 'a", "`",
        "params.`p = 'a'",
        "experiment_id = '1'", "metrics.m = 1,", "metrics.m = 0x10", "metrics.m = +1", "metrics.m = 1_000",
        "status != RUNNING",
    ],
    "experiments": [
        "name IN ('a')", "name > 'a'", "foo = 'x'", "attributes.name = 'x'", "metrics.m = 1",
        "params.p = 'a'", "name = 1",
        "creation_time = 'a'", "creation_time LIKE '1'", "lifecycle_stage = 'active'", "experiment_id IN (8)",
        "experiment_id IN ()", "experiment_id = 1", "tags.t > 'a'", "tags.t = 1", "tags.t IN ('a')",
        "name IS NULL", "name", "   ",
        "name = 'a' AND", "AND name = 'a'", "tags.t RLIKE 'a'", "last_update_time IN ('1')", "name == 'a'",
    ],
    "models": [
        "name IS NULL", "metrics.m = 'a'", "params.p > 'a'", "tags.t = 1", "name = 1", "name > 'a'",
        "creation_timestamp = 'a'", "creation_timestamp LIKE '1'", "foo.bar = 'x'", "name", "name RLIKE 'a'",
        "metrics.m IN ('a')", "params.p = abc", "name IN ()",
    ],
    "traces": trace_searching.BAD_FILTERS,
}  # fmt: skip
BAD_ORDERS = {
    "runs": ["foo", "metrics.m FOO", "", " ", "dataset.name", "lifecycle_stage", "metrics",
             "metrics.m ASC DESC", "foo.bar",
             "metrics.m,params.p", "run id", "1", "'a'", "metrics.m ASC, status", 5],
    "experiments": ["foo", "tags.x", "name FOO", "", "metrics.m", "attributes.name", "name ASC DESC", 5],
    "models": ["foo", "params.p", "", "tags.t", "metrics"],
    "traces": trace_searching.BAD_ORDERS,
}  # fmt: skip


def key_of(random, decks):
    """A key as filters must write it: in back-ticks, unless it is plain."""
    # Few keys often, so that searches find some of what was logged.
    key = random.choice(COMMON_KEYS) if random.random() < 0.5 else decks.deal("filter key", _KEYED)
    plain = key.isascii() and key.isalnum()
    return key if plain and random.random() < 0.5 else f"`{key}`"


def comparison(random, decks, search, pick):
    """A valid comparison, and what it covers. `pick(kind)` names something that was made."""
    term, operator = decks.deal(
        f"{search} filter", [pair for term in TERMS[search] for pair in term.comparisons()]
    )
    left = decks.deal(f"{search} {term.name}", term.spellings)
    left += key_of(random, decks) if left.endswith(".") else ""
    shown = operator if random.random() < 0.8 else operator.lower()
    covered = f"{search} filter {term.name} {operator}"
    if operator in NULLS:
        return f"{left} {shown}", covered
    values = [_value(random, decks, search, term) for _ in range(random.randint(1, 3))]
    values = [pick(value[1:-1]) if value in MADE else value for value in values]
    if operator in LISTS:
        return f"{left} {shown} ({', '.join(map(_quoted, values))})", covered
    is_number = ">" in term.operators
    space = "" if not operator.isalpha() and random.random() < 0.2 else " "
    return f"{left}{space}{shown}{space}{values[0] if is_number else _quoted(values[0])}", covered


def _value(random, decks, search, term):
    if term.values == tuple(PATTERNS) and random.random() < 0.5:
        return random.choice(COMMON_PATTERNS)
    return decks.deal(f"{search} {term.name} values", term.values)


def order_entry(random, decks, search):
    """A valid order_by identifier, whether it ascends, and what it covers."""
    entry, ascends = decks.deal(
        f"{search} order", [(entry, ascends) for entry in ORDERS[search] for ascends in (True, False)]
    )
    identifier = entry + (key_of(random, decks) if entry.endswith(".") else "")
    return identifier, ascends, f"{search} order {entry.rstrip('.')} {'ASC' if ascends else 'DESC'}"


def covered_by_searches():
    """Every name that `comparison` and `order_entry` may give."""
    filters = {
        f"{search} filter {term.name} {operator}"
        for search, terms in TERMS.items()
        for term in terms
        for operator in term.operators
    }
    orders = {
        f"{search} order {entry.rstrip('.')} {way}"
        for search, entries in ORDERS.items()
        for entry in entries
        for way in ("ASC", "DESC")
    }
    return filters | orders


def _quoted(text):
    return f'"{text}"' if "'" in text else f"'{text}'"
