"""Experiments search: MLflow's filter and order over the experiment views, one page a statement."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.grammar import parse_filter
from tracklog_projector.search.keyset import SortKey
from tracklog_projector.search.matching import integer_matches, text_matches
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.predicate import predicate
from tracklog_projector.search.select import Branch, select
from tracklog_projector.search.tree import Comparison
from tracklog_projector.search.vocabulary import ATTRIBUTE, TAG, Condition, Vocabulary, condition, order

_ATTRIBUTES: Final = ("name", "experiment_id", "creation_time", "last_update_time")

EXPERIMENTS: Final = Vocabulary(
    entities={"attribute": ATTRIBUTE, "tag": TAG, "tags": TAG},
    entities_hint="Valid entity types are ('attribute', 'tag', 'tags')",
    attributes=_ATTRIBUTES,
    order_attributes=_ATTRIBUTES,
    numeric=frozenset({"creation_time", "last_update_time"}),
    listable=frozenset({"experiment_id"}),
    null_tests=frozenset({TAG}),
    null_tests_hint="IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'",
)

_KEYS: Final[Mapping[str, SortKey]] = MappingProxyType(
    {
        "name": SortKey("name", "e.name", "text"),
        "experiment_id": SortKey("experiment_id", "e.experiment_id", "bigint"),
        "creation_time": SortKey("created_ms", "e.created_ms", "bigint"),
        "last_update_time": SortKey("updated_ms", "e.updated_ms", "bigint"),
    }
)


def compile_experiments(
    *,
    workspace: str,
    filter: str,  # noqa: A002  # the protocol's own word
    order_by: Sequence[str],
    deleted: bool | None,
    limit: int,
    page_token: str,
    readable: Sequence[int] | None = None,
) -> Query:
    """The statement that finds a page of a workspace's experiments.

    `readable`: these only, unless None.
    `deleted`: only deleted experiments (True), only others (False), or both (None). Beyond MLflow's
    language a filter may hold OR, NOT and parentheses. Rows: experiment_id, and the sort keys of page tokens.
    Raises: Rejected, for a filter, order or token that is not valid.
    """
    tree, keys = parse_filter(filter), _keys(order_by)
    search = fingerprint("experiments", workspace, filter, list(order_by), deleted)
    after = read_token(page_token, search, keys)
    arguments = Arguments()
    conditions = [f"e.workspace = {arguments.bind(workspace, 'text')}"]
    if readable is not None:
        conditions.append(f"e.experiment_id = any({arguments.bind(readable, 'bigint[]')})")
    if deleted is not None:
        conditions.append(f"e.deleted = {arguments.bind(deleted, 'boolean')}")
    if tree is not None:
        conditions.append(predicate(tree, lambda leaf: _matches(leaf, arguments)))
    branch = Branch("experiment e", tuple(conditions), keys)
    sql = select(branch, after, arguments.bind(limit + 1, "bigint"), arguments)
    return Query(sql, arguments.values, limit, token_writer(search, keys))


def _keys(order_by: Sequence[str]) -> tuple[SortKey, ...]:
    if not order_by:
        order_by, tie_descends = ["creation_time DESC"], False
    else:
        tie_descends = True
    named: dict[str, bool] = {}
    for entry in order_by:
        name, descending = order(entry, EXPERIMENTS)
        if name.entity != ATTRIBUTE:
            raise Rejected(INVALID, f"Invalid order_by entity: {name.entity}")
        # Given twice, a field's first direction decides.
        named.setdefault(name.key, descending)
    named.setdefault("experiment_id", tie_descends)
    return tuple(_KEYS[key].towards(descending=descending) for key, descending in named.items())


def _matches(comparison: Comparison, arguments: Arguments) -> str:
    meets = condition(comparison, EXPERIMENTS)
    if meets.name.entity == TAG:
        return _tag_matches(meets, arguments)
    if meets.name.key == "experiment_id":
        return _id_matches(meets, arguments)
    column = _KEYS[meets.name.key].sql
    if isinstance(meets.value, Decimal):
        if meets.value.as_tuple().exponent != 0:
            what = f"'{meets.name.key}': '{meets.value}'"
            raise Rejected(INVALID, f"Invalid value for numeric attribute {what}")
        return integer_matches(column, meets.comparator, meets.value, arguments)
    assert isinstance(meets.value, str)
    return text_matches(column, meets.comparator, meets.value, arguments)


def _tag_matches(meets: Condition, arguments: Arguments) -> str:
    has_key = (
        "exists (select from experiment_tag t where t.partition = e.partition"
        f" and t.experiment_id = e.experiment_id and t.key = {arguments.bind(meets.name.key, 'text')}"
    )
    if meets.value is None:
        return f"not {has_key})" if meets.comparator == "IS NULL" else f"{has_key})"
    assert isinstance(meets.value, str)
    return f"{has_key} and {text_matches('t.value', meets.comparator, meets.value, arguments)})"


def _id_matches(meets: Condition, arguments: Arguments) -> str:
    if meets.comparator in ("LIKE", "ILIKE"):
        raise Rejected(INVALID, f"Invalid comparator for experiment_id: {meets.comparator}")
    texts = meets.value if isinstance(meets.value, tuple) else (str(meets.value),)
    listed = arguments.bind([parse_experiment_id(text) for text in texts], "bigint[]")
    return f"e.experiment_id {'= any' if meets.comparator in ('=', 'IN') else '<> all'}({listed})"
