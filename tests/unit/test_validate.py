import pytest

from tracklog_contract import validate
from tracklog_contract.errors import INVALID, Rejected

CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
    "colon(:) and slashes (/)."
)
ANOTHER = (
    "Names may be treated as files in certain cases, and must not resolve to other names when treated as "
    "such. This name would resolve to "
)


def refusal(check, *args, **kwargs):
    with pytest.raises(Rejected) as caught:
        check(*args, **kwargs)
    assert caught.value.error_code == INVALID
    return caught.value.message


KEY_CHECKS = [
    ("name", lambda key, path="": validate.metric_key(key, path)),
    ("key", lambda key, path="": validate.param(key, "", path)),
    ("key", lambda key, path="": validate.tag(key, "", path)),
]


@pytest.mark.parametrize(("_name", "check"), KEY_CHECKS)
@pytest.mark.parametrize("key", ["m", "a b:c/d.e-f_g", "é", "日本", "a" * 250, "a/b", ".a", "a.."])
def test_ordinary_keys_are_accepted(_name, check, key):
    check(key)
    check(key)


@pytest.mark.parametrize(("name", "check"), KEY_CHECKS)
@pytest.mark.parametrize(
    ("key", "shown"), [("a#b", '"a#b"'), ("a\n", '"a\\n"'), ("\t", '"\\t"'), ("a\\b", '"a\\\\b"')]
)
def test_other_characters_are_refused(name, check, key, shown):
    assert refusal(check, key) == f"Invalid value {shown} for parameter '{name}' supplied: {CHARACTERS}"


@pytest.mark.parametrize(("name", "check"), KEY_CHECKS)
@pytest.mark.parametrize(
    ("key", "resolved"),
    [
        ("", "."),
        (".", "."),
        ("..", ".."),
        ("../a", "../a"),
        ("/a", "/a"),
        ("a//b", "a/b"),
        ("a/", "a"),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("..a", "..a"),
    ],
)
def test_keys_that_name_another_path_are_refused(name, check, key, resolved):
    said = f"Invalid value \"{key}\" for parameter '{name}' supplied: {ANOTHER}'{resolved}'"
    assert refusal(check, key) == said


def test_too_long_keys_are_refused_in_the_words_of_each_kind():
    key = "a" * 251
    assert refusal(validate.metric_key, key) == "'Metric name' exceeds the maximum length of 250 characters"
    assert refusal(validate.param, key, "") == "'Param key' exceeds the maximum length of 250 characters"
    assert refusal(validate.tag, key, "") == "'key' exceeds the maximum length of 250 characters"
    assert refusal(validate.tag, key, "", "tags[3]").startswith("'tags[3].key' exceeds")
    assert refusal(validate.metric_key, key, "metrics[3]").startswith("'Metric name' exceeds")


def test_a_free_key_is_only_bounded():
    for key in ("", "#", "../a", "💥" * 250):
        validate.free_key(key)
    assert refusal(validate.free_key, "a" * 251) == "'key' exceeds the maximum length of 250 characters"


def test_a_batch_s_keys_are_named_by_their_path():
    assert "for parameter 'metrics[4].name'" in refusal(validate.metric_key, "#", "metrics[4]")
    assert "for parameter 'params[4].key'" in refusal(validate.param, "#", "", "params[4]")


def test_a_huge_refused_key_is_shown_in_part():
    assert len(refusal(validate.metric_key, "a//" * 1_000_000)) < 3000


def test_only_accepted_keys_are_remembered():
    before = validate._accept.cache_info().currsize
    for number in range(10):
        refusal(validate.metric_key, f"refused#{number}")
    assert validate._accept.cache_info().currsize == before
    assert validate._accept.cache_info().maxsize is not None


def test_long_values_are_cut_as_by_default():
    assert validate.param("k", "x" * 6001) == "x" * 6000
    assert validate.param("k", "x" * 6000) == "x" * 6000
    assert validate.tag("k", "x" * 8001) == "x" * 8000


def test_experiment_tags_are_not_cut():
    validate.experiment_tag("k", "x" * 20_000)
    assert refusal(validate.experiment_tag, "k", "x" * 20_001) == (
        "'value' exceeds the maximum length of 20000 characters"
    )
    assert refusal(validate.experiment_tag, "k" * 251, "").startswith("'key' exceeds")


