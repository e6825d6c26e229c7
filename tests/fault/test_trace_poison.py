"""Nothing that is accepted about traces can stop the projector, and a rebuild gives the same answers."""

import json
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.api import Api
from tests.support.otlp import any_value, export, key_values, new_trace, request, span, trace_id_of
from tests.support.rebuild import rebuild
from tests.support.server import running_server

TRACES = "/api/3.0/mlflow/traces"


# Four bytes in UTF-8, and a different one each time: nothing compresses it.
def incompressible(characters: int) -> str:
    return "".join(chr(0x20000 + (7_919 * number) % 40_000) for number in range(characters))


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def odd_spans() -> list[bytes]:
    """Requests with what is hard to store: each may be refused, but not accepted and then not folded."""
    deep_text = "[" * 5000 + "]" * 5000
    attributes: list[dict[str, Any]] = [
        {"mlflow.spanType": "a\0b"},
        {"mlflow.spanType": '"\\ud800"'},
        {"mlflow.spanType": incompressible(5000)},
        {"mlflow.spanType": ["list"]},
        {"session.id": "a\0b", "user.id": "\0"},
        {"session.id": '"\\u0000\\ud800"', "user.id": '"\\udfff"'},
        {"session.id": incompressible(5000), "user.id": incompressible(9000)},
        {"session.id": 7, "gen_ai.conversation.id": True, "user.id": [1]},
        {"mlflow.spanInputs": deep_text, "mlflow.spanOutputs": nested(30)},
        {"mlflow.spanInputs": {"messages": [{"role": "user", "content": "a\0b"}]}},
        {
            "mlflow.spanInputs": {"messages": [{"role": 5, "content": {"x": 1}}, 7]},
            "mlflow.spanOutputs": "\0",
        },
        {"mlflow.spanInputs": {"request": {"input": [{"role": "user", "content": [7, {"type": "text"}]}]}}},
        {"mlflow.chat.tokenUsage": deep_text},
        {"mlflow.chat.tokenUsage": {"input_tokens": "9" * 400, "output_tokens": -1.5, "total_tokens": True}},
        {"mlflow.chat.tokenUsage": {"input_tokens": 2**62, "output_tokens": float("nan")}},
        {"mlflow.chat.tokenUsage": [1], "mlflow.llm.cost": "nope"},
        {"mlflow.llm.cost": {"input_cost": float("inf"), "output_cost": 1e308, "total_cost": 1e308}},
        {"mlflow.traceTag.k": "a\0b", "mlflow.traceTag.": "x", "mlflow.traceTag." + "k" * 300: "x"},
        {
            "mlflow.traceTag.mlflow.trace.spansLocation": "NOWHERE",
            "mlflow.traceTag.mlflow.traceName": "n" * 9000,
        },
        {f"mlflow.traceTag.t{number}": incompressible(100) for number in range(1100)},
        {"mlflow.traceRequestId": "tr-forged"},
        {"text": "[" * 99 + "]" * 99, "more": '{"\\ud800": ["\\udfff"]}'},
        {"bytes": b"\xff\x00", "nothing": None},
        {incompressible(3000): incompressible(3000), "": ""},
    ]
    requests = []
    for number, told in enumerate(attributes):
        odd = span(new_trace(), 1)
        for key, value in told.items():
            if value is None:
                odd.attributes.add(key=key)
            else:
                odd.attributes.add(key=key).value.CopyFrom(any_value(value))
        # A second one below itself, so that sums meet a circle.
        circle = span(int.from_bytes(odd.trace_id), 2, 2)
        circle.attributes.extend(odd.attributes)
        requests.append(request(odd, circle, **{f"r{number}": "a\0b", "n" * 300: "x", "d": nested(20)}))
    named = span(new_trace(), 1, name="a\0b" + incompressible(5000))
    named.events.append(Span.Event(name="\0", attributes=key_values({"k": "\0"})))
    named.links.append(Span.Link(trace_id=b"\x01", span_id=b"", attributes=key_values({"k": nested(20)})))
    named.status.message = "\0"
    edges = span(new_trace(), 1, start_ns=2**63 - 1, elapsed_ns=0)
    backwards = span(new_trace(), 1)
    backwards.start_time_unix_nano, backwards.end_time_unix_nano = 2**62, 1
    return [*requests, *(request(odd) for odd in (named, edges, backwards))]


