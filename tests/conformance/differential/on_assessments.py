"""Calls that make, read, change and delete what is said about traces."""

from tests.conformance.differential import trace_values as t
from tests.conformance.differential.names import SALT, quoted
from tests.conformance.differential.values import UNKNOWN_TRACES

PATH = "/3.0/mlflow/traces"
ONE = "traces/{trace_id}/assessments/{assessment_id}"


def document(world):
    """A valid Assessment, without id."""
    made = {
        "assessment_name": world.pick(*t.ASSESSMENT_NAMES),
        "source": {"source_type": world.pick("HUMAN", "LLM_JUDGE", "CODE"), "source_id": "ann"},
        "create_time": f"2021-01-01T00:00:00.{world.number() % 1000:03}Z",
        "last_update_time": "2021-01-01T00:00:00Z",
    }
    match world.pick("feedback", "feedback", "expectation"):
        case "feedback":
            made["feedback"] = {"value": world.deal("feedback", t.SAID)}
            if world.chance(0.1):
                made["feedback"]["error"] = {"error_code": "E", "error_message": "m", "stack_trace": "s"}
        case "expectation":
            made["expectation"] = world.deal("expectation", t.EXPECTED)
    # MLflow drops an expectation's rationale, and what it overrides.
    some = (("rationale", "because"), ("span_id", "0123"), ("metadata", {"m": "1"}))
    for name, value in some["expectation" in made :]:
        if world.chance(0.3):
            made[name] = value
    return made


def create(world):
    """POST traces/{trace_id}/assessments."""
    trace, given = world.some("trace"), document(world)
    if world.chance(0.3):
        given["assessment_id"] = f"a-{SALT}{world.number()}"
    if "feedback" in given and world.chance(0.15) and world.assessments:
        trace, given["overrides"] = world.pick(*world.assessments)
    if world.chance(0.25):
        trace = world.new_scrap_trace()
        field, value = world.deal("bad assessment", t.BAD_ASSESSMENTS)
        given |= {"assessment_id": f"a-{SALT}{world.number()}", field: value}
        _send(world, "POST", trace, None, {"assessment": given})
        return
    answers = _send(world, "POST", trace, None, {"assessment": given}, makes="assessment")
    if answers:
        made = world.made["assessment"].pop()
        world.assessments.append((trace, made))
        if "expectation" in given:
            world.expectations.add(made)


def get(world):
    """GET traces/{trace_id}/assessments/{assessment_id}."""
    _send(world, "GET", *_some(world))


def update(world):
    """PATCH traces/{trace_id}/assessments/{assessment_id}."""
    some, given = _some(world), document(world)
    fields = {"assessment": given, "update_mask": world.deal("mask", t.MASKS)}
    if world.chance(0.3):
        given["rationale"], given["metadata"] = world.pick("why", ""), {"k": "v"}
    if world.chance(0.2):
        fields = world.deal("bad update", t.BAD_UPDATES)
    if "rationale" in fields.get("update_mask", "") and some[1] in world.expectations:
        fields["update_mask"] = "metadata"
    _send(world, "PATCH", *some, fields)


def delete(world):
    """DELETE traces/{trace_id}/assessments/{assessment_id}, at times of a trace that is not there."""
    some = (world.pick(*UNKNOWN_TRACES), "a-nope") if world.chance(0.2) else _some(world)
    _send(world, "DELETE", *some)
    if some in world.assessments:
        world.assessments.remove(some)


def _some(world):
    if not world.assessments or world.chance(0.1):
        return world.some("trace"), "a-nope"
    return world.pick(*world.assessments)


def _send(world, method, trace, assessment, fields=None, *, makes=""):
    path = f"{PATH}/{quoted(str(trace), safe='')}/assessments"
    endpoint = f"{method} traces/{{trace_id}}/assessments"
    if assessment:
        path, endpoint = f"{path}/{quoted(assessment)}", f"{method} {ONE}"
    return world.send(endpoint, fields, path=path, version_3=False, makes=makes)
