"""MLflow's own web page works on this server in a real browser: no view is empty, nothing fails uncaught."""

import re
import time
from pathlib import Path
from urllib.parse import quote

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from tests.support.otlp import export, new_trace, request, span, trace_id_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
expect = playwright.expect

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs the browser {CHROMIUM}")
WAIT_MS = 20_000
SETTLE_MS = 500
RUNS = 3
POINTS = 20
# Optional features of the page that this server does not have; it asks for them, and lives without.
ABSENT = re.compile(r"/(assistant|datasets)/|/traces/metrics$|/users/current$")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        # The sandbox needs rights that containers do not give; the pages are all our own.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def story(tracking_server):
    """The id of an experiment, and those of its runs."""
    client = MlflowClient(tracking_server.url)
    experiment = client.create_experiment("seen in a browser")
    dataset = mlflow.data.from_numpy(np.zeros(3), name="toy")
    runs = []
    for number in range(RUNS):
        run = client.create_run(experiment, run_name=f"run-{number}")
        run_id = run.info.run_id
        runs.append(run_id)
        client.log_param(run_id, "depth", number)
        for step in range(POINTS):
            client.log_metric(run_id, "loss", 1 / (step + 1 + number), step=step)
        client.log_metric(run_id, "accuracy", 0.625 + number / 8)
        client.log_text(run_id, "read in the artifact viewer", "folder/notes.txt")
        client.log_inputs(run_id, [mlflow.entities.DatasetInput(dataset._to_mlflow_entity())])
        client.set_terminated(run_id)
    return experiment, runs


@pytest.fixture(scope="module")
def trace_id(tracking_server, story):
    """The id of a trace of two spans in the experiment."""
    trace = new_trace()
    # The page shows the traces of the last week.
    now = {"start_ns": time.time_ns(), "elapsed_ns": 10_000_000}
    root = span(trace, 1, name="ask the oracle", **now, mlflow__spanInputs={"question": "where to?"})
    child = span(trace, 2, 1, name="look it up", **now, mlflow__spanOutputs="to the north")
    assert export(tracking_server.url, request(root, child), story[0]) == 200
    return trace_id_of(trace)


@pytest.fixture
def page(browser, tracking_server):
    """A new page, which must come to its end without an uncaught error and without a failed request."""
    context = browser.new_context(base_url=tracking_server.url, viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(f"uncaught at {page.url}: {error}"))
    page.on("response", lambda answer: wrong.extend(_refused(answer)))
    yield page
    # It keeps asking for news, so that the network is never idle.
    page.wait_for_timeout(SETTLE_MS)
    context.close()
    assert wrong == []


def _refused(answer):
    if answer.status >= 400 and not ABSENT.search(answer.url.partition("?")[0]):
        yield f"{answer.request.method} {answer.url}: {answer.status}"


def shown(page, text, **options):
    """The first place where `text` is seen, once it is."""
    found = page.get_by_text(text, **options).first
    expect(found).to_be_visible(timeout=WAIT_MS)
    return found


def test_the_experiments_are_listed_and_one_is_opened(page, story):
    page.goto("/#/experiments")
    shown(page, "seen in a browser", exact=True).click()
    page.wait_for_url(f"**/experiments/{story[0]}**")


def test_the_runs_of_an_experiment_are_searched(page, story):
    page.goto(f"/#/experiments/{story[0]}/runs")
    for number in range(RUNS):
        shown(page, f"run-{number}", exact=True)
    shown(page, f"{RUNS} matching runs")
    search = page.get_by_placeholder("metrics.rmse < 1")
    search.fill("params.depth = '1' and metrics.loss < 0.9")
    search.press("Enter")
    shown(page, "1 matching run", exact=True)
    shown(page, "run-1", exact=True)
    expect(page.get_by_text("run-0", exact=True)).to_have_count(0)
    shown(page, "toy")


def test_a_wrong_search_tells_what_is_wrong(browser, tracking_server, story):
    # Without the fixture `page`: here a request is to fail.
    with browser.new_context(base_url=tracking_server.url) as context:
        page = context.new_page()
        page.goto(f"/#/experiments/{story[0]}/runs?searchFilter={quote('params.depth ~ 1')}")
        shown(page, "Request error")
        shown(page, "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1")


def test_the_runs_are_charted(page, story):
    page.goto(f"/#/experiments/{story[0]}/runs?compareRunsMode=CHART")
    for metric in ("accuracy", "loss"):
        shown(page, metric, exact=True)
    points = page.locator(".js-plotly-plot .scatterlayer .point")
    expect(points).to_have_count(RUNS * POINTS, timeout=WAIT_MS)


def test_a_run_is_shown(page, story):
    experiment, runs = story
    page.goto(f"/#/experiments/{experiment}/runs/{runs[1]}")
    shown(page, "Metrics (2)")
    shown(page, "0.75", exact=True)
    shown(page, "Parameters (1)")
    shown(page, runs[1], exact=True)
    shown(page, "Finished")
    shown(page, "toy")


def test_the_metrics_of_a_run_are_charted(page, story):
    experiment, runs = story
    page.goto(f"/#/experiments/{experiment}/runs/{runs[0]}/model-metrics")
    expect(page.locator(".js-plotly-plot .barlayer .point")).to_have_count(1, timeout=WAIT_MS)
    expect(page.locator(".js-plotly-plot .scatterlayer .point")).to_have_count(POINTS, timeout=WAIT_MS)


def test_an_artifact_is_viewed(page, story):
    experiment, runs = story
    page.goto(f"/#/experiments/{experiment}/runs/{runs[0]}/artifacts")
    shown(page, "folder", exact=True).click()
    shown(page, "notes.txt", exact=True).click()
    shown(page, "read in the artifact viewer")


def test_runs_are_compared(page, story):
    experiment, runs = story
    runs, experiments = (quote(str(ids).replace("'", '"')) for ids in (runs[:2], [experiment]))
    page.goto(f"/#/compare-runs?runs={runs}&experiments={experiments}")
    shown(page, "Comparing 2 Runs from 1 Experiment")
    for number in range(2):
        shown(page, f"run-{number}", exact=True)
    expect(page.locator(".js-plotly-plot .parcoords").first).to_be_visible(timeout=WAIT_MS)


def test_a_trace_is_listed_and_opened(page, story, trace_id):
    page.goto(f"/#/experiments/{story[0]}/traces")
    shown(page, "where to?").click()
    shown(page, "ask the oracle")
    shown(page, "look it up").click()
    shown(page, "to the north")
