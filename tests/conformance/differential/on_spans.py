"""Spans over OTLP: calls whose fields say what the body is to hold (see `otlp_body`)."""

from tests.conformance.differential import trace_values as t
from tests.conformance.differential.names import new_trace_id

PATH = "/v1/traces"


def export(world):
    """POST /v1/traces: a new trace, whole or without its root, or more spans of one that is there."""
    again = [trace for trace in world.made["trace"] if trace.startswith("tr-")]
    trace = world.pick(*again) if again and world.chance(0.4) else new_trace_id(world.number())
    experiment = world.homes.get(trace) or world.known("experiment")
    whole = trace not in world.rooted and world.chance(0.7)
    spans = [_span(world, trace, 1)] if whole else []
    spans += [_span(world, trace, number, parent=1) for number in range(2, world.pick(3, 4))]
    fields = {"experiment": experiment, "spans": spans, "resource": world.pick({}, {}, *t.RESOURCES)}
    if world.chance(0.3):
        fields["run"] = world.known("run")
    fields["media"] = world.pick("application/x-protobuf", "application/x-protobuf", "application/json")
    if not _send(world, fields):
        return
    if trace not in world.made["trace"]:
        world.made["trace"].append(trace)
        world.homes[trace] = experiment
        if whole:
            world.whole.append(trace)
    if whole:
        world.rooted.add(trace)


def _span(world, trace, number, parent=0):
    span = {
        "trace": trace,
        "number": world.number(),
        "name": world.pick(*t.SPAN_NAMES),
        "start_ms": t.NOON_MS + world.pick(0, 1, 2),
        "elapsed_ms": world.pick(0, 5, 1500),
        "status": world.pick(0, 1, 2),
        "attributes": dict(world.deal("span attributes", t.SPAN_ATTRIBUTES)),
    }
    return span | ({"parent": parent} if parent else {})


def export_badly(world):
    """POST /v1/traces with one thing wrong."""
    span = _span(world, new_trace_id(world.number()), 1)
    fields = {"experiment": world.scrap["experiment"], "spans": [span], "resource": {}}
    fields["media"] = world.pick("application/x-protobuf", "application/json")
    _send(world, fields | world.deal("bad export", t.BAD_EXPORTS))


def _send(world, fields):
    return world.send("POST /v1/traces", fields, base="", our_base="", version_3=False, otlp=True)
