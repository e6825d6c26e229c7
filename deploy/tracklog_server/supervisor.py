"""The parent process: starts everything in order, keeps it running, and stops it all without remains."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from tracklog_artifacts.s3_config import S3Config
from tracklog_server.bell import Bell
from tracklog_server.child import Child, Spawn, reason
from tracklog_server.crew import Crew
from tracklog_server.data_dir import DataDirectory, Holder
from tracklog_server.embedded import EmbeddedPostgres
from tracklog_server.json_lines import log
from tracklog_server.listener import listen, url_of
from tracklog_server.problems import FAILED, AlreadyTold, StartError, StopRequested
from tracklog_server.settings import Settings
from tracklog_server.task import Database, OidcSettings, Role, Task

# Longer than a worker's own drain, so that it ends by itself.
DRAIN_S: Final = 12.0
PROJECTOR_STOP_S: Final = 5.0
POSTGRES_STOP_S: Final = 60.0
HEALTH_WAIT_S: Final = 60.0
TICK_S: Final = 1.0
# So many deaths in a row while starting mean that it will not start.
START_DEATHS_MAX: Final = 4
# What one worker's pools may hold (worker.py), and what the projector, rebuilds and people need besides.
CONNECTIONS_PER_WORKER: Final = 20
CONNECTIONS_BESIDES: Final = 24


def run(settings: Settings) -> int:
    """Run the server until it is told to stop; the exit code.

    Raises: StartError, when it cannot start.
    """
    held = DataDirectory.take(settings.data_dir)
    try:
        with Bell() as bell, listen(settings.host, settings.port) as listener:
            return _serve(settings, held, bell, listener)
    finally:
        held.release()


def _serve(settings: Settings, held: DataDirectory, bell: Bell, listener: socket.socket) -> int:
    postgres = None
    if settings.database_url is None:
        connections = CONNECTIONS_BESIDES + CONNECTIONS_PER_WORKER * settings.workers
        postgres = EmbeddedPostgres(settings.data_dir, connections)
        postgres.forget_socket_dir(held.last_holder.socket_dir)
        held.record(Holder(os.getpid(), str(postgres.socket_dir)))
    supervisor = Supervisor(settings, postgres, bell, listener)
    try:
        supervisor.start()
        sys.stdout.write(banner(settings, url_of(listener)))
        sys.stdout.flush()
        supervisor.watch()
    except StopRequested:
        pass
    finally:
        clean = supervisor.stop()
    return 0 if clean else 1


def banner(settings: Settings, url: str) -> str:
    """What the user reads when the server is ready."""
    database = "embedded PostgreSQL" if settings.database_url is None else "PostgreSQL at --database-url"
    return (
        f"tracklog is ready: {url}\n"
        f"  data       {settings.data_dir} ({database})\n"
        f"  artifacts  {settings.artifact_place}\n"
        "\n"
        "Point MLflow at it:\n"
        f"  export MLFLOW_TRACKING_URI={url}\n"
        "\n"
        "Ctrl-C stops it.\n"
    )


class Supervisor:
    """All processes of one server. Single-threaded: every wait serves deaths, signals and output."""

    def __init__(
        self, settings: Settings, postgres: EmbeddedPostgres | None, bell: Bell, listener: socket.socket
    ) -> None:
        self._settings = settings
        self._postgres = postgres
        self._bell = bell
        self._listener = listener
        self._postmaster = [Child("postgres", postgres.start)] if postgres else []
        self._prepare = Child("prepare", self._spawner("prepare"), once=True)
        self._projector = Child("projector", self._spawner("projector"))
        self._workers = [Child("worker", self._spawner("worker")) for _ in range(settings.workers)]
        self._crew = Crew(bell, [*self._postmaster, self._prepare, self._projector, *self._workers])
        self._ready = False

    def start(self) -> None:
        """Bring everything up, until the server answers.

        Raises: StartError. StopRequested.
        """
        self._make_artifact_dir()
        # They import their libraries while PostgreSQL starts, then wait for their go.
        for child in (self._prepare, self._projector, *self._workers):
            child.start()
        if self._postgres is not None:
            self._postgres.prepare()
            for child in self._postmaster:
                child.start()
            # However long recovery takes: while the postmaster lives, it works on it.
            self._wait_until(self._postgres.accepts)
        self._prepare.go()
        self._wait_until(lambda: not self._prepare.running)
        for child in (self._projector, *self._workers):
            child.go()
        self._wait_for_health()
        self._ready = True
        log("server_ready", url=url_of(self._listener))

    def watch(self) -> None:
        """Keep everything running until a stop is requested."""
        while not self._bell.stop_requests:
            self._crew.wait(TICK_S)

    def stop(self) -> bool:
        """Stop everything: workers finish what they have, then the projector, then PostgreSQL.

        A further request to stop kills at once.
        Returns: whether everything ended by itself.
        """
        if self._ready:
            log("server_stopping")
        self._listener.close()
        clean = self._crew.end([*self._workers, self._prepare], signal.SIGTERM, DRAIN_S)
        clean &= self._crew.end([self._projector], signal.SIGTERM, PROJECTOR_STOP_S)
        clean &= self._crew.end(self._postmaster, signal.SIGINT, POSTGRES_STOP_S, last=signal.SIGQUIT)
        if self._postgres is not None:
            self._postgres.close()
        return clean

    def _spawner(self, role: Role) -> Spawn:
        database: Database = "given"
        if self._postgres is not None:
            database = "new" if self._postgres.is_new else "embedded"
        listener_fd = self._listener.fileno()
        place = self._settings.artifact_place
        task = Task(
            role,
            os.getpid(),
            self._postgres.dsn if self._postgres else self._settings.database_url or "",
            database,
            artifact_dir="" if isinstance(place, S3Config) else str(place),
            s3=place if isinstance(place, S3Config) else None,
            quotas=self._settings.quotas,
            allowed_hosts=self._settings.allowed_hosts,
            auth=self._settings.auth,
            public_url=self._settings.public_url or "",
            oidc=_oidc(self._settings),
            listener_fd=listener_fd if role == "worker" else -1,
        )

        def spawn() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(  # noqa: S603 - our own module
                task.command(),
                env=task.environment(),
                stdin=subprocess.PIPE,
                stdout=2,
                pass_fds=[listener_fd] if role == "worker" else [],
                # Ctrl-C is for the parent, which stops its children in order.
                start_new_session=True,
            )

        return spawn

    def _make_artifact_dir(self) -> None:
        directory = self._settings.artifact_place
        if isinstance(directory, S3Config):
            return
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"artifacts cannot be kept in {directory}: {error.strerror}") from error

    def _wait_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._wait_in_start(0.01)

    def _wait_in_start(self, timeout_s: float, *files: int) -> list[int]:
        readable = self._crew.wait(timeout_s, *files)
        if self._bell.stop_requests:
            raise StopRequested
        if self._prepare.exit_code == FAILED:
            raise AlreadyTold
        if self._prepare.exit_code:
            raise StartError(f"the database could not be prepared: {reason(self._prepare.exit_code)}")
        for child in self._crew.children:
            if child.quick_deaths >= START_DEATHS_MAX:
                why = "; ".join(child.said) or "its log lines above say why"
                raise StartError(f"the process {child.name!r} ends whenever it is started: {why}")
        return readable

    def _wait_for_health(self) -> None:
        address = self._listener.getsockname()[:2]
        deadline = time.monotonic() + HEALTH_WAIT_S
        while time.monotonic() < deadline:
            # It waits in the backlog until a worker takes it: the first answer comes as early as can be.
            with socket.create_connection(address, timeout=1.0) as probe:
                probe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while time.monotonic() < deadline and not self._wait_in_start(TICK_S, probe.fileno()):
                    pass
                if _answer(probe).startswith(b"HTTP/1.1 200 "):
                    return
            self._wait_in_start(0.02)
        raise StartError(
            f"the server was not ready within {HEALTH_WAIT_S:.0f} s; its log lines above say why"
        )


def _oidc(settings: Settings) -> OidcSettings | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret or ""
    return OidcSettings(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_claim)


def _answer(probe: socket.socket) -> bytes:
    try:
        return probe.recv(64)
    except OSError:
        return b""  # the worker that had it died
