"""An HTTP process: all rooms behind one aiohttp application, on the socket that the parent holds."""

import asyncio
import functools
import itertools
import socket
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from tracklog_artifacts.service import Artifacts
from tracklog_artifacts.stores import open_store, store_routes
from tracklog_contract.caller import Caller, Need
from tracklog_contract.limits import JSON_BODY_BYTES_MAX, parse_quotas
from tracklog_ingest import http as ingest_http
from tracklog_ingest import models_http, native_http, otlp, traces_http
from tracklog_ingest.service import Ingest, IngestConfig
from tracklog_projector import http as projector_http
from tracklog_projector import traces_http as trace_reads_http
from tracklog_projector import traces_v4_http
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_projector.graphql import http as graphql_http
from tracklog_projector.schema import LIVE
from tracklog_projector.service import Queries
from tracklog_projector.traces import TraceQueries
from tracklog_server import databricks, status, web_page
from tracklog_server.access import audit_http, permissions_http, roles_http, users_http, workspaces_http
from tracklog_server.access.authenticator import Authenticator, anyone
from tracklog_server.access.login_http import HOME, Login
from tracklog_server.access.machine_http import Machines
from tracklog_server.access.needs import need_of
from tracklog_server.access.office import Office
from tracklog_server.access.oidc import Provider
from tracklog_server.access.quotas_http import QuotaDesk
from tracklog_server.access.request_rates import RequestRates
from tracklog_server.database import open_pool
from tracklog_server.databricks_runs import ManyRuns
from tracklog_server.databricks_traces import TraceData
from tracklog_server.hosts import HostCheck
from tracklog_server.ledger import LogLedger
from tracklog_server.listener import BACKLOG
from tracklog_server.middleware import Handler, error_middleware
from tracklog_server.request_log import RequestLog
from tracklog_server.task import Task
from tracklog_server.trace_urls import TraceUrls
from tracklog_server.traffic import Traffic

# A search is planned for its own values, and is over before parallel workers would have started.
SEARCH_SETTINGS: Final = {"plan_cache_mode": "force_custom_plan", "max_parallel_workers_per_gather": "0"}
PREFIXES: Final = ("/api", "/ajax-api")
DRAIN_S: Final = 9.0
# For answers that are written by then, but not yet taken by their clients.
LAST_ANSWERS_S: Final = 1.0
# A GET of many run ids is long; aiohttp's own limit is 8 KiB.
REQUEST_LINE_BYTES_MAX: Final = 64 * 1024
# Slow searches must not keep the appender waiting for a connection: each has its own pool.
INGEST_CONNECTIONS_MAX: Final = 5
QUERY_CONNECTIONS_MAX: Final = 8
# Who asks for rights, admission among them, must not wait for either.
ACCESS_CONNECTIONS_MAX: Final = 3
# Changes of access wait for their turn at the log; who holds it may have to ask for rights.
OFFICE_CONNECTIONS_MAX: Final = 2

TRACKLOG_VERSION: Final = version("tracklog")

Route = tuple[str, str, Handler]
ARTIFACTS: Final = web.AppKey("artifacts", Artifacts)


