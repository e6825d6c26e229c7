"""Calls on experiments."""

from tests.conformance.differential.names import SALT, SALT_CHARS
from tests.conformance.differential.searching import BAD_FILTERS, BAD_ORDERS, comparison, order_entry
from tests.conformance.differential.values import (
    BAD_KEYS,
    BAD_SIZES,
    BAD_TEXTS,
    KEYS,
    LONG_TEXTS,
    RUN_NAMES,
    SIZES,
    TEXTS,
    VIEWS,
)

LOCATIONS = [
    "", "file:///nowhere/a", "s3://bucket/path", "s3://bucket/p?x=1", "s3://bucket/p#f", "runs:/a/b",
    "x" * 2049, "s3://" + "x" * 2043, "/nowhere/a",
    "s3://b/p?q=../x", "mlflow-artifacts:/own", "dbfs:/x", 5,
]  # fmt: skip
BAD_TAGS = ["x", 5, {}, [5], [{}], [{"key": ""}], [{"value": "x"}], [{"key": "#"}], [{"key": 5}]]
BAD_NAMES = ["", "x" * 501, 5, None, [], {}, True]
EXPERIMENT_NAME_CHARS_MAX = 500


def create(world):
    """experiments/create: new, taken, refused and longest names."""
    number = world.number()
    longest = f"{SALT}{'x' * (EXPERIMENT_NAME_CHARS_MAX - SALT_CHARS - len(str(number)))}{number}"
    name = world.pick(
        *[f"{SALT}e{number}"] * 6, f"{SALT}E{number} é", longest, f"{SALT}שלום 💥 {number}", "Default", " "
    )
    if world.made["experiment"] and world.chance(0.1):
        name = f"{SALT}scrap"
    fields = {"name": name}
    # One mistake at a time: which is named first is each server's own affair.
    bad = world.chance(0.15)
    if bad:
        fields["name"] = world.deal("bad experiment name", BAD_NAMES)
    if world.chance(0.4):
        fields["tags"] = [
            {"key": world.deal("key", KEYS), "value": world.deal("text", TEXTS)}
            for _ in range(world.pick(1, 2, 3))
        ]
    if not bad and world.chance(0.25):
        fields["artifact_location"] = world.deal("location", LOCATIONS)
    if world.chance(0.05):
        fields["tags"] = world.deal("bad tags", BAD_TAGS)
    world.send("POST experiments/create", fields, makes="experiment")


def get(world):
    """experiments/get."""
    world.send("GET experiments/get", {"experiment_id": world.some("experiment")})


def get_by_name(world):
    """experiments/get-by-name."""
    latest = world.number()
    number = world.random.randrange(max(1, latest - 20), latest + 1)
    name = world.pick(
        f"{SALT}e{number}",
        f"{SALT}scrap",
        f"{SALT}SCRAP",
        "Default",
        "default",
        "",
        f"{SALT}E{number} é",
        f"{SALT}שלום 💥 {number}",
        "nope",
    )
    world.send("GET experiments/get-by-name", {"experiment_name": name})


def update(world):
    """experiments/update."""
    name = world.pick(
        f"{SALT}e{world.number()}",
        f"{SALT}e{world.number()}",
        "Default",
        f"{SALT}scrap",
        "x" * 501,
        "",
        " ",
        f"{SALT}renamed {world.number()}",
        5,
        None,
    )
    world.send("POST experiments/update", {"experiment_id": world.some("experiment"), "new_name": name})


def delete(world):
    """experiments/delete, half the time followed by calls on what is deleted, and its restoring."""
    experiment = {"experiment_id": world.some("experiment")}
    world.send("POST experiments/delete", experiment)
    if world.chance(0.3):
        return
    for _ in range(world.pick(0, 1, 2)):
        world.pick(set_tag, delete_tag, update, get)(world)
        fields = {**experiment, "start_time": 10 + world.number(), "run_name": world.pick(*RUN_NAMES)}
        world.send("POST runs/create", fields, makes="run")
    world.send("POST experiments/restore", experiment)


def restore(world):
    """experiments/restore."""
    world.send("POST experiments/restore", {"experiment_id": world.some("experiment")})


def set_tag(world):
    """experiments/set-experiment-tag."""
    key, value = world.deal("key", KEYS), world.deal("text", TEXTS)
    if world.chance(0.1):
        value = world.deal("long text", LONG_TEXTS)
    if world.chance(0.1):
        key = world.deal("bad key", BAD_KEYS)
    if world.chance(0.05):
        value = world.deal("bad text", BAD_TEXTS)
    world.send(
        "POST experiments/set-experiment-tag",
        {"experiment_id": world.some("experiment"), "key": key, "value": value},
    )


def delete_tag(world):
    """experiments/delete-experiment-tag."""
    key = world.deal("bad key", BAD_KEYS) if world.chance(0.1) else world.deal("key", KEYS)
    world.send(
        "POST experiments/delete-experiment-tag", {"experiment_id": world.some("experiment"), "key": key}
    )


def search(world):
    """experiments/search, by both methods, to the last page."""
    fields, covers = {"max_results": world.pick(3, 5, 1000)}, set()
    # Mostly of this round only: the servers keep those of all rounds.
    parts = [f"name LIKE '{SALT}%'"] if world.chance(0.9) else []
    if not parts:
        fields["max_results"] = 1000
    if world.chance(0.7):
        for _ in range(world.pick(1, 1, 2)):
            text, covered = comparison(world.random, world.decks, "experiments", world.known)
            parts.insert(world.pick(0, len(parts)), text)
            covers.add(covered)
    if parts:
        fields["filter"] = world.pick(" AND ", " and ").join(parts)
    if world.chance(0.5):
        identifier, ascends, covered = order_entry(world.random, world.decks, "experiments")
        fields["order_by"] = [f"{identifier} {'ASC' if ascends else 'DESC'}"]
        covers.add(covered)
    if world.chance(0.6):
        fields["view_type"] = world.pick(*VIEWS)
    method = world.pick("POST", "GET")
    world.pages(f"{method} experiments/search", fields, covers=frozenset(covers))


def search_badly(world):
    """experiments/search with one thing wrong."""
    fields = {"max_results": 5}
    match world.pick("filter", "order_by", "max_results", "page_token", "view_type", "absent"):
        case "filter":
            fields["filter"] = world.deal("bad experiments filter", BAD_FILTERS["experiments"])
        case "order_by":
            fields["order_by"] = [world.deal("bad experiments order", BAD_ORDERS["experiments"])]
        case "max_results":
            fields["max_results"] = world.deal("bad experiments size", [*BAD_SIZES, *SIZES])
        case "page_token":
            fields["page_token"] = world.pick("zzz", "%%%", "e30=", "", 5, world.other_page())
        case "view_type":
            fields["view_type"] = world.pick("NOPE", 2, "2", 7, [])
        case "absent":
            del fields["max_results"]
    world.send("POST experiments/search", fields)
