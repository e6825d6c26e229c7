"""Search: filters, orders and page tokens of MLflow's protocol, compiled to PostgreSQL."""

from tracklog_projector.search.experiments import compile_experiments
from tracklog_projector.search.models import ModelDataset, ModelOrder, compile_models
from tracklog_projector.search.pages import Query
from tracklog_projector.search.runs import compile_runs
from tracklog_projector.search.traces import compile_traces

__all__ = [
    "ModelDataset",
    "ModelOrder",
    "Query",
    "compile_experiments",
    "compile_models",
    "compile_runs",
    "compile_traces",
]
