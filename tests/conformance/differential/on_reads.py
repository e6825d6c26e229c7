"""Calls that read runs and their metrics."""

from tests.conformance.differential import values as v
from tests.conformance.differential.searching import (
    BAD_FILTERS,
    BAD_ORDERS,
    INCOMPARABLE_ORDERS,
    NULLS,
    NUMERIC,
    comparison,
    order_entry,
)

INTERVALS = [
    (None, None),
    (0, 2),
    (-1, 3),
    (5, 1),
    (0, None),
    (None, 3),
    ("0", "2"),
    (0, 2**31 - 1),
    ("x", 1),
    (0.5, 2),
]


# Texts that a pattern tells apart: by case, also beyond ASCII, by wildcards, and by what is none.
TOLD_APART = {
    "abc": ("abc", "aBc"), "A%": ("abc", "Abc"), "%B": ("aXb", "aXB"), "a_b": ("a_b", "aXXb"),
    "%\\%": ("a\\b", "100%"), "a\\b": ("a\\b", "ab"), "100%": ("100%", "100"), "aBc": ("aBc", "abc"),
    "ünïC%": ("Ünïcode", "ÜNÏCODE"),
}  # fmt: skip
# Terms that every run meets: of a tag, which an index finds, and of the run itself.
EVERY_TAG, EVERY_RUN = " AND tags.`mlflow.runName` LIKE '%'", " AND run_name LIKE '%'"


def get(world):
    """runs/get."""
    world.send("GET runs/get", {world.pick("run_id", "run_id", "run_uuid"): world.some("run")})


def search(world):
    """runs/search, to the last page."""
    made = world.made["experiment"]
    count = 1 if world.chance(0.4) else world.random.randint(1, len(made))
    fields = {"experiment_ids": world.random.sample(made, count)}
    covers, unordered = set(), False
    if world.chance(0.8):
        parts = [
            comparison(world.random, world.decks, "runs", world.known)
            for _ in range(world.pick(1, 1, 1, 2, 3))
        ]
        fields["filter"] = world.pick(" AND ", " and ", "  AND\n ").join(text for text, _ in parts)
        covers |= {covered for _, covered in parts}
    if world.chance(0.6):
        fields["order_by"], order_covers, unordered = _order(world)
        covers |= order_covers
    if world.chance(0.6):
        fields["run_view_type"] = world.pick(*v.VIEWS)
    if not unordered and world.chance(0.8):
        fields["max_results"] = world.pick(3, 5, 7, 1000, "4")
    world.pages("POST runs/search", fields, covers=frozenset(covers), unordered=unordered)


def _order(world):
    entries, covers, unordered = [], set(), False
    for _ in range(world.pick(1, 1, 2)):
        identifier, ascends, covered = order_entry(world.random, world.decks, "runs")
        if any(entry.split()[0] == identifier for entry in entries):
            continue
        entries.append(
            identifier + (world.pick(" ASC", "", " asc") if ascends else world.pick(" DESC", " desc"))
        )
        covers.add(covered)
        unordered = unordered or identifier in INCOMPARABLE_ORDERS
    return entries, covers, unordered


def probe(world):
    """Values logged under a key of their own, and searches for just these: by comparison, and in order."""
    kind = world.pick("metric", "param", "tag")
    key = f"probe{world.number()}"
    home = world.homes[world.known("run")]
    neighbours = [run for run in world.made["run"] if world.homes[run] == home]
    near = len(neighbours) > 1 and world.chance(0.6)
    among = neighbours if near else world.made["run"]
    runs = world.random.sample(among, min(3, len(among)))
    operator, value, values = _probed(world, kind)
    for run in runs:
        _log(world, kind, run, key, world.pick(*values))
    experiments = {"experiment_ids": [world.homes[run] for run in runs], "run_view_type": "ALL"}
    covers = frozenset({f"runs filter {kind} {operator}"})
    # Another term makes it another statement.
    beside = world.pick("", EVERY_TAG, EVERY_TAG if operator in NULLS else EVERY_RUN)
    fields = {**experiments, "filter": f"{kind}s.{key} {operator}{value}{beside}"}
    world.send("POST runs/search", fields, covers=covers)
    way = world.pick("ASC", "DESC")
    # Of one experiment's active runs or of more: each is another statement.
    one = {"experiment_ids": [home], "run_view_type": "ACTIVE_ONLY"} if near else {}
    fields = {**experiments, **one, "order_by": [f"{kind}s.{key} {way}"], "max_results": world.pick(1, 2, 9)}
    world.pages("POST runs/search", fields, covers=frozenset({f"runs order {kind}s {way}"}))


