"""What calls on traces are filled with: ordinary values, values at the limits, and refused ones."""

NEW_YEAR_MS = 1_577_836_800_000  # 2020
NOON_MS = 1_600_000_000_000
STATES = ["OK", "OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"]
STATES_2 = ["OK", "ERROR", "IN_PROGRESS"]
DURATIONS = ["0s", "1.5s", "0.005s", "2s", "1.500s", "100000s"]
CLIENT_REQUESTS = ["c1", "c2", "C1", "", "é", "c" * 50, "c" * 255]
PREVIEWS = ["hello", "", "é💥", "p" * 999, "p" * 1000, "p" * 1001, "p" * 10_000]
NAMES = ["f", "g", "F", "a_b", "é"]
TAGS = [
    *(("mlflow.traceName", name) for name in NAMES),
    ("mlflow.traceName", "n" * 4096), ("long", "x" * 4096), ("long", "x" * 4097), ("longer", "x" * 8000),
    ("longer", "x" * 8001), ("k" * 250, "v"), ("a b", "c"),
]  # fmt: skip
METADATA = [
    ("mlflow.trace.session", "s1"), ("mlflow.trace.session", "s2"), ("mlflow.trace.session", "s" * 250),
    ("mlflow.trace.user", "ann"), ("long", "x" * 250), ("long", "x" * 251), ("longer", "x" * 8001),
    ("mlflow.trace.tokenUsage", '{"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}'),
    ("mlflow.trace.tokenUsage", "no JSON"), ("mlflow.trace_schema.version", "3"),
]  # fmt: skip
BAD_INFOS = [
    ("request_time", "yesterday"), ("request_time", 5), ("request_time", "2025-13-01T00:00:00Z"),
    ("execution_duration", "5"), ("execution_duration", "-5s"), ("execution_duration", 5),
    ("execution_duration", "999999999999s"), ("state", "NOPE"), ("state", ["OK"]), ("state", 1),
    ("tags", {"k" * 251: "v"}), ("tags", {"k": 5}), ("tags", [["k", "v"]]), ("tags", None),
    ("tags", {"mlflow.traceName": "n" * 4097}), ("trace_metadata", {"mlflow.trace.session": "s" * 251}),
    ("trace_metadata", {"m" * 251: "v"}), ("trace_metadata", {"k": None}), ("client_request_id", "c" * 51),
    ("client_request_id", "c" * 256), ("client_request_id", 5), ("request_preview", 5),
    ("request_preview", "p" * 10_001),
    ("trace_location", {}), ("trace_location", {"mlflow_experiment": {"experiment_id": "abc"}}),
    ("trace_location", {"mlflow_experiment": {"experiment_id": "999999999"}}), ("trace_location", "x"),
    ("trace_id", ""), ("trace_id", 5), ("trace_id", "x" * 256), ("unknown", 5),
    ("assessments", [{"assessment_name": "a"}]), ("assessments", "x"), ("assessments", [5]),
    ("tags", {"é": "v", "#": "v", "": "v"}),
]  # fmt: skip
BAD_STARTS = [{}, {"trace": {}}, {"trace": 7}, {"trace": {"trace_info": []}}, {"trace": None}, [], 5]
BAD_STARTS_2 = [
    ("experiment_id", "999999999"), ("experiment_id", "abc"), ("experiment_id", 5), ("timestamp_ms", "x"),
    ("timestamp_ms", []), ("timestamp_ms", 2**63), ("tags", "x"), ("tags", [{"key": "k" * 251}]),
    ("tags", [5]), ("request_metadata", "x"), ("request_metadata", [{"key": "m" * 251, "value": "v"}]),
    ("experiment_id", ""), ("tags", [{"key": "mlflow.traceName", "value": "n" * 4097}]),
]  # fmt: skip
BAD_ENDS = [
    ("timestamp_ms", "x"), ("timestamp_ms", 2**63),
    ("status", "TRACE_STATUS_UNSPECIFIED"), ("status", "NOPE"), ("status", 1), ("status", []),
    ("tags", "x"), ("tags", [5]), ("request_metadata", {}),
]  # fmt: skip
BAD_TAGS = [
    {"key": ""}, {"key": "k" * 251}, {"key": "a#b"}, {"key": "../up"}, {"key": 5}, {"key": None},
    {"value": 5}, {"value": None}, {"value": "x" * 8001}, {"value": "x" * 8000},
    {"key": "mlflow.traceName", "value": "n" * 4097}, {"key": "mlflow.trace.spansLocation"},
    {"key": "mlflow.trace.archiveLocation"}, {"key": "mlflow.artifactLocation"},
]  # fmt: skip
DELETED_TAGS = ["m", "M", "loss", "é", "x y", "nope", "", "mlflow.trace.spansLocation", "k" * 251, 5]
BAD_LINKS = [
    ("trace_ids", []), ("trace_ids", "x"), ("trace_ids", [5]), ("trace_ids", ["x"] * 101),
    ("trace_ids", [f"x{number}" for number in range(100)]), ("trace_ids", None), ("run_id", None),
    ("run_id", ""), ("run_id", 5), ("trace_ids", [f"x{number}" for number in range(101)]),
]  # fmt: skip
BAD_DELETIONS = [
    {}, {"request_ids": []}, {"request_ids": ["x"], "max_timestamp_millis": 5}, {"request_ids": "x"},
    {"request_ids": ["x"], "max_traces": 5}, {"max_timestamp_millis": 5, "max_traces": 0},
    {"max_timestamp_millis": 5, "max_traces": -1}, {"max_timestamp_millis": "x"}, {"max_traces": 5},
    {"request_ids": [5]}, {"request_ids": ["x"], "experiment_id": ""},
    {"request_ids": ["x"], "experiment_id": "999999999"},
]  # fmt: skip
BAD_GETS = [{}, {"trace_id": ""}, {"trace_id": "tr-nope", "allow_partial": "true"}]
BAD_BATCHES = [{}, {"trace_ids": []}, {"trace_ids": ["nope"]}]
BAD_PLACES = [
    {}, {"locations": []}, {"locations": "x"}, {"locations": [{}]}, {"locations": [5]},
    {"locations": [{"mlflow_experiment": {"experiment_id": "999999999"}}]},
    {"locations": [{"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b.c"}}]},
]  # fmt: skip

