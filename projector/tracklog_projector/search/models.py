"""Logged-models search: MLflow's filter, datasets and order over the model views, one page a statement."""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.grammar import check_text, parse_filter
from tracklog_projector.search.keyset import SortKey
from tracklog_projector.search.matching import integer_matches, metric_matches, text_matches
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.predicate import predicate
from tracklog_projector.search.select import Branch, ids_of, select, select_per_scope
from tracklog_projector.search.tree import Both, Comparison, Either, Negation, Node
from tracklog_projector.search.vocabulary import (
    ATTRIBUTE,
    LIST_COMPARATORS,
    METRIC,
    PARAM,
    TAG,
    Condition,
    Vocabulary,
    condition,
)

ORDER_KEYS_MAX: Final = 20
DATASETS_MAX: Final = 100

_TIMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "creation_timestamp": "m.created_ms",
        "creation_time": "m.created_ms",
        "last_updated_timestamp": "m.updated_ms",
        "last_updated_time": "m.updated_ms",
    }
)
# A status has a short name, the one of the protocol's enum, and for the third also the Python client's.
_STATUS_NAMES: Final = (
    ("PENDING", "READY", "UPLOAD_FAILED"),
    ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"),
    ("PENDING", "READY", "FAILED"),
)
_STATUS_SQL: Final = tuple(
    f'((array[{", ".join(repr(name) for name in names)}])[m.status] collate "C")' for names in _STATUS_NAMES
)
_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name": "m.name",
        "model_id": "m.model_id",
        "model_type": "m.model_type",
        "source_run_id": "m.source_run_id",
        "status": _STATUS_SQL[0],
    }
)
_ATTRIBUTES: Final = (*_TEXTS, "experiment_id", *_TIMES)
_TABLES: Final[Mapping[str, str]] = MappingProxyType({PARAM: "model_param", TAG: "model_tag"})

MODELS: Final = Vocabulary(
    entities={
        **dict.fromkeys(("metric", "metrics"), METRIC),
        **dict.fromkeys(("parameter", "parameters", "param", "params"), PARAM),
        **dict.fromkeys(("tag", "tags"), TAG),
        **dict.fromkeys(("attribute", "attributes", "attr"), ATTRIBUTE),
    },
    entities_hint="Expected one of ['attributes', 'metrics', 'params', 'tags'].",
    attributes=_ATTRIBUTES,
    order_attributes=_ATTRIBUTES,
    numeric=frozenset(_TIMES),
    listable=frozenset({*_TEXTS, "experiment_id"}),
    null_tests=frozenset(),
    null_tests_hint="Invalid comparison: {key} {comparator}. Expected a comparison with 3 tokens.",
)


@dataclass(frozen=True)
class ModelDataset:
    """A dataset that a model was measured on; without digest, any version of it."""

    name: str
    digest: str | None = None


@dataclass(frozen=True)
class ModelOrder:
    """One order_by entry; a metric may be the one measured on a dataset."""

    field_name: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


def compile_models(
    *,
    experiment_ids: Sequence[int] | None,
    filter: str,  # noqa: A002  # the protocol's own word
    datasets: Sequence[ModelDataset],
    order_by: Sequence[ModelOrder],
    limit: int,
    page_token: str,
    readable: Sequence[int] | None = None,
) -> Query:
    """The statement that finds a page of logged models that are not deleted.

    `experiment_ids`: None for all experiments, however many there are by the next page; of which only those
    that are `readable` are looked at, unless that is None. A page token holds for these ids in this order
    only, as MLflow's does.
    `datasets` restricts what metric comparisons look at; without any, a model needs some metric on one.
    Rows: model_id, and the sort keys that page tokens are made of.
    Raises: Rejected, for a filter, dataset, order or token that is not valid.
    """
    tree, arguments = parse_filter(filter), Arguments()
    keys = _keys(order_by, arguments)
    details = [[astuple(entry) for entry in entries] for entries in (datasets, order_by)]
    asked = None if experiment_ids is None else list(experiment_ids)
    search = fingerprint("models", asked, filter, *details)
    after = read_token(page_token, search, keys)
    on_datasets = _on_datasets(datasets, arguments)
    conditions = ["m.experiment_id = of_experiment.id", "m.deleted = false"]
    if tree is not None:
        conditions.append(predicate(tree, lambda leaf: _matches(leaf, on_datasets, arguments)))
    if datasets and not _asks_about_metrics(tree):
        conditions.append(_measured(on_datasets))
    row_limit = arguments.bind(limit + 1, "bigint")
    page = select(Branch("model m", tuple(conditions), keys), after, row_limit, arguments)
    looked_at = readable if asked is None else asked
    experiments = None if looked_at is None else sorted(set(looked_at))
    sql = select_per_scope(f"{ids_of(experiments, arguments)} as of_experiment(id)", page, keys, row_limit)
    return Query(sql, arguments.values, limit, token_writer(search, keys))


