"""Trace search: MLflow's filter and order over the trace views, one page a statement."""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_run_id
from tracklog_contract.trace_keys import LINKED_PROMPTS_TAG, SESSION, SOURCE_RUN
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.grammar import parse_filter
from tracklog_projector.search.keyset import SortKey
from tracklog_projector.search.matching import indexed_text_matches, integer_matches, text_matches
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.select import Branch, select
from tracklog_projector.search.trace_names import (
    ASSESSMENTS,
    CONTENT,
    ISSUE,
    METADATA,
    NUMBERS,
    SPAN,
    SPAN_ATTRIBUTE,
    TEXTS,
    TRACES,
    TraceCondition,
    trace_condition,
    trace_name,
)
from tracklog_projector.search.tree import Both, Comparison, Either, Negation, Node
from tracklog_projector.search.vocabulary import ATTRIBUTE, NULL_TESTS, TAG, Name, order

ORDER_KEYS_MAX: Final = 20
_TABLES: Final = {TAG: "trace_tag", METADATA: "trace_metadata"}
_SAME_TRACE: Final = "f.partition = t.partition and f.trace_id = t.trace_id"


def compile_traces(
    *,
    experiment_ids: Sequence[int],
    filter: str,  # noqa: A002  # the protocol's own word
    order_by: Sequence[str],
    limit: int,
    page_token: str,
) -> Query:
    """The statement that finds a page of traces.

    Rows: trace_id, and the sort keys that page tokens are made of.
    Raises: Rejected, for a filter, order or token that is not valid.
    """
    tree, arguments = parse_filter(filter), Arguments()
    keys = _keys(order_by, arguments)
    scope = sorted(set(experiment_ids))
    search = fingerprint("traces", scope, filter, list(order_by))
    after = read_token(page_token, search, keys)
    conditions = [_in_experiments(scope, arguments)]
    if tree is not None:
        conditions.append(_predicate(tree, scope, arguments))
    branch = Branch("trace t", tuple(conditions), keys)
    sql = select(branch, after, arguments.bind(limit + 1, "bigint"), arguments)
    return Query(sql, arguments.values, limit, token_writer(search, keys))


def _in_experiments(scope: Sequence[int], arguments: Arguments, alias: str = "t") -> str:
    if len(scope) == 1:
        return f"{alias}.experiment_id = {arguments.bind(scope[0], 'bigint')}"
    return f"{alias}.experiment_id = any({arguments.bind(scope, 'bigint[]')})"


def _predicate(node: Node, scope: Sequence[int], arguments: Arguments) -> str:
    """The tree as SQL. Conditions on spans that stand side by side under an AND are about one span."""
    match node:
        case Negation(term):
            return f"not ({_predicate(term, scope, arguments)})"
        case Either(terms):
            return f"({' or '.join(_predicate(term, scope, arguments) for term in terms)})"
        case Both(terms):
            of_span = [leaf for term in terms if (leaf := _of_span(term)) is not None]
            others = [term for term in terms if _of_span(term) is None]
            parts = [_predicate(term, scope, arguments) for term in others]
            if of_span:
                parts.append(_span_matches(of_span, arguments))
            return f"({' and '.join(parts)})"
    assert isinstance(node, Comparison)
    return _matches(trace_condition(node), scope, arguments)


def _of_span(node: Node) -> TraceCondition | None:
    meets = trace_condition(node) if isinstance(node, Comparison) else None
    return meets if meets is not None and meets.name.entity == SPAN else None


def _matches(meets: TraceCondition, scope: Sequence[int], arguments: Arguments) -> str:
    """Whether a trace meets a condition: true or false, never null."""
    name, value = meets.name, meets.value
    if name.entity == SPAN:
        return _span_matches([meets], arguments)
    if name.entity in (*ASSESSMENTS, ISSUE):
        return _assessment_matches(meets, scope, arguments)
    if name.entity == ATTRIBUTE:
        if isinstance(value, Decimal):
            return _told(integer_matches(NUMBERS[name.key], meets.comparator, value, arguments))
        return _told(_text_matches(TEXTS[name.key], meets, arguments))
    if name == Name(METADATA, SOURCE_RUN) and meets.comparator == "=":
        return _of_run(str(value), arguments)
    if name == Name(TAG, LINKED_PROMPTS_TAG):
        # Nothing links traces to versions of prompts here.
        return "false"
    return _key_matches(meets, arguments)


def _told(condition: str) -> str:
    return f"coalesce(({condition}), false)"


def _key_matches(meets: TraceCondition, arguments: Arguments) -> str:
    table, has_key = _TABLES[meets.name.entity], f"f.key = {arguments.bind(meets.name.key, 'text')}"
    there = f"select from {table} f where {_SAME_TRACE} and {has_key}"
    if meets.comparator in NULL_TESTS:
        return f"{'not ' if meets.comparator == 'IS NULL' else ''}exists ({there})"
    if isinstance(meets.value, str) and meets.comparator in ("=", "LIKE"):
        matches = indexed_text_matches("f", meets.comparator, meets.value, arguments)
    else:
        matches = _text_matches("f.value", meets, arguments)
    return f"exists ({there} and {matches})"


def _of_run(run_id: str, arguments: Arguments) -> str:
    """Whether a trace was made in a run or is linked to it."""
    made = (
        f"exists (select from trace_metadata f where {_SAME_TRACE} and f.key = "
        f"{arguments.bind(SOURCE_RUN, 'text')} and {indexed_text_matches('f', '=', run_id, arguments)})"
    )
    parsed = parse_run_id(run_id)
    if parsed is None:
        return made
    run = arguments.bind(parsed, "uuid")
    return f"({made} or exists (select from trace_run f where {_SAME_TRACE} and f.run_id = {run}))"