def test_times_before_1970_are_refused():
    validate.timestamp_ms(0, "m", 1.0)
    assert refusal(validate.timestamp_ms, -1, "m", 1.0) == (
        "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). "
        "Timestamp must be a nonnegative long (64-bit integer) "
    )
    assert "'metrics[2].timestamp'" in refusal(validate.timestamp_ms, -1, "m", 1.0, "metrics[2]")


def test_a_dataset_is_given_whole_or_not_at_all():
    validate.metric_dataset(None, "")
    validate.metric_dataset("n", "d")
    assert refusal(validate.metric_dataset, "n", None) == (
        "Both dataset_name and dataset_digest must be provided if one is provided"
    )


@pytest.mark.parametrize(
    ("sizes", "most", "what"),
    [
        ((1001, 0, 0), 1000, "metrics"),
        ((0, 101, 0), 100, "params"),
        ((0, 0, 101), 100, "tags"),
        ((990, 5, 6), 1000, "metrics, params, and tags"),
        ((1001, 101, 0), 1000, "metrics"),
    ],
)
def test_too_large_batches_are_refused(sizes, most, what):
    count = sum(sizes) if what.startswith("metrics,") else max(sizes)
    assert refusal(validate.batch_limits, *(range(size) for size in sizes)) == (
        f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
        f"Please split up {what} across multiple requests and try again."
    )


def test_full_batches_are_accepted():
    validate.batch_limits(range(800), range(100), range(100))


def test_doubled_params_are_refused_even_when_equal():
    validate.unique_param_keys(["a", "b"])
    assert refusal(validate.unique_param_keys, ["n", "a", "n", "n"]) == (
        "Duplicate parameter keys have been submitted: ['n', 'n']. "
        "Please ensure the request contains only one param value per param key."
    )


def items(keys, value="v"):
    return [{"key": key, "value": value} for key in keys]


def test_a_batch_gives_what_to_store():
    metrics = [{"key": "m", "value": 1.0, "timestamp": 1}]
    tags = [*items("ab"), {"key": "a", "value": "last"}]
    assert validate.batch(metrics, items("p", "x" * 9000), tags) == (
        {"p": "x" * 6000},
        {"a": "last", "b": "v"},
    )


def test_a_batch_s_items_are_judged_before_its_size():
    point = {"key": "m", "value": 1.0, "timestamp": 1}
    too_many = [point] * 1001
    assert refusal(validate.batch, too_many, [], []).startswith("A batch logging request")
    assert "metrics[1001].name" in refusal(validate.batch, [*too_many, {**point, "key": "#"}], [], [])
    assert "metrics[0].timestamp" in refusal(validate.batch, [{**point, "timestamp": -1}], [], [])
    assert refusal(validate.batch, [{**point, "dataset_name": "n"}], [], []).startswith("Both dataset_name")
    assert "params[1].key" in refusal(validate.batch, [], items("a#"), [])
    assert "tags[1].key" in refusal(validate.batch, [], [], items("a#"))
    assert refusal(validate.batch, [], items("aa"), []).startswith("Duplicate parameter keys")


@pytest.mark.parametrize("text", ["0" * 32, "a", "a-b_c", "a" * 256])
def test_run_ids_of_any_origin_are_accepted(text):
    validate.run_id(text)


@pytest.mark.parametrize("text", ["", "a b", "-a", "a" * 257, "a\n"])
def test_other_run_ids_are_refused(text):
    assert refusal(validate.run_id, text).endswith("for parameter 'run_id' supplied.")


def test_names_have_their_lengths():
    validate.run_name("x" * 8000)
    validate.user_id("")
    validate.experiment_name(" ")
    assert refusal(validate.run_name, "x" * 8001).startswith("'run_name' exceeds")
    assert refusal(validate.user_id, "x" * 257).startswith("'user_id' exceeds")
    assert (
        refusal(validate.experiment_name, "x" * 501) == "'name' exceeds the maximum length of 500 characters"
    )
    assert refusal(validate.experiment_name, "") == "Invalid experiment name: ''"


