"""Calls that begin, end, tag, link, read, find and delete traces, of version 3 and 2."""

from tests.conformance.differential import trace_values as t
from tests.conformance.differential import values as v
from tests.conformance.differential.names import SALT, new_trace_id, quoted
from tests.conformance.differential.on_assessments import document
from tests.conformance.differential.searching import BAD_FILTERS, BAD_ORDERS, comparison, order_entry

TRACES = "/3.0/mlflow/traces"
TRACES_2 = "/2.0/mlflow/traces"


def start(world):
    """POST traces of version 3: a new trace, one that is there, or one with something wrong."""
    again = world.chance(0.15)
    trace = world.known("trace") if again else new_trace_id(world.number())
    if again and not trace.startswith("tr-"):
        return
    info = _info(world, trace, world.homes.get(trace) or world.known("experiment"))
    if world.chance(0.2):
        field, value = world.deal("bad trace", t.BAD_INFOS)
        info |= {"trace_id": new_trace_id(world.number()), **_located(world.scrap["experiment"])}
        _send(world, "POST", "", {"trace": {"trace_info": info | {field: value}}})
    elif world.chance(0.05):
        body = world.deal("bad trace body", t.BAD_STARTS)
        _send(world, "POST", "", body)
    elif world.chance(0.04):
        _send(world, "POST", "", {"trace": {"trace_info": info | _located(world.some("experiment"))}})
        _send(world, "POST", "/delete-traces", _deletion(world, [trace]))
    elif _send(world, "POST", "", {"trace": {"trace_info": info}}) and not again:
        _made(world, trace, info["trace_location"]["mlflow_experiment"]["experiment_id"])


def _deletion(world, traces):
    return {"experiment_id": world.scrap["experiment"], "request_ids": traces}


def _made(world, trace, experiment):
    world.made["trace"].append(trace)
    world.homes[trace] = experiment


def _located(experiment):
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    return {"trace_location": place}


def _info(world, trace, experiment):
    info = {
        "trace_id": trace,
        **_located(experiment),
        "request_time": f"2020-01-01T00:00:00.{world.pick(0, 1, 5, 12, 500):03}Z",
        "state": world.pick(*t.STATES),
    }
    if world.chance(0.7):
        info["execution_duration"] = world.deal("duration", t.DURATIONS)
    if world.chance(0.3):
        info["client_request_id"] = world.deal("client request", t.CLIENT_REQUESTS)
    for name in ("request_preview", "response_preview"):
        if world.chance(0.3):
            info[name] = world.deal(name, t.PREVIEWS)
    info["tags"] = _texts(world, t.TAGS, "trace tag")
    info["trace_metadata"] = _texts(world, t.METADATA, "trace metadata")
    if world.chance(0.3):
        info["trace_metadata"]["mlflow.sourceRun"] = world.known("run")
    if world.chance(0.3):
        items = [document(world) for _ in range(world.pick(1, 2))]
        info["assessments"] = [
            {**item, "assessment_id": f"a-{SALT}{world.number()}", "trace_id": trace} for item in items
        ]
    return info


def _texts(world, keys, deck):
    some = {key: world.deal("text", v.TEXTS) for key in world.random.sample(v.KEYS, world.pick(0, 1, 2))}
    if world.chance(0.6):
        key, value = world.deal(deck, keys)
        some[key] = value
    return some


def start_v2(world):
    """POST traces of version 2, whose id is the server's own, and its end."""
    fields = {"experiment_id": world.known("experiment"), "timestamp_ms": t.NOON_MS + world.number()}
    fields["request_metadata"] = _pairs(_texts(world, t.METADATA, "trace metadata"))
    fields["tags"] = _pairs(_texts(world, t.TAGS, "trace tag"))
    if world.chance(0.25):
        field, value = world.deal("bad start", t.BAD_STARTS_2)
        fields |= {"experiment_id": world.scrap["experiment"]} | {field: value}
        _send(world, "POST", "", fields, version=2)
        return
    _send(world, "POST", "", fields, version=2, makes="trace")