def _span_matches(conditions: Sequence[TraceCondition], arguments: Arguments) -> str:
    """Whether one span of a trace meets all of the conditions."""
    parts = " and ".join(_one_span_matches(meets, arguments) for meets in conditions)
    return f"exists (select from span f where {_SAME_TRACE} and {parts})"


def _one_span_matches(meets: TraceCondition, arguments: Arguments) -> str:
    key, value = meets.name.key, meets.value
    if not key.startswith(SPAN_ATTRIBUTE):
        matches = _text_matches("f.content" if key == CONTENT else f"f.{key}", meets, arguments)
        # A span of no type is neither of a type nor of another one.
        return f"(f.type <> '' and {matches})" if key == "type" else matches
    assert isinstance(value, str)
    attribute = key.removeprefix(SPAN_ATTRIBUTE)
    if meets.comparator != "RLIKE":
        # As MLflow does: the pattern is one of the span's whole JSON.
        return text_matches("f.content", meets.comparator, f'%"{attribute}"{value}%', arguments)
    # An attribute's value is JSON text within the JSON.
    start, inner = ('"\\\\"', value[1:]) if value.startswith("^") else ('"\\\\".*', value)
    end, inner = ('\\\\"', inner[:-1]) if inner.endswith("$") else ("", inner)
    return f"f.content ~ {arguments.bind(f'{re.escape(json.dumps(attribute))}: {start}{inner}{end}', 'text')}"


def _assessment_matches(meets: TraceCondition, scope: Sequence[int], arguments: Arguments) -> str:
    """Whether something is said of a trace, or of its session by what is said of another trace of that."""
    kind = arguments.bind(meets.name.entity, "text")
    if meets.name.entity == ISSUE:
        named = f"f.name = {arguments.bind(meets.value, 'text')}"
        return f"exists (select from assessment f where {_SAME_TRACE} and f.kind = {kind} and {named})"
    said = f"f.kind = {kind} and f.name = {arguments.bind(meets.name.key, 'text')} and f.valid"
    if meets.comparator not in NULL_TESTS:
        said += f" and {_said_value_matches(meets, arguments)}"
    session = arguments.bind(SESSION, "text")
    of_trace = f"exists (select from assessment f where {_SAME_TRACE} and {said})"
    of_session = (
        "exists (select from trace_metadata s"
        " inner join trace_metadata o on o.partition = s.partition and o.key = s.key"
        " and o.start = s.start and o.value = s.value"
        f" inner join trace r on r.partition = o.partition and r.trace_id = o.trace_id"
        f" and {_in_experiments(scope, arguments, 'r')}"
        " inner join assessment f on f.partition = o.partition and f.trace_id = o.trace_id"
        f" where s.partition = t.partition and s.trace_id = t.trace_id and s.key = {session}"
        f" and f.of_session and {said})"
    )
    either = f"({of_trace} or {of_session})"
    return f"not {either}" if meets.comparator == "IS NULL" else either


def _said_value_matches(meets: TraceCondition, arguments: Arguments) -> str:
    value = meets.value
    if isinstance(value, Decimal):
        return f"coalesce(f.number {meets.comparator} {arguments.bind(float(value), 'float8')}, false)"
    assert isinstance(value, str)
    if meets.comparator in ("=", "!="):
        # Text is kept as JSON, in quotes; numbers and truth values are compared as they are written.
        either = arguments.bind([value, json.dumps(value)], "text[]")
        return f"f.value = any({either})" if meets.comparator == "=" else f"f.value <> all({either})"
    return _text_matches("f.value", meets, arguments)


def _text_matches(expression: str, meets: TraceCondition, arguments: Arguments) -> str:
    assert isinstance(meets.value, str | tuple)
    if meets.comparator == "RLIKE":
        return f"{expression} ~ {arguments.bind(meets.value, 'text')}"
    return text_matches(expression, meets.comparator, meets.value, arguments)


def _keys(order_by: Sequence[str], arguments: Arguments) -> tuple[SortKey, ...]:
    if len(order_by) > ORDER_KEYS_MAX:
        raise Rejected(INVALID, f"`order_by` may hold at most {ORDER_KEYS_MAX} fields.")
    keys: dict[str, SortKey] = {}
    for number, text in enumerate(order_by):
        name, descending = order(text, TRACES)
        key = _key(number, trace_name(name), descending, arguments)
        if key.column in keys:
            raise Rejected(INVALID, f"`order_by` contains duplicate fields: {list(order_by)}")
        keys[key.column] = key
    keys.setdefault("timestamp_ms", SortKey("timestamp_ms", "t.timestamp_ms", "bigint", descending=True))
    keys.setdefault("trace_id", SortKey("trace_id", "t.trace_id", "text"))
    return tuple(keys.values())


def _key(number: int, name: Name, descending: bool, arguments: Arguments) -> SortKey:
    if name.entity == ATTRIBUTE:
        if name.key in NUMBERS:
            sql = NUMBERS[name.key]
            column = name.key.removesuffix("_ms") + "_ms"
            return SortKey(column, sql, "bigint", descending, nullable=sql == "t.duration_ms")
        if name.key == "experiment_id":
            return SortKey(name.key, "t.experiment_id", "bigint", descending)
        column = TEXTS[name.key].removeprefix("t.")
        return SortKey(column, TEXTS[name.key], "text", descending)
    if name.entity not in _TABLES:
        raise Rejected(INVALID, f"Invalid identifier type '{name.entity}'")
    value = (
        f"(select f.value from {_TABLES[name.entity]} f where {_SAME_TRACE}"
        f" and f.key = {arguments.bind(name.key, 'text')})"
    )
    return SortKey(f"key_{number}", value, "text", descending, nullable=True)
