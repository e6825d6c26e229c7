"""The filter language: what is read, and MLflow's words for what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.filters import render
from tracklog_contract.errors import INVALID, Rejected
from tracklog_projector.search import compile_runs
from tracklog_projector.search.grammar import COMPARISONS_MAX, parse_filter
from tracklog_projector.search.tree import (
    Both,
    Comparison,
    Either,
    Items,
    Negation,
    Node,
    Number,
    Quoted,
    Word,
)

names = st.sampled_from(
    ["a", "metrics.m", "params.`a b`", 'tags."mlflow.runName"', "`Run Name`", "order.and.x", "é"]
)
texts = st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"]), max_size=8)
values = st.one_of(
    st.builds(Quoted, texts),
    st.builds(Quoted, texts.filter(lambda text: '"' not in text), st.just(True)),
    st.sampled_from(["1", "-2", "0.5", "1e-3", "-.5", "3.E+8"]).map(Number),
    st.builds(Items, st.lists(st.builds(Quoted, texts), max_size=3).map(tuple)),
)
comparisons = st.one_of(
    st.builds(
        Comparison,
        names.map(Word),
        st.sampled_from(["=", "!=", "<=", "==", "LIKE", "NOT LIKE", "RLIKE"]),
        values,
    ),
    st.builds(Comparison, names.map(Word), st.sampled_from(["IS NULL", "IS NOT NULL"]), st.none()),
    st.builds(
        Comparison,
        names.map(Word),
        st.sampled_from(["IN", "NOT IN"]),
        values.filter(lambda v: isinstance(v, Items)),
    ),
)


def joined(joint: type[Both] | type[Either], terms: list[Node]) -> Node:
    return joint(
        tuple(part for term in terms for part in (term.terms if isinstance(term, joint) else (term,)))
    )


nodes = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: joined(Both, terms)),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: joined(Either, terms)),
        inner.filter(lambda node: not isinstance(node, Negation)).map(Negation),
    ),
    max_leaves=8,
)


@given(nodes, st.booleans())
def test_a_rendered_tree_is_read_back(node: Node, loud: bool) -> None:
    assert parse_filter(render(node, loud=loud)) == node


def test_precedence_is_not_and_or() -> None:
    a, b, c = (Comparison(Word(name), "=", Number("1")) for name in "abc")
    assert parse_filter("NOT a = 1 AND b = 1 OR c = 1") == Either((Both((Negation(a), b)), c))
    assert parse_filter("a = 1 and (b=1 or not not c = 1)") == Both((a, Either((b, c))))


@pytest.mark.parametrize("text", ["metrics.m = 1 AND", "metrics.m=1 and  ", " metrics.m  =  1\n"])
def test_blanks_and_a_trailing_and_are_tolerated(text: str) -> None:
    assert parse_filter(text) == Comparison(Word("metrics.m"), "=", Number("1"))


def test_nothing_is_unescaped_inside_quotes() -> None:
    assert parse_filter(r"a = 'it''s'") == Comparison(Word("a"), "=", Quoted("it''s"))
    assert parse_filter(r"a = 'it\'s'") == Comparison(Word("a"), "=", Quoted(r"it\'s"))
    assert parse_filter("""a = "it's" """) == Comparison(Word("a"), "=", Quoted("it's", double=True))


def test_words_that_start_like_keywords_are_names() -> None:
    for word in ("android", "organ", "notes", "island", "inner", "params.and", "params.not", "tags.in"):
        assert parse_filter(f"{word} = 'x'") == Comparison(Word(word), "=", Quoted("x"))


def test_a_number_may_be_of_any_size() -> None:
    for text in ("start_time > 1e9999999999999999999", "end_time = -1e-99999999999999999999"):
        assert compile_runs(
            experiment_ids=[1], filter=text, order_by=[], deleted=False, limit=1, page_token=""
        ).sql


def test_the_empty_filter_is_no_filter() -> None:
    assert parse_filter("") is None


def test_a_filter_has_bounds() -> None:
    parse_filter(" AND ".join(["a = 1"] * COMPARISONS_MAX))
    for text in (" AND ".join(["a = 1"] * (COMPARISONS_MAX + 1)), "(" * 200_000, "a = 'x\0'", "a = '\ud800'"):
        with pytest.raises(Rejected) as caught:
            parse_filter(text)
        assert caught.value.error_code == INVALID
    assert parse_filter("NOT " * 10_000 + "a = 1") == Comparison(Word("a"), "=", Number("1"))
    assert parse_filter("(" * 10_000 + "a = 1" + ")" * 10_000) == Comparison(Word("a"), "=", Number("1"))


RUN_ATTRIBUTES = (
    "{'run_id', 'run_name', 'status', 'user_id', 'artifact_uri', 'start_time', 'end_time', 'created', "
    "'Created', "
    "'run name', 'Run name', 'Run Name'}"
)
QUOTE_HINT = (
    "Parameter value is either not quoted or unidentified quote types used for string value abc. "
    "Use either single or double quotes."
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.m = '1'", "Expected numeric value type for metric. Found '1'"),
        ("metrics.m > NaN", "Expected numeric value type for metric. Found NaN"),
        ("metrics.m LIKE '1'", "Expected numeric value type for metric. Found '1'"),
        ("metrics.m LIKE 1", "Invalid comparator 'LIKE' not one of '{'=', '!=', '>', '>=', '<', '<='}'"),
        ("metrics.m==1", "Invalid comparator '==' not one of '{'=', '!=', '>', '>=', '<', '<='}'"),
        (
            "metrics.m IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'm'",
        ),
        (
            "end_time IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'end_time'",
        ),
        (
            "status IN ('RUNNING')",
            "Only ['run_id'] attributes support comparison with a list of quoted string values.",
        ),
        (
            "run_id IN ()",
            (
                "While parsing a list in the query, expected a non-empty list of string values, "
                "but got empty list"
            ),
        ),
        (
            "run_id IN (8)",
            (
                "While parsing a list in the query, expected string value, punctuation, or whitespace, "
                "but got different type in list: (8)"
            ),
        ),
        ("start_time = '10'", "Expected numeric value type for numeric attribute: start_time. Found '10'"),
        (
            "lifecycle_stage = 'active'",
            f"Invalid attribute key 'lifecycle_stage' specified. Valid keys are '{RUN_ATTRIBUTES}'",
        ),
        (
            "foo.bar = 'x'",
            (
                "Invalid entity type 'foo'. "
                "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
            ),
        ),
        ("metrics.m", "Invalid clause(s) in filter string: 'metrics.m'"),
        ("a = 'x' AND foo bar AND b = 'y'", "Invalid clause(s) in filter string: 'foo bar'"),
        ("params.p = abc", QUOTE_HINT),
        (
            "params.p > 'a'",
            "Invalid comparator '>' not one of '{'=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'}'",
        ),
        (
            "params.p RLIKE 'a.*'",
            "Invalid comparator 'RLIKE' not one of '{'=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'}'",
        ),
        (
            "params.p not  like 'a%'",
            (
                "Invalid comparator 'NOT LIKE' not one of "
                "'{'=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'}'"
            ),
        ),
        (
            "params.q IN ('x y')",
            "Expected a quoted string value for parameter (e.g. 'my-value'). Got value ('x y')",
        ),
        (
            "dataset.foo = 'x'",
            "Invalid dataset key 'foo' specified. Valid keys are '{'name', 'digest', 'context'}'",
        ),
        ("   ", "Invalid filter '   '. Could not be parsed."),
        ("1 = 1", "Invalid comparison clause. Expected 'Identifier' found '1'"),
    ],
)
def test_a_wrong_run_filter_is_rejected_in_mlflows_words(text: str, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        compile_runs(experiment_ids=[1], filter=text, order_by=[], deleted=False, limit=10, page_token="")
    assert (caught.value.error_code, caught.value.message) == (INVALID, message)
