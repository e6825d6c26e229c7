"""Every message has the fields that MLflow's own protobuf message has, of the same types."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from mlflow.protos import service_pb2

from tracklog_contract import messages
from tracklog_contract.shape import Message

TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
# MLflow reads these beside its message, and takes 64 bits.
WIDER = {("start_step", "int32"), ("end_step", "int32"), ("max_results", "int32")}
# These come from the path; ours are the query that MLflow reads by hand.
NO_MESSAGE = {"GetMetricHistoryBulk", "GetLoggedModel"}
FROM_PATH = {"model_id"}
NAMES = {"LogLoggedModelParams": "LogLoggedModelParamsRequest"}
REQUESTS = [
    value
    for name, value in vars(messages).items()
    if isinstance(value, Message)
    and value.name not in NO_MESSAGE
    and hasattr(service_pb2, NAMES.get(value.name, value.name))
]


def compare(message, descriptor):
    theirs = {field.name: field for field in descriptor.fields}
    ours = {field.name: field for field in message.fields}
    aliases = {field.alias for field in message.fields if field.alias}
    assert set(theirs) - FROM_PATH <= set(ours) | aliases
    assert set(ours) <= set(theirs)
    for name, field in ours.items():
        their_type = TYPES[theirs[name].type]
        assert field.type == their_type or ((name, their_type) in WIDER and field.type == "int64")
        assert field.repeated == theirs[name].is_repeated
        if field.numbers is not None:
            assert field.numbers == {value.name: value.number for value in theirs[name].enum_type.values}
        if theirs[name].has_default_value and not field.required:
            assert field.default == theirs[name].default_value or name == "max_results"
        if field.message is not None:
            compare(field.message, theirs[name].message_type)
        for key in (name, theirs[name].json_name):
            assert message.field_by_key[key] is field


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: message.name)
def test_fields_are_those_of_mlflow_s_message(message):
    compare(message, getattr(service_pb2, NAMES.get(message.name, message.name)).DESCRIPTOR)


def test_all_endpoints_were_compared():
    assert len({message.name for message in REQUESTS}) >= 32
