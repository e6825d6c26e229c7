"""The plugin takes a server only where it is tracklog's and lets the sender in as it lets MLflow in."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow.store.tracking.rest_store import RestStore

from tests.support.spools import wait_until
from tracklog.mlflow_plugin import build_store, lane, probe
from tracklog.mlflow_plugin.store import TracklogStore


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    status = 200
    signed = True
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        if self.server.signed:
            self.send_header("Tracklog-Version", "1")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def new_probe(monkeypatch, server: _Server) -> Callable[[], probe.Probe]:
    monkeypatch.setattr(probe, "ASK_AGAIN_S", 0.05)
    return lambda: probe.Probe(f"http://127.0.0.1:{server.server_port}")


def answer(asked: probe.Probe) -> bool | None:
    """What is known in the end."""
    return wait_until(lambda: (known := asked.is_tracklog()) is not None and (known,))[0]


@pytest.mark.parametrize(
    ("status", "signed", "is_tracklog"),
    [(200, True, True), (404, True, True), (401, True, False), (403, True, False), (404, False, False)],
)
def test_what_a_server_answers_is_remembered(new_probe, server, status, signed, is_tracklog):
    server.status, server.signed = status, signed
    asked = new_probe()
    assert answer(asked) is is_tracklog
    server.status, server.signed = 200, not is_tracklog
    assert asked.is_tracklog() is is_tracklog
    assert server.asked == 1


def test_a_server_that_cannot_answer_yet_is_asked_again(new_probe, server):
    server.status, server.signed = 503, False
    asked = new_probe()
    wait_until(lambda: asked.is_tracklog() or server.asked > 1)
    assert asked.is_tracklog() is None
    server.status, server.signed = 200, True
    assert answer(asked) is True


def test_no_server_at_all_is_no_error(monkeypatch, capsys):
    monkeypatch.setenv("http_proxy", "http://proxy:nonsense")
    monkeypatch.setattr(probe, "ASK_AGAIN_S", 0.0)
    for url in ("http://127.0.0.1:1", "http://nowhere.invalid"):
        asked = probe.Probe(url)
        assert asked.is_tracklog() is None
        wait_until(lambda asked=asked: asked._not_before)
        assert asked.is_tracklog() is None
    assert capsys.readouterr().err == ""


@pytest.fixture(autouse=True)
def on(monkeypatch):
    monkeypatch.setenv("TRACKLOG_MLFLOW_PLUGIN", "1")


@pytest.mark.parametrize("uri", ["http://user:secret@127.0.0.1:1", "http://127.0.0.1:1/?a=b"])
def test_what_the_sender_cannot_reach_is_left_to_mlflow(uri, caplog):
    caplog.set_level(logging.DEBUG, "tracklog")
    store = build_store(uri)
    assert store._native_lane() is None
    assert store.get_host_creds().host == uri
    assert "secret" not in caplog.text
    assert not lane._lanes


def test_a_wrong_setting_is_told_and_costs_nothing_but_speed(monkeypatch, caplog):
    monkeypatch.setenv("TRACKLOG_SPOOL_BYTES_MAX", "much")
    assert build_store("http://127.0.0.1:1")._native_lane() is None
    assert "TRACKLOG_SPOOL_BYTES_MAX must be a whole number" in caplog.text


def test_an_mlflow_that_calls_its_store_otherwise_keeps_its_own(monkeypatch):
    assert type(build_store("http://127.0.0.1:1")) is TracklogStore

    def log_batch(self, run_id, metrics, params, tags, something_new=None):
        """A later MLflow's."""

    monkeypatch.setattr(RestStore, "log_batch", log_batch)
    assert type(build_store("http://127.0.0.1:1")) is RestStore


def test_an_mlflow_that_lacks_something_keeps_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "tracklog.mlflow_plugin.store", None)
    assert type(build_store("http://127.0.0.1:1")) is RestStore
