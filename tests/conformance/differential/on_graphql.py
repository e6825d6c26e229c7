"""The four GraphQL queries that MLflow's page sends, and what is no query of its schema."""

from tests.conformance.differential import values as v

RUN = """
    info { runName status runUuid runId experimentId artifactUri endTime lifecycleStage startTime userId }
    experiment { experimentId name tags { key value } artifactLocation lifecycleStage lastUpdateTime }
    data { metrics { key value step timestamp } params { key value } tags { key value } }
    inputs {
      datasetInputs { dataset { digest name profile schema source sourceType } tags { key value } }
      modelInputs { modelId }
    }
    outputs { modelOutputs { modelId step } }
    modelVersions { status version name source }
"""
GET_RUN = f"""query GetRun($data: MlflowGetRunInput!) @component(name: "page") {{
  mlflowGetRun(input: $data) {{ apiError {{ code message helpUrl }} run {{ {RUN} }} }}
}}"""
SEARCH_RUNS = f"""query SearchRuns($data: MlflowSearchRunsInput!) {{
  mlflowSearchRuns(input: $data) {{ apiError {{ code message }} nextPageToken runs {{ {RUN} }} }}
}}"""
SAMPLES = """query GetMetricHistoryBulkInterval($data: MlflowGetMetricHistoryBulkIntervalInput!) {
  mlflowGetMetricHistoryBulkInterval(input: $data) {
    __typename metrics { timestamp step runId key value } apiError { code message }
  }
}"""
GET_EXPERIMENT = """query MlflowGetExperimentQuery($data: MlflowGetExperimentInput!) {
  mlflowGetExperiment(input: $data) {
    apiError { code message }
    experiment { artifactLocation creationTime experimentId lifecycleStage name tags { key value } }
  }
}"""
NO_QUERIES = ["{", "{ nothing }", "", "{ a { b", "query Q($x: Nope!) { __typename }", "{ __typename }"]
QUERIES = frozenset({"get run", "search runs", "samples", "get experiment"})


def get_run(world):
    """mlflowGetRun."""
    _ask(world, "get run", GET_RUN, {"runId": world.some("run")})


def search_runs(world):
    """mlflowSearchRuns; without a view type, which MLflow's resolver fails to read."""
    data = {"experimentIds": world.made["experiment"][: world.pick(1, 2, 9)]}
    if world.chance(0.5):
        data["filter"] = world.pick("params.p1 = '1'", "metrics.m > 0", "status = 'FINISHED'", "foo = 'x'")
    # One mistake at a time: which is named first is each server's own affair.
    if data.get("filter") != "foo = 'x'" and world.chance(0.5):
        data["orderBy"] = [world.pick("metrics.m DESC", "start_time", "params.p1", "nope")]
    if world.chance(0.5):
        data["maxResults"] = world.pick(1, 3, 1000, 0)
    _ask(world, "search runs", SEARCH_RUNS, data)


def samples(world):
    """mlflowGetMetricHistoryBulkInterval."""
    data = {
        "runIds": [world.some("run")],
        "metricKey": world.pick("series", *v.COMMON_KEYS, *v.COMMON_KEYS, *v.KEYS),
    }
    if world.chance(0.5):
        data["maxResults"] = world.pick(1, 3, 2500, 0)
    if world.chance(0.4):
        data |= world.pick({"startStep": 0, "endStep": 2}, {"startStep": 1}, {"startStep": 2, "endStep": 1})
    _ask(world, "samples", SAMPLES, data)


def samples_of_nan(world):
    """The same of a metric whose only point is NaN."""
    if world.chance(0.3):
        run, key = world.known("run"), f"nan {world.number()}"
        world.send("POST runs/log-metric", {"run_id": run, "key": key, "value": "NaN", "timestamp": 1})
        _ask(world, "samples", SAMPLES, {"runIds": [run], "metricKey": key})


def get_experiment(world):
    """mlflowGetExperiment."""
    _ask(world, "get experiment", GET_EXPERIMENT, {"experimentId": world.some("experiment")})


def ask_badly(world):
    """What is no query, and variables that do not fit."""
    if world.chance(0.5):
        _send(world, {"query": world.deal("no query", NO_QUERIES), "variables": {}})
    else:
        data = world.pick({}, {"runId": 5}, {"nope": 1}, None, "x")
        _send(world, {"query": GET_RUN, "variables": {"data": data}})


def _ask(world, covered, query, data):
    data = {name: str(value) if name.endswith("Id") else value for name, value in data.items()}
    _send(world, {"query": query, "variables": {"data": data}}, frozenset({f"graphql {covered}"}))


def _send(world, fields, covers=frozenset()):
    world.send("POST /graphql", fields, base="", our_base="", covers=covers)