def _on_datasets(datasets: Sequence[ModelDataset], arguments: Arguments) -> str:
    """Whether a row `f` of model_metric was measured on one of the datasets; true when there are none."""
    if len(datasets) > DATASETS_MAX:
        raise Rejected(INVALID, f"`datasets` may hold at most {DATASETS_MAX} entries.")
    if not all(dataset.name for dataset in datasets):
        raise Rejected(INVALID, "`dataset_name` in the `datasets` clause must be specified.")
    terms = [_on_dataset(dataset.name, dataset.digest, arguments) for dataset in datasets]
    return f"({' or '.join(terms)})" if terms else "true"


def _on_dataset(name: str | None, digest: str | None, arguments: Arguments) -> str:
    terms = []
    for column, value in (("dataset_name", name), ("dataset_digest", digest)):
        if value:
            check_text(value, column)
            terms.append(f"f.{column} = {arguments.bind(value, 'text')}")
    return f"({' and '.join(terms) or 'true'})"


def _measured(matches: str) -> str:
    return (
        "exists (select from model_metric f where f.partition = m.partition and f.model_id = m.model_id"
        f" and {matches})"
    )


def _asks_about_metrics(node: Node | None) -> bool:
    if isinstance(node, Comparison):
        return condition(node, MODELS).name.entity == METRIC
    if isinstance(node, Negation):
        return _asks_about_metrics(node.term)
    return isinstance(node, Both | Either) and any(_asks_about_metrics(term) for term in node.terms)


def _matches(comparison: Comparison, on_datasets: str, arguments: Arguments) -> str:
    meets = condition(comparison, MODELS)
    entity, value = meets.name.entity, meets.value
    if entity == ATTRIBUTE:
        return _attribute_matches(meets, arguments)
    has_key = f"f.key = {arguments.bind(meets.name.key, 'text')}"
    if isinstance(value, float):
        matches = metric_matches("f.value", meets.comparator, value, arguments)
        return _measured(f"{has_key} and {matches} and {on_datasets}")
    assert isinstance(value, str)
    return (
        f"exists (select from {_TABLES[entity]} f where f.partition = m.partition and f.model_id = m.model_id"
        f" and {has_key} and {text_matches('f.value', meets.comparator, value, arguments)})"
    )


def _attribute_matches(meets: Condition, arguments: Arguments) -> str:
    key, comparator, value = meets.name.key, meets.comparator, meets.value
    if isinstance(value, Decimal):
        return integer_matches(_TIMES[key], comparator, value, arguments)
    assert isinstance(value, str | tuple)
    if key == "status":
        joint = " and " if comparator in ("!=", "NOT IN") else " or "
        return f"({joint.join(text_matches(sql, comparator, value, arguments) for sql in _STATUS_SQL)})"
    if key != "experiment_id":
        return text_matches(_TEXTS[key], comparator, value, arguments)
    if comparator in ("LIKE", "ILIKE"):
        return text_matches("m.experiment_id::text", comparator, value, arguments)
    texts = value if isinstance(value, tuple) else (value,)
    listed = arguments.bind([parse_experiment_id(text) for text in texts], "bigint[]")
    is_among = comparator in ("=", LIST_COMPARATORS[0])
    return f"m.experiment_id {'= any' if is_among else '<> all'}({listed})"


def _keys(order_by: Sequence[ModelOrder], arguments: Arguments) -> tuple[SortKey, ...]:
    if len(order_by) > ORDER_KEYS_MAX:
        raise Rejected(INVALID, f"`order_by` may hold at most {ORDER_KEYS_MAX} fields.")
    keys: dict[str, SortKey] = {}
    for number, entry in enumerate(order_by):
        key = _key(number, entry, arguments)
        # An attribute given twice is one column: its first direction decides.
        keys.setdefault(key.column, key)
    keys.setdefault("created_ms", SortKey("created_ms", "m.created_ms", "bigint", descending=True))
    keys.setdefault("model_id", SortKey("model_id", "m.model_id", "text"))
    return tuple(keys.values())


def _key(number: int, entry: ModelOrder, arguments: Arguments) -> SortKey:
    name, descending = entry.field_name, not entry.ascending
    check_text(name, "order_by field")
    if "." in name:
        entity, _, metric = name.partition(".")
        if entity != "metrics":
            raise Rejected(INVALID, f"Invalid order by field name: {name}. Only metrics are supported.")
        latest = _latest_metric(metric, entry, arguments)
        return SortKey(f"key_{number}", latest, "float8", descending, nullable=True, may_be_nan=True)
    if name in _TIMES:
        return SortKey(_TIMES[name].removeprefix("m."), _TIMES[name], "bigint", descending)
    if name == "status":
        return SortKey(name, "m.status::bigint", "bigint", descending)
    if name == "experiment_id":
        return SortKey(name, "m.experiment_id", "bigint", descending)
    if name in _TEXTS:
        return SortKey(name, _TEXTS[name], "text", descending)
    raise Rejected(INVALID, f"Invalid order by field name: {name}")


def _latest_metric(metric: str, entry: ModelOrder, arguments: Arguments) -> str:
    on_dataset = _on_dataset(entry.dataset_name, entry.dataset_digest, arguments)
    return (
        "(select f.value from model_metric f where f.partition = m.partition and f.model_id = m.model_id"
        f" and f.key = {arguments.bind(metric, 'text')} and {on_dataset}"
        ' order by f."timestamp" desc, f.step desc, f.run_id limit 1)'
    )
