"""What MLflow's store refuses in a decoded request, in its words: names, lengths, batch sizes, times.

A `path` is where the thing stands in a batch, such as "metrics[0]", and "" in a call about one thing.
"""

import posixpath
import re
import urllib.parse
from collections.abc import Mapping, Sequence, Sized
from functools import lru_cache
from typing import Any, Final

from tracklog_contract import bounded_json
from tracklog_contract.answers import RUN_NAME_TAG
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import (
    ARTIFACT_LOCATION_CHARS_MAX,
    BATCH_ITEMS_MAX,
    BATCH_METRICS_MAX,
    BATCH_PARAMS_MAX,
    BATCH_TAGS_MAX,
    DATASET_DIGEST_CHARS_MAX,
    DATASET_NAME_CHARS_MAX,
    DATASET_PROFILE_CHARS_MAX,
    DATASET_SCHEMA_CHARS_MAX,
    DATASET_SOURCE_CHARS_MAX,
    EXPERIMENT_NAME_CHARS_MAX,
    EXPERIMENT_TAG_VALUE_CHARS_MAX,
    INPUT_TAG_KEY_CHARS_MAX,
    INPUT_TAG_VALUE_CHARS_MAX,
    KEY_CHARS_MAX,
    MODEL_ID_CHARS_MAX,
    PARAM_VALUE_CHARS_MAX,
    RUN_NAME_CHARS_MAX,
    SEARCH_MAX,
    TAG_VALUE_CHARS_MAX,
    USER_ID_CHARS_MAX,
)
from tracklog_contract.messages import NO_DATASET
from tracklog_contract.protojson import clipped, invalid_value

# Enough for the keys of many runs at once; a full cache of the longest keys is about 5 MiB.
KEYS_REMEMBERED: Final = 16_384

# MLflow's own pattern lets a key end in a newline; this one does not.
_KEY: Final = re.compile(r"[/\w.\- :]*")
_RUN_ID: Final = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_MODEL_NAME_REFUSED: Final = ("/", ":", ".", "%", '"', "'")
_MODEL_INFO_REQUIRED: Final = ("artifact_path", "flavors", "run_id", "utc_time_created")
_MODEL_INFO_KEPT: Final = ("run_id", "artifact_path", "utc_time_created", "model_uuid")
_DECODINGS_MAX: Final = 10


def metric_key(key: str, path: str = "") -> None:
    """Accept a metric's key.

    Raises: Rejected, when it has a refused character, is no plain relative path, or is too long.
    """
    if not _is_accepted(key):
        _refuse_name(key, _joined(path, "name"))
        raise _too_long("Metric name", KEY_CHARS_MAX)


def timestamp_ms(timestamp: int, key: str, value: float, path: str = "") -> None:
    """Accept a point's time; `key` and `value` only tell the user which point it is.

    Raises: Rejected, when it is before 1970.
    """
    if timestamp < 0:
        reason = f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) "
        raise Rejected(INVALID, invalid_value(_joined(path, "timestamp"), timestamp, reason))


def model_id(text: str | None) -> None:
    """Accept the id of a model that may not exist. Raises: Rejected, when it is too long."""
    _at_most("model_id", MODEL_ID_CHARS_MAX, text or "")


def metric_dataset(name: str | None, digest: str | None) -> None:
    """Accept the dataset a point was measured on.

    Raises: Rejected, when only half of it is given or a half is too long.
    """
    _at_most("dataset_name", DATASET_NAME_CHARS_MAX, name or "")
    _at_most("dataset_digest", DATASET_DIGEST_CHARS_MAX, digest or "")
    if bool(name) != bool(digest):
        raise Rejected(INVALID, "Both dataset_name and dataset_digest must be provided if one is provided")


def param(key: str, value: str, path: str = "") -> str:
    """The value to store for a param: as MLflow does by default, cut to its greatest length.

    Raises: Rejected, when the key is refused as in `metric_key`.
    """
    if not _is_accepted(key):
        _refuse_name(key, _joined(path, "key"))
        raise _too_long("Param key", KEY_CHARS_MAX)
    return value[:PARAM_VALUE_CHARS_MAX]


def tag(key: str, value: str, path: str = "") -> str:
    """The value to store for a run's tag: as MLflow does by default, cut to its greatest length.

    Raises: Rejected, when the key is refused as in `metric_key`.
    """
    if not _is_accepted(key):
        _refuse_name(key, _joined(path, "key"))
        raise _too_long(_joined(path, "key"), KEY_CHARS_MAX)
    return value[:TAG_VALUE_CHARS_MAX]


def free_key(key: str) -> None:
    """Accept a key where MLflow looks at none: of a new run's tags, and of logged models' tags and params.

    Raises: Rejected, when it is too long.
    """
    _at_most("key", KEY_CHARS_MAX, key)


def first_tag(key: str, value: str) -> str:
    """The value to store for a tag that a run is made with: cut like every tag's.

    Raises: Rejected, when the key is too long, or the value as the run's name.
    """
    free_key(key)
    if key == RUN_NAME_TAG:
        run_name(value)
    return value[:TAG_VALUE_CHARS_MAX]