async def run(task: Task, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then finish what has begun, for DRAIN_S at most.

    Raises: what ended a part of the service; the process is then started anew.
    """
    async with (
        open_pool(
            task.dsn, "ingest", schema="tracklog_log", connections_max=INGEST_CONNECTIONS_MAX
        ) as writing,
        open_pool(
            task.dsn,
            "queries",
            schema=LIVE,
            connections_max=QUERY_CONNECTIONS_MAX,
            settings=SEARCH_SETTINGS,
        ) as reading,
        open_pool(
            task.dsn, "access", schema="tracklog_access", connections_max=ACCESS_CONNECTIONS_MAX
        ) as asking,
        open_pool(
            task.dsn, "office", schema="tracklog_access", connections_max=OFFICE_CONNECTIONS_MAX
        ) as changing,
    ):
        queries = Queries(reading, task.dsn)
        ingest = _ingest(writing, queries, task)
        traffic = Traffic()
        authenticator = Authenticator(asking) if task.auth else None
        office = Office(changing, authenticator) if authenticator else None
        desk = QuotaDesk(changing, queries, parse_quotas(task.quotas))
        rates = RequestRates(asking)
        urls = TraceUrls(asking)
        application = _application(ingest, queries, traffic, task, urls, office, desk, rates)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(ingest.run(), name="ingest"),
                tasks.create_task(queries.run(), name="queries"),
                tasks.create_task(application[ARTIFACTS].run(), name="artifacts"),
                tasks.create_task(rates.run(), name="rates"),
            ]
            if authenticator is not None:
                running.append(tasks.create_task(authenticator.run(), name="access"))
            await _serve(application, traffic, task.listener_fd, stop)
            await ingest.drain()
            for service in running:
                service.cancel()


def _ingest(pool: Any, queries: Queries, task: Task) -> Ingest:
    # A client that changes a deleted model is answered with it all the same.
    read_model = functools.partial(queries.logged_model, allow_deleted=True)
    config = IngestConfig(quotas=parse_quotas(task.quotas))
    return Ingest(
        pool, config, views=queries.checkpoints, read_model=read_model, traces=TraceQueries(queries)
    )


def _application(
    ingest: Ingest,
    queries: Queries,
    traffic: Traffic,
    task: Task,
    urls: TraceUrls,
    office: Office | None = None,
    desk: QuotaDesk | None = None,
    rates: RequestRates | None = None,
) -> web.Application:
    store = open_store(task.artifact_place)
    ledger = LogLedger(ingest, ArtifactQueries(queries))
    artifacts = Artifacts(store, ledger, queries.artifact_uri, queries.model_artifact_uri)
    writes = (
        *ingest_http.routes(ingest),
        *models_http.routes(ingest),
        *native_http.routes(ingest),
        *traces_http.routes(ingest),
    )
    traces = TraceQueries(queries)
    reads = (
        *projector_http.routes(queries),
        *trace_reads_http.routes(traces),
        *traces_v4_http.routes(traces),
        *artifacts.routes(),
    )
    authenticator = office.authenticator if office is not None else None
    trace_data = TraceData(ingest, traces, artifacts, urls, authenticator, rates)
    many_runs = ManyRuns(ingest, queries)
    routes = (*writes, *reads, *databricks.routes(), *many_runs.routes(), *trace_data.routes())
    health = status.health(ingest.can_append, queries.projector_alive)
    root_routes: tuple[Route, ...] = (
        *artifacts.root_routes(),
        *store_routes(store),
        *databricks.root_routes(),
        *trace_data.root_routes(),
        *otlp.root_routes(ingest),
        *graphql_http.root_routes(queries),
        *web_page.routes(web_page.find_build()),
        ("GET", "/health", health),
        ("HEAD", "/health", health),
    )
    public = urlsplit(task.public_url).netloc
    hosts = HostCheck(task.allowed_hosts, any_host=office is not None, public=public)
    if office is not None:
        routes = (*routes, *access_routes(office))
        provider = Provider(task.oidc) if task.oidc else None
        login = Login(office, provider, task.public_url)
        guarded = ((m, path, login.before(h) if path == HOME else h) for m, path, h in root_routes)
        root_routes = (*guarded, *login.root_routes(), *Machines(office).root_routes())
    if desk is not None:
        routes = (*routes, *desk.routes())
    application = compose(routes, hosts, traffic, root_routes, authenticator, rates)
    application[ARTIFACTS] = artifacts
    return application


def access_routes(office: Office) -> tuple[Route, ...]:
    """The endpoints about who may do what, which are there with authentication only."""
    return (
        *permissions_http.routes(office),
        *users_http.routes(office),
        *roles_http.routes(office),
        *workspaces_http.routes(office),
        *audit_http.routes(office),
    )


def compose(
    routes: Iterable[Route],
    hosts: HostCheck,
    traffic: Traffic,
    root_routes: Iterable[Route] = (),
    authenticator: Authenticator | None = None,
    rates: RequestRates | None = None,
) -> web.Application:
    """The application that answers `routes` under each of PREFIXES, `root_routes`, and what it is itself.

    Raises: StartError, for a route of which nobody has said what it needs (access/needs.py).
    """
    needs: dict[web.AbstractRoute, Need] = {}

    async def identify(request: web.Request) -> Caller:
        # Whoever asks for what is not there hears that only when they are known.
        need = needs.get(request.match_info.route, Need.SIGNED_IN)
        if authenticator is None:
            who = anyone(request, need)
        else:
            who = await authenticator.caller(request, need)
        if rates is not None and need is not Need.OPEN:
            who = await rates.take(who)
        return who

    around = error_middleware(hosts, traffic, identify)
    application = web.Application(
        middlewares=[around, databricks.middleware()], client_max_size=JSON_BODY_BYTES_MAX
    )
    for method, path, handler in (*routes, *status.routes(enabled_workspaces=authenticator is not None)):
        for prefix, versioned in itertools.product(PREFIXES, _versions_of(path)):
            needs[application.router.add_route(method, prefix + versioned, handler)] = need_of(method, path)
    for method, path, handler in (*root_routes, *status.root_routes()):
        needs[application.router.add_route(method, path, handler)] = need_of(method, path)
    application.on_response_prepare.append(_sign)
    return application


async def _sign(_: web.Request, response: web.StreamResponse) -> None:
    """Tell every client that this is tracklog: its own client logs by a faster lane then.

    And every cache that an answer is its asker's alone, unless it says otherwise itself: at the same URL each
    principal and each workspace is answered differently.
    """
    response.headers["Tracklog-Version"] = TRACKLOG_VERSION
    response.headers.setdefault("Cache-Control", "no-store")


def _versions_of(path: str) -> tuple[str, ...]:
    """The paths of an endpoint: MLflow's clients find one of version 2.0 under 3.0 too."""
    # Traces are another thing in each version.
    if path.startswith("/2.0/mlflow/") and not path.startswith("/2.0/mlflow/traces"):
        return path, path.replace("/2.0/", "/3.0/", 1)
    return (path,)


async def _serve(
    application: web.Application, traffic: Traffic, listener_fd: int, stop: asyncio.Event
) -> None:
    runner = web.AppRunner(
        application,
        access_log_class=RequestLog,
        shutdown_timeout=LAST_ANSWERS_S,
        max_line_size=REQUEST_LINE_BYTES_MAX,
    )
    await runner.setup()
    try:
        with socket.socket(fileno=listener_fd) as listener:
            site = web.SockSite(runner, listener, backlog=BACKLOG)
            await site.start()
            await stop.wait()
            await site.stop()
        await traffic.drain(DRAIN_S)
    finally:
        await runner.cleanup()