def odd_traces(experiment_id: str) -> list[dict[str, Any]]:
    long = incompressible
    place = {"mlflow_experiment": {"experiment_id": experiment_id}}
    usage = [
        "[]",
        "{",
        "[" * 5000,
        '{"input_tokens": 1e999}',
        '{"input_tokens": "\\ud800"}',
        "null",
        '{"x": 1}',
    ]
    told: list[dict[str, Any]] = [
        {"request_time": "0001-01-01T00:00:00Z", "execution_duration": "-315576000000s"},
        {"request_time": "9999-12-31T23:59:59.999999999Z", "execution_duration": "315576000000s"},
        {"tags": {long(250): long(9000), "": "", "mlflow.traceName": long(4096)}},
        {"trace_metadata": {long(250): long(9000), "mlflow.trace.session": long(250)}},
        {"client_request_id": long(255), "request_preview": long(20_000), "response_preview": ""},
        *({"trace_metadata": {"mlflow.trace.tokenUsage": text, "mlflow.trace.cost": text}} for text in usage),
        {"trace_metadata": {"mlflow.trace.sizeStats": "[" * 5000}},
    ]
    return [
        {"trace_id": f"t{number}{long(200)}", "trace_location": place, **info}
        for number, info in enumerate(told)
    ]


def test_whatever_is_accepted_is_folded_and_read() -> None:
    with running_server() as server, Api(server.url) as api:
        experiment_id = api.post("experiments/create", {"name": "odd"})["experiment_id"]
        for body in odd_spans():
            status = export(server.url, body, experiment_id)
            assert status == 200
        for info in odd_traces(experiment_id):
            answer = api.call("POST", TRACES, {"trace": {"trace_info": info}})
            assert answer.status == 200, answer.body
            # Again, which answers from the views.
            assert api.call("POST", TRACES, {"trace": {"trace_info": info}}).status == 200
        trace = span(new_trace(), 1)
        assert export(server.url, request(trace), experiment_id) == 200
        path = f"{TRACES}/{trace_id_of(int.from_bytes(trace.trace_id))}/assessments"
        deep: Any = 1.0
        for _ in range(95):
            deep = [deep]
        for said in (
            {"assessment_name": incompressible(250), "feedback": {"value": deep}},
            {"assessment_id": incompressible(255), "feedback": {"value": incompressible(9000)}},
            {"assessment_name": "", "expectation": {"value": {"k": ["\u2028", 1e308, -0.0, None]}}},
            {
                "expectation": {
                    "serialized_value": {
                        "serialization_format": "JSON_FORMAT",
                        "value": "123456789012345678901",
                    }
                }
            },
            {"issue": {"issue_name": "x"}, "metadata": {incompressible(3000): "x"}},
        ):
            answer = api.call("POST", path, {"assessment": said})
            assert answer.status == 200, answer.body

        def answers() -> list[bytes]:
            place = {
                "locations": [{"mlflow_experiment": {"experiment_id": experiment_id}}],
                "max_results": 500,
            }
            searched = api.call("POST", f"{TRACES}/search", place)
            assert searched.status == 200, searched.body
            ids = [info["trace_id"] for info in json.loads(searched.body)["traces"]]
            told = [
                api.call("GET", f"{TRACES}/get", {"trace_id": trace_id, "allow_partial": "true"})
                for trace_id in ids
            ]
            assert {answer.status for answer in told} == {200, 400}
            return [searched.body, *(answer.body for answer in told)]

        before = answers()
        assert len(before) > len(odd_spans())
        rebuild(server)
        assert answers() == before
        assert '"child_exited"' not in server.log().replace('"child":"prepare"', "").split("server_ready")[-1]