def experiment_tag(key: str, value: str) -> None:
    """Accept an experiment's tag. Raises: Rejected, when its key or its length is refused."""
    tag(key, "")
    _at_most("value", EXPERIMENT_TAG_VALUE_CHARS_MAX, value)


def batch(
    metrics: Sequence[Mapping[str, Any]],
    params: Sequence[Mapping[str, str]],
    tags: Sequence[Mapping[str, str]],
) -> tuple[dict[str, str], dict[str, str]]:
    """The params and tags to store for a decoded log-batch; of tags with one key the last one counts.

    Raises: Rejected, for the first refused item, else for too many of them, else for doubled params.
    """
    for metric in metrics:
        model_id(metric.get("model_id"))
        metric_dataset(metric.get("dataset_name"), metric.get("dataset_digest"))
    for index, metric in enumerate(metrics):
        path = f"metrics[{index}]"
        metric_key(metric["key"], path)
        timestamp_ms(metric["timestamp"], metric["key"], metric["value"], path)
    param_values = [param(p["key"], p["value"], f"params[{index}]") for index, p in enumerate(params)]
    tag_values = [tag(t["key"], t["value"], f"tags[{index}]") for index, t in enumerate(tags)]
    batch_limits(metrics, params, tags)
    param_keys = [p["key"] for p in params]
    unique_param_keys(param_keys)
    return (
        dict(zip(param_keys, param_values, strict=True)),
        {t["key"]: value for t, value in zip(tags, tag_values, strict=True)},
    )


def batch_limits(metrics: Sized, params: Sized, tags: Sized) -> None:
    """Accept the sizes of a batch. Raises: Rejected, when there is too much of something."""
    together = len(metrics) + len(params) + len(tags)
    for what, most, count in (
        ("metrics", BATCH_METRICS_MAX, len(metrics)),
        ("params", BATCH_PARAMS_MAX, len(params)),
        ("tags", BATCH_TAGS_MAX, len(tags)),
        ("metrics, params, and tags", BATCH_ITEMS_MAX, together),
    ):
        if count > most:
            raise Rejected(
                INVALID,
                f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
                f"Please split up {what} across multiple requests and try again.",
            )


def unique_param_keys(keys: Sequence[str]) -> None:
    """Accept a batch's param keys. Raises: Rejected, when one comes twice, even with equal values."""
    seen: set[str] = set()
    doubled = []
    for key in keys:
        if key in seen:
            doubled.append(key)
        seen.add(key)
    if doubled:
        raise Rejected(
            INVALID,
            f"Duplicate parameter keys have been submitted: {doubled}. Please ensure the request "
            "contains only one param value per param key.",
        )


def run_id(text: str) -> None:
    """Accept the form of a run id, as MLflow asks for batches, inputs and outputs only."""
    if not _RUN_ID.fullmatch(text):
        raise Rejected(INVALID, invalid_value("run_id", text))


def path_part(name: str, text: str) -> str:
    """A decoded part of a request's path. Raises: Rejected, when it is no text that can be stored."""
    if "\0" in text:
        raise Rejected(INVALID, invalid_value(name, text, "Text cannot hold the character U+0000."))
    return text


def run_name(name: str) -> None:
    """Accept a run's name. Raises: Rejected, when it is longer than the tag that also holds it."""
    _at_most("run_name", RUN_NAME_CHARS_MAX, name)


def user_id(text: str) -> None:
    """Accept a run's user. Raises: Rejected, when it is too long."""
    _at_most("user_id", USER_ID_CHARS_MAX, text)


def experiment_name(name: str) -> None:
    """Accept an experiment's name. Raises: Rejected, when it is empty or too long."""
    if not name:
        raise Rejected(INVALID, f"Invalid experiment name: '{name}'")
    _at_most("name", EXPERIMENT_NAME_CHARS_MAX, name)


def artifact_location(location: str) -> None:
    """Accept an experiment's artifact location. Raises: Rejected, when MLflow could not keep files there."""
    try:
        parts = urllib.parse.urlparse(location)
    except ValueError as error:
        raise Rejected(INVALID, invalid_value("artifact_location", location, str(error))) from None
    if parts.fragment or parts.params:
        raise Rejected(INVALID, "'artifact_location' URL can't include fragments or params.")
    if ".." in _unquoted(parts.query):
        raise Rejected(INVALID, "Invalid query string")
    if location.startswith("runs:"):
        raise Rejected(INVALID, f"Artifact location cannot be a runs:/ URI. Given: '{clipped(location)}'")
    if len(location) > ARTIFACT_LOCATION_CHARS_MAX:
        raise Rejected(
            INVALID,
            "Invalid artifact path length. The length of the artifact path cannot be greater than "
            f"{ARTIFACT_LOCATION_CHARS_MAX} characters.",
        )


