"""Starts OpenStack Swift with its S3 API for tests: a real server from PyPI that is there in a second.

It checks signatures, checksums and the parts of uploads as S3 does. It keeps no checksums to tell later, and
of concurrent conditional writes several succeed.
"""

import contextlib
import getpass
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.s3 import S3Server, free_ports, running, wait_for_port
from tests.support.server import scratch_dir

ROOT = Path(__file__).parents[2]
ACCOUNT, USER, SECRET = "test", "tester", "swift-secret"
# Buckets are also found by host names: BUCKET.STORAGE_DOMAIN.
STORAGE_DOMAIN = "s3.test"
STORAGE = ("account", "container", "object")
FILTERS = (
    *("catch_errors", "gatekeeper", "listing_formats", "bulk", "s3api", "tempauth", "copy"),
    *("slo", "dlo", "symlink"),
)
PIPELINE = (
    "catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo dlo symlink proxy-server"
)


class Swift:
    """The processes of a Swift of one node. Killed and started again, it has what it stored."""

    def __init__(self, root: Path, stack: contextlib.ExitStack) -> None:
        self._root = root
        self._stack = stack
        self._ports = dict(zip((*STORAGE, "proxy"), free_ports(4), strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        _configure(root, self._ports)
        _make_rings(root, self._ports)

    @property
    def server(self) -> S3Server:
        """Its address and keys."""
        return S3Server(f"http://127.0.0.1:{self._ports['proxy']}", f"{ACCOUNT}:{USER}", SECRET)

    def start(self) -> None:
        """Start all processes, and wait until they listen."""
        bin_dir = Path(sys.executable).parent
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        for name in self._ports:
            command = [
                sys.executable,
                str(bin_dir / f"swift-{name}-server"),
                str(self._root / f"{name}.conf"),
            ]
            process = running(command, self._root / f"{name}.log", environment)
            self._processes[name] = self._stack.enter_context(process)
        for name, port in self._ports.items():
            wait_for_port(port, self._processes[name], self._root / f"{name}.log")

    def names(self, container: str) -> list[str]:
        """Everything in a container, by Swift's own protocol, which reaches those that are no buckets."""
        headers = {"X-Auth-User": f"{ACCOUNT}:{USER}", "X-Auth-Key": SECRET}
        with _get(f"{self.server.endpoint}/auth/v1.0", headers) as answer:
            token, account = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
        with _get(f"{account}/{quote(container)}?format=json", {"X-Auth-Token": token}) as answer:
            return [item["name"] for item in json.load(answer)]

    def kill(self) -> None:
        """SIGKILL all processes."""
        for process in self._processes.values():
            process.kill()
            process.wait()


def _get(url: str, headers: Mapping[str, str]) -> Any:
    return urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)))


@contextlib.contextmanager
def swift_processes() -> Iterator[Swift]:
    """A Swift of one node that is ready; nothing of it is left afterwards."""
    with scratch_dir() as root, contextlib.ExitStack() as stack:
        swift = Swift(root, stack)
        swift.start()
        yield swift


@contextlib.contextmanager
def running_swift() -> Iterator[S3Server]:
    """The address of a Swift of one node, as `swift_processes` gives it."""
    with swift_processes() as swift:
        yield swift.server


def _configure(root: Path, ports: dict[str, int]) -> None:
    (root / "devices" / "d1").mkdir(parents=True)
    (root / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n"
        "[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    for name in STORAGE:
        chunks = "disk_chunk_size = 1048576\nnetwork_chunk_size = 1048576\n" if name == "object" else ""
        (root / f"{name}.conf").write_text(
            _defaults(root, ports[name])
            + f"devices = {root}/devices\nmount_check = false\nfallocate_reserve = 0\n"
            + f"[pipeline:main]\npipeline = {name}-server\n"
            + f"[app:{name}-server]\nuse = egg:swift#{name}\n{chunks}"
        )
    (root / "proxy.conf").write_text(
        _defaults(root, ports["proxy"])
        + f"[pipeline:main]\npipeline = {PIPELINE}\n"
        + "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        + "allow_account_management = true\nobject_chunk_size = 1048576\nclient_chunk_size = 1048576\n"
        + "[filter:cache]\npaste.filter_factory = tests.support.swift_cache:filter_factory\n"
        + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n{_options(name)}" for name in FILTERS)
    )


def _defaults(root: Path, port: int) -> str:
    return (
        f"[DEFAULT]\nswift_dir = {root}\nuser = {getpass.getuser()}\nworkers = 0\n"
        f"bind_ip = 127.0.0.1\nbind_port = {port}\n"
        # No system log listens there: the processes' own output says enough.
        "log_level = WARNING\nlog_address = /nonexistent\nlog_udp_host = 127.0.0.1\nlog_udp_port = 9\n"
        # Whoever lists a bucket must see what was stored before: on a slow machine too, no update is put off.
        "conn_timeout = 10\nnode_timeout = 60\ncontainer_update_timeout = 60\n"
    )


def _options(name: str) -> str:
    if name == "s3api":
        return (
            f"storage_domain = {STORAGE_DOMAIN}\nlocation = us-east-1\ns3_acl = false\n"
            "cors_preflight_allow_origin = *\n"
        )
    if name == "tempauth":
        return f"user_{ACCOUNT}_{USER} = {SECRET} .admin\n"
    return ""


def _make_rings(root: Path, ports: dict[str, int]) -> None:
    # In a process of its own: Swift brings eventlet, which would warn at every fork of this one.
    places = [f"{name}={ports[name]}" for name in STORAGE]
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.swift_rings", str(root), *places]
    subprocess.run(command, cwd=ROOT, check=True)