def end_v2(world):
    """PATCH traces/{trace_id} of version 2."""
    trace = world.some("trace")
    fields = {"timestamp_ms": t.NOON_MS + world.pick(5000, 0, 99), "status": world.pick(*t.STATES_2)}
    if world.chance(0.5):
        fields["request_metadata"] = _pairs(_texts(world, t.METADATA, "trace metadata"))
        fields["tags"] = _pairs(_texts(world, t.TAGS, "trace tag"))
    if world.chance(0.2):
        trace = world.new_scrap_trace()
        field, value = world.deal("bad end", t.BAD_ENDS)
        fields[field] = value
    _of_trace(world, "PATCH", "", trace, fields, version=2)


def _pairs(items):
    return [{"key": key, "value": value} for key, value in items.items()]


def set_tag(world):
    """PATCH traces/{trace_id}/tags."""
    trace = world.some("trace")
    fields = {"key": world.deal("key", v.KEYS), "value": world.deal("text", v.TEXTS)}
    if world.chance(0.15):
        fields["value"] = world.deal("long text", v.LONG_TEXTS)
    if world.chance(0.3):
        trace = world.new_scrap_trace()
        fields |= world.deal("bad trace tag", t.BAD_TAGS)
    _of_trace(world, "PATCH", "/tags", trace, fields, version=world.pick(2, 3))


def delete_tag(world):
    """DELETE traces/{trace_id}/tags."""
    key = world.deal("deleted trace tag", t.DELETED_TAGS)
    _of_trace(world, "DELETE", "/tags", world.some("trace"), {"key": key}, version=world.pick(2, 3))


def link(world):
    """traces/link-to-run."""
    fields = {"trace_ids": [world.known("trace") for _ in range(world.pick(1, 2))]}
    fields["run_id"] = world.known("run")
    if world.chance(0.1):
        fields["run_id"] = world.deal("unknown run of a link", v.UNKNOWN_RUNS)
    if world.chance(0.25):
        fields["run_id"] = world.new_scrap_run()
        field, value = world.deal("bad link", t.BAD_LINKS)
        fields[field] = value
    _send(world, "POST", "/link-to-run", fields, version=2)


def delete_some(world):
    """traces/delete-traces by ids, some of another experiment."""
    if world.chance(0.2):
        fields = {"experiment_id": world.scrap["experiment"], **world.deal("bad deletion", t.BAD_DELETIONS)}
        _send(world, "POST", "/delete-traces", fields, version=world.pick(2, 3))
        return
    if len(world.made["trace"]) < 8:
        return
    traces = world.random.sample(world.made["trace"], world.pick(1, 2))
    experiment = world.homes[traces[0]]
    fields = {"experiment_id": experiment, "request_ids": [*traces, "tr-nope"]}
    if _send(world, "POST", "/delete-traces", fields, version=world.pick(2, 3)):
        for trace in traces:
            if world.homes[trace] == experiment:
                world.made["trace"].remove(trace)


def delete_until(world):
    """traces/delete-traces by time, in an experiment of its own where no two are equally old."""
    made = world.send("POST experiments/create", {"name": f"{SALT}old {world.number()}"}, makes="experiment")
    if not made:
        return
    experiment = world.made["experiment"].pop()
    for second in world.random.sample(range(4), 4):
        info = _info(world, new_trace_id(world.number()), experiment)
        info["request_time"] = f"2020-01-01T00:00:0{second}Z"
        _send(world, "POST", "", {"trace": {"trace_info": info}})
    fields = {"experiment_id": experiment, "max_timestamp_millis": t.NEW_YEAR_MS + world.pick(-1, 1000, 2500)}
    if world.chance(0.6):
        fields["max_traces"] = world.pick(1, 2, 100)
    _send(world, "POST", "/delete-traces", fields, version=world.pick(2, 3))
    _send(world, "POST", "/search", {"locations": [_located(experiment)["trace_location"]]})


def get(world):
    """GET traces/{trace_id} and its kin of version 2."""
    trace = world.some("trace")
    if world.chance(0.5):
        _of_trace(world, "GET", "", trace)
    else:
        _of_trace(world, "GET", "/info", trace, version=2)