def _log(world, kind, run, key, value):
    if kind == "metric":
        fields = {"run_id": run, "key": key, "value": value, "timestamp": 1}
        world.send("POST runs/log-metric", fields)
    else:
        endpoint = {"param": "POST runs/log-parameter", "tag": "POST runs/set-tag"}[kind]
        world.send(endpoint, {"run_id": run, "key": key, "value": value})


def _probed(world, kind):
    """An operator, what stands behind it, and values of which it should find some."""
    if kind == "metric":
        values = ("NaN", "NaN", *v.INFINITIES, -0.0, 0, 1, -1.5, 1e308)
        return world.deal("probe metric", NUMERIC), " " + world.pick("0", "-2", "1", "1e308"), values
    asked = [(operator, pattern) for operator in ("LIKE", "ILIKE") for pattern in TOLD_APART]
    asked += [("=", "abc"), ("=", "a\\b"), ("!=", "aBc"), ("!=", "100%")]
    operator, pattern = world.deal("probe text", [*asked, *((operator, "") for operator in NULLS * 3)])
    texts = TOLD_APART.get(pattern) or v.COMMON_TEXTS
    return operator, f" '{pattern}'" if pattern else "", texts


def search_badly(world):
    """runs/search with one thing wrong, or odd."""
    fields = {"experiment_ids": world.made["experiment"][:2], "max_results": 5}
    match world.pick(
        "filter",
        "filter",
        "filter",
        "order_by",
        "order_by",
        "max_results",
        "page_token",
        "run_view_type",
        "experiment_ids",
    ):
        case "filter":
            fields["filter"] = world.deal("bad runs filter", [*BAD_FILTERS["runs"], 5, [], None])
        case "order_by":
            bad = [[entry] for entry in BAD_ORDERS["runs"]]
            fields["order_by"] = world.deal("bad runs order", [*bad, "metrics.m", {}])
        case "max_results":
            fields["max_results"] = world.deal("bad runs size", [*v.BAD_SIZES, *v.SIZES])
        case "page_token":
            fields["page_token"] = world.pick("zzz", "%%%", "e30=", "", 5, "é", world.other_page())
        case "run_view_type":
            fields["run_view_type"] = world.pick("NOPE", 2, "2", 7, [], "active_only")
        case "experiment_ids":
            fields["experiment_ids"] = world.pick([], ["999999"], "x", [5], {}, None, ["abc"], [""])
    world.send("POST runs/search", fields)


def get_history(world):
    """metrics/get-history, to the last page."""
    fields = {world.pick("run_id", "run_id", "run_uuid"): world.some("run"), "metric_key": _key(world)}
    if world.chance(0.7):
        fields["max_results"] = world.pick(1, 2, 5, 25000, 400)
    if world.chance(0.1):
        field, values = world.pick(
            ("max_results", [0, -1, "x", 2**31]), ("metric_key", [""]), ("page_token", ["zzz", ""])
        )
        fields[field] = world.pick(*values)
    if fields.get("max_results") in (1, 2) and fields["metric_key"] == "series":
        fields["max_results"] = 300
    world.pages("GET metrics/get-history", fields)


def get_history_bulk(world):
    """metrics/get-history-bulk; of several runs only whole, since they are ordered by their ids."""
    fields = {"run_id": [world.some("run") for _ in range(world.pick(1, 1, 2, 3))], "metric_key": _key(world)}
    several = len(fields["run_id"]) > 1
    if world.chance(0.6):
        fields["max_results"] = world.pick(25000, 25001, -1, *(() if several else (0, 1, 2, "x")))
    if fields.get("max_results") == -1:
        fields["metric_key"] = world.pick(*v.COMMON_KEYS)
    if world.chance(0.1):
        fields["run_id"] = world.pick([], ["0" * 32] * 100, ["0" * 32] * 101)
    if world.chance(0.05):
        del fields["metric_key"]
    world.send("GET metrics/get-history-bulk", fields, base="/ajax-api", unordered=several)


def get_history_bulk_interval(world):
    """metrics/get-history-bulk-interval."""
    start, end = world.deal("interval", INTERVALS)
    runs = [world.some("run") for _ in range(world.pick(1, 1, 2, 3))]
    fields = {"run_ids": runs, "metric_key": _key(world)}
    fields |= {name: step for name, step in (("start_step", start), ("end_step", end)) if step is not None}
    if world.chance(0.7):
        fields["max_results"] = world.pick(1, 2, 3, 5, 2500, 2501, 0, -1, "x")
    if world.chance(0.1):
        fields["run_ids"] = world.pick([], ["0" * 32] * 100, ["0" * 32] * 101)
    world.send("GET metrics/get-history-bulk-interval", fields, unordered=len(runs) > 1)


def _key(world):
    return world.pick("series", "nope") if world.chance(0.3) else world.deal("history key", v.KEYS)