def dataset_inputs(inputs: Sequence[Mapping[str, Any]]) -> None:
    """Accept the datasets of a decoded log-inputs. Raises: Rejected, when a part is too long."""
    for item in inputs:
        dataset = item.get("dataset", NO_DATASET)
        _at_most("name", DATASET_NAME_CHARS_MAX, dataset["name"])
        _at_most("digest", DATASET_DIGEST_CHARS_MAX, dataset["digest"])
        _at_most("source", DATASET_SOURCE_CHARS_MAX, dataset["source"])
        _at_most("schema", DATASET_SCHEMA_CHARS_MAX, dataset.get("schema", ""))
        _at_most("profile", DATASET_PROFILE_CHARS_MAX, dataset.get("profile", ""))
        for input_tag in item.get("tags", ()):
            _at_most("key", INPUT_TAG_KEY_CHARS_MAX, input_tag["key"])
            _at_most("value", INPUT_TAG_VALUE_CHARS_MAX, input_tag["value"])


def logged_model_name(name: str) -> None:
    """Accept a logged model's name. Raises: Rejected, when it is empty or has a refused character."""
    if not name or any(character in name for character in _MODEL_NAME_REFUSED):
        raise Rejected(
            INVALID,
            f"Invalid model name ({clipped(name)!r}) provided. Model name must be a non-empty string "
            f"and cannot contain the following characters: {_MODEL_NAME_REFUSED}",
        )


def model_history_item(model_json: str) -> dict[str, Any]:
    """What `runs/log-model` adds to the tag `mlflow.log-model.history`: the model's lasting properties.

    Raises: Rejected, when the text is no JSON object, nests too deeply, or lacks what a model must say.
    """
    try:
        model = bounded_json.loads(model_json)
    except ValueError:
        model = None
    if not isinstance(model, dict):
        raise Rejected(INVALID, f"Malformed model info. \n {clipped(model_json)} \n is not a valid JSON.")
    missing = [name for name in _MODEL_INFO_REQUIRED if name not in model]
    if missing:
        raise Rejected(INVALID, f"Model json is missing mandatory fields: {{{str(missing)[1:-1]}}}")
    if not isinstance(model["flavors"], dict):
        raise Rejected(INVALID, invalid_value("flavors", model["flavors"]))
    item = {name: model.get(name) for name in _MODEL_INFO_KEPT}
    item["flavors"] = {flavor: _without_config(about) for flavor, about in model["flavors"].items()}
    return item


def search_max_results(count: int) -> None:
    """Accept a search's page size. Raises: Rejected, outside 1 … 50 000."""
    if count < 1:
        raise Rejected(INVALID, _max_results(count) + "It must be a positive integer")
    if count > SEARCH_MAX:
        raise Rejected(INVALID, _max_results(count) + f"It must be at most {SEARCH_MAX}")


def history_max_results(count: int) -> None:
    """Accept a metric history's page size. Raises: Rejected, below 1."""
    if count < 1:
        raise Rejected(INVALID, _max_results(count) + "It must be a positive integer.")


def step_range(start: int | None, end: int | None) -> None:
    """Accept the first and last step of an interval, both or neither. Raises: Rejected."""
    if (start is None) != (end is None):
        raise Rejected(INVALID, "If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise Rejected(
            INVALID,
            f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.",
        )


def _without_config(flavor: Any) -> Any:
    if not isinstance(flavor, dict):
        return flavor
    return {name: value for name, value in flavor.items() if name != "config"}


def _is_accepted(key: str) -> bool:
    try:
        _accept(key)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=KEYS_REMEMBERED)
def _accept(key: str) -> None:
    # The cache keeps only what returns, so refused keys take no room in it.
    if len(key) > KEY_CHARS_MAX or not _KEY.fullmatch(key) or _names_another(key):
        raise ValueError(key)


def _names_another(key: str) -> bool:
    path = posixpath.normpath(key)
    return path != key or path == "." or path.startswith(("..", "/"))


def _refuse_name(key: str, where: str) -> None:
    if not _KEY.fullmatch(key):
        reason = (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
            "colon(:) and slashes (/)."
        )
        raise Rejected(INVALID, invalid_value(where, key, reason))
    if _names_another(key):
        reason = (
            "Names may be treated as files in certain cases, and must not resolve to other names when "
            f"treated as such. This name would resolve to {clipped(posixpath.normpath(key))!r}"
        )
        raise Rejected(INVALID, invalid_value(where, key, reason))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _at_most(name: str, most: int, text: str) -> None:
    if len(text) > most:
        raise _too_long(name, most)


def _too_long(name: str, most: int) -> Rejected:
    return Rejected(INVALID, f"'{name}' exceeds the maximum length of {most} characters")


def _max_results(count: int) -> str:
    return f"Invalid value {count} for parameter 'max_results' supplied. "


def _unquoted(query: str) -> str:
    # Until it no longer changes: dots may be quoted several times over.
    for _ in range(_DECODINGS_MAX):
        decoded = urllib.parse.unquote(query)
        if decoded == query:
            return query
        query = decoded
    raise Rejected(INVALID, "Invalid query string")