@pytest.mark.parametrize(
    "location",
    ["s3://b/p", "/tmp/x", "../x", "s3://b/p?region=x", "mlflow-artifacts:/1", "s3://" + "x" * 2043],
)
def test_artifact_locations_are_accepted(location):
    validate.artifact_location(location)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("s3://a/b#e", "'artifact_location' URL can't include fragments or params."),
        ("http://a/b;p", "'artifact_location' URL can't include fragments or params."),
        ("s3://a/b?c=../d", "Invalid query string"),
        ("s3://a/b?c=%2e%2E", "Invalid query string"),
        ("s3://a/b?c=%252e%252e", "Invalid query string"),
        ("s3://a/b?c=%" + "25" * 20 + "2e", "Invalid query string"),
        ("runs:/a/b", "Artifact location cannot be a runs:/ URI. Given: 'runs:/a/b'"),
        (
            "s3://" + "x" * 2044,
            (
                "Invalid artifact path length. The length of the artifact path cannot be greater than "
                "2048 characters."
            ),
        ),
        (
            "http://[",
            "Invalid value \"http://[\" for parameter 'artifact_location' supplied: Invalid IPv6 URL",
        ),
    ],
)
def test_other_artifact_locations_are_refused(location, said):
    assert refusal(validate.artifact_location, location) == said


def dataset_input(tag=None, **changes):
    dataset = {"name": "n", "digest": "d", "source_type": "s", "source": "x", **changes}
    return {"dataset": dataset, "tags": [tag or {"key": "k", "value": "v"}]}


@pytest.mark.parametrize(
    ("name", "most"),
    [("name", 500), ("digest", 36), ("source", 65_535), ("schema", 1_048_575), ("profile", 16_777_215)],
)
def test_datasets_have_their_lengths(name, most):
    validate.dataset_inputs([dataset_input(**{name: "x" * most})])
    assert refusal(validate.dataset_inputs, [dataset_input(), dataset_input(**{name: "x" * (most + 1)})]) == (
        f"'{name}' exceeds the maximum length of {most} characters"
    )


def test_input_tags_have_their_lengths():
    validate.dataset_inputs([dataset_input({"key": "k" * 255, "value": "v" * 500})])
    assert "255" in refusal(validate.dataset_inputs, [dataset_input({"key": "k" * 256, "value": ""})])
    assert "500" in refusal(validate.dataset_inputs, [dataset_input({"key": "", "value": "v" * 501})])


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"])
def test_model_names_with_other_meanings_are_refused(name):
    validate.logged_model_name("my model-1_é")
    assert refusal(validate.logged_model_name, name) == (
        f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot contain "
        "the following characters: ('/', ':', '.', '%', '\"', \"'\")"
    )


def test_a_model_s_history_item_is_its_lasting_properties():
    text = (
        '{"run_id": "r", "artifact_path": "p", "utc_time_created": "t", "signature": 1, '
        '"flavors": {"f": {"a": 1, "config": 2}, "g": "x"}}'
    )
    assert validate.model_history_item(text) == {
        "run_id": "r",
        "artifact_path": "p",
        "utc_time_created": "t",
        "model_uuid": None,
        "flavors": {"f": {"a": 1}, "g": "x"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc", "Malformed model info. \n abc \n is not a valid JSON."),
        ("[1]", "Malformed model info. \n [1] \n is not a valid JSON."),
        (
            '{"run_id": "r", "flavors": {}}',
            "Model json is missing mandatory fields: {'artifact_path', 'utc_time_created'}",
        ),
        (
            '{"run_id": "r", "artifact_path": "p", "utc_time_created": "t", "flavors": []}',
            "Invalid value [] for parameter 'flavors' supplied.",
        ),
    ],
)
def test_other_model_texts_are_refused(text, said):
    assert refusal(validate.model_history_item, text) == said
    assert "Malformed" in refusal(validate.model_history_item, "[" * 100_000)


def test_page_sizes_have_their_range():
    validate.search_max_results(1)
    validate.search_max_results(50_000)
    validate.history_max_results(10**9)
    said = "Invalid value {} for parameter 'max_results' supplied. It must be "
    assert refusal(validate.search_max_results, 0) == said.format(0) + "a positive integer"
    assert refusal(validate.search_max_results, 50_001) == said.format(50_001) + "at most 50000"
    assert refusal(validate.history_max_results, 0) == said.format(0) + "a positive integer."


def test_step_ranges_have_both_ends_in_order():
    validate.step_range(None, None)
    validate.step_range(3, 3)
    assert refusal(validate.step_range, 1, None) == (
        "If either start step or end step are specified, both must be specified."
    )
    assert refusal(validate.step_range, 5, 1) == (
        "end_step must be greater than start_step. Found start_step=5 and end_step=1."
    )