def get_with_spans(world):
    """traces/get, get-trace-artifact."""
    # Whoever asks for all of a trace that has spans yet to come waits.
    trace = world.pick(*world.whole, world.some("trace")) if world.whole else world.some("trace")
    partly = trace not in world.whole
    match world.pick("get", "artifact", "bad"):
        case "get":
            fields = {"trace_id": trace, **({"allow_partial": "true"} if partly else {})}
            _send(world, "GET", "/get", fields)
        case "artifact":
            world.send(
                "GET get-trace-artifact", {"request_id": trace}, path="/2.0/mlflow/get-trace-artifact",
                base="/ajax-api",
            )  # fmt: skip
        case "bad":
            _send(world, "GET", "/get", world.deal("bad get", t.BAD_GETS))


def batch(world):
    """traces/batchGet and batchGetInfos."""
    ids = [world.some("trace") for _ in range(world.pick(1, 2, 3))]
    fields = {"trace_ids": [*ids, *ids[:1]] if world.chance(0.1) else ids}
    if world.chance(0.15):
        fields = world.deal("bad batch", t.BAD_BATCHES)
    if world.chance(0.5):
        _send(world, "GET", "/batchGet", fields)
    else:
        # MLflow gives them as its database finds them.
        world.send(
            "POST traces/batchGetInfos", fields, path=f"{TRACES}/batchGetInfos", version_3=False,
            unordered=True,
        )  # fmt: skip


def search(world):
    """traces/search and GET traces, to the last page."""
    experiments = world.random.sample(world.made["experiment"], world.pick(1, len(world.made["experiment"])))
    fields, covers = {}, set()
    if world.chance(0.8):
        parts = [
            comparison(world.random, world.decks, "traces", world.known) for _ in range(world.pick(1, 1, 2))
        ]
        fields["filter"] = world.pick(" AND ", " and ").join(text for text, _ in parts)
        covers |= {covered for _, covered in parts}
    unordered = False
    if world.chance(0.5):
        identifier, ascends, covered = order_entry(world.random, world.decks, "traces")
        fields["order_by"] = [f"{identifier} {'ASC' if ascends else 'DESC'}"]
        covers.add(covered)
        # Ids of version 2, of runs and of experiments are the servers' own.
        unordered = identifier in ("request_id", "experiment_id", "run_id")
    fields["max_results"] = 500 if unordered else world.pick(2, 3, 100, 500)
    _search(world, fields, experiments, covers, unordered)


def _search(world, fields, experiments, covers=(), unordered=False):
    version, method, tail = world.pick((3, "POST", "/search"), (2, "GET", ""))
    if version == 3:
        fields = {"locations": [_located(one)["trace_location"] for one in experiments], **fields}
    else:
        fields = {"experiment_ids": experiments, **fields}
    world.pages(
        f"{method} traces{tail}", fields, path=_prefix(version) + tail, version_3=False,
        covers=frozenset(covers), unordered=unordered,
    )  # fmt: skip


def search_badly(world):
    """traces/search with one thing wrong."""
    fields = {"max_results": 5}
    match world.pick("filter", "filter", "filter", "order_by", "max_results", "page_token", "where"):
        case "filter":
            fields["filter"] = world.deal("bad traces filter", BAD_FILTERS["traces"])
        case "order_by":
            fields["order_by"] = [world.deal("bad traces order", BAD_ORDERS["traces"])]
        case "max_results":
            fields["max_results"] = world.deal("bad traces size", [501, 2**31, "a", 500])
        case "page_token":
            fields["page_token"] = world.pick("zzz", "%%%", "e30=", world.other_page())
        case "where":
            _send(world, "POST", "/search", world.deal("bad traces place", t.BAD_PLACES))
            return
    _search(world, fields, world.made["experiment"][:2])


def _prefix(version):
    return TRACES if version == 3 else TRACES_2


def _send(world, method, tail, fields=None, *, version=3, makes=""):
    return world.send(
        f"{method} traces{tail}", fields, path=_prefix(version) + tail, version_3=False, makes=makes
    )


def _of_trace(world, method, tail, trace, fields=None, *, version=3):
    path = f"{_prefix(version)}/{quoted(str(trace), safe='')}{tail}"
    return world.send(f"{method} traces/{{trace_id}}{tail}", fields, path=path, version_3=False)