ASSESSMENT_NAMES = ["good", "q", "Good", "x y", "é", "name"]
SAID = [1, 0.5, -2, True, False, "yes", "aBc", "a_b", "é", "", None, [1, "a"], {"k": 1}, "1", "true"]
EXPECTED = [
    {"value": "yes"}, {"value": 1}, {"value": 0.5}, {"value": True}, {"value": "aBc"},
    {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"a": [1, 2]}'}},
    {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1]"}},
]  # fmt: skip
BAD_ASSESSMENTS = [
    ("feedback", 5), ("expectation", {}), ("issue", {"issue_name": "i"}), ("assessment_name", 5),
    ("assessment_name", ""), ("assessment_name", "n" * 250), ("assessment_name", "n" * 251),
    ("source", None), ("source", {"source_type": "NOPE"}), ("source", {}), ("create_time", "never"),
    ("expectation", {"serialized_value": {"serialization_format": "PICKLE", "value": "1"}}),
    ("expectation", {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{"}}),
    ("metadata", {"k": 1}), ("metadata", "x"),
    *[("overrides", "a-nope")] * 3, ("span_id", 5), ("rationale", 5),
]  # fmt: skip
MASKS = [
    "rationale", "metadata", "assessmentName", "feedback", "expectation", "rationale,metadata",
    "feedback,rationale", "assessmentName,metadata", "feedback,expectation", "nope",
]  # fmt: skip
BAD_UPDATES = [
    {}, {"assessment": {}}, {"assessment": {}, "update_mask": ""}, {"update_mask": "rationale"},
    {"assessment": 5, "update_mask": "rationale"},
    {"assessment": {"rationale": "r"}, "update_mask": "nope,rationale"},
]  # fmt: skip

SPAN_NAMES = ["step", "Step", "llm call", "é", "a_b"]
RESOURCES = [{"service.name": "s"}, {"service.name": "other", "env": "x"}, {"m": "1", "n": 5}]
# No gen_ai.*, openinference.* and their kin, nor a service.name of MLflow's short list: MLflow adds
# attributes of its own to such spans, which stay as they came in tracklog.
SPAN_ATTRIBUTES = [
    {}, {"mlflow.spanType": "LLM"}, {"mlflow.spanType": "CHAIN"}, {"model": "gpt", "n": 5, "f": 0.5},
    {"mlflow.spanInputs": '{"q": "hello"}', "mlflow.spanOutputs": '"world"'},

    {"mlflow.chat.tokenUsage": '{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}'},
    {"list": [1, 2, "x"], "flag": True}, {"text": "a\nb é 💥"},
]  # fmt: skip
BAD_EXPORTS = [
    {"experiment": ""}, {"experiment": "999999999"}, {"experiment": "abc"}, {"spans": []},
    {"media": "text/plain"}, {"raw": "no protobuf"}, {"raw": "{}"}, {"raw": ""}, {"raw": "["},
    {"run": "nope"}, {"run": "0" * 32},
]  # fmt: skip
