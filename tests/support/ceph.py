"""Starts Ceph's S3 gateway for tests, from Debian's packages, over one storage daemon in memory.

It takes some 15 seconds. Its conditional writes are atomic; it takes no notice of `x-amz-checksum-*`.
"""

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.support.s3 import S3Server, free_ports, running, wait_for_port
from tests.support.server import scratch_dir

ACCESS_KEY, SECRET_KEY = "CEPHACCESSKEY", "ceph-secret"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph")


def missing_programs() -> list[str]:
    """Which of Ceph's programs this machine has not."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextlib.contextmanager
def running_ceph() -> Iterator[S3Server]:
    """A Ceph of one node that is ready; nothing of it is left afterwards."""
    with scratch_dir() as root, contextlib.ExitStack() as stack:
        monitor_ports = free_ports(3)
        port = monitor_ports.pop()
        _configure(root, monitor_ports, port)

        def start(name: str, *command: str) -> "subprocess.Popen[bytes]":
            log = root / f"{name}.out"
            return stack.enter_context(
                running([*command, "-c", f"{root}/ceph.conf", "-f"], log, _environment())
            )

        _make_monitor(root, monitor_ports)
        start("mon", "ceph-mon", "-i", "a")
        _make_storage(root)
        start("osd", "ceph-osd", "-i", "0", "--keyring", f"{root}/osd/keyring")
        gateway = start("rgw", "radosgw", "-n", "client.admin", "--rgw-data", f"{root}/rgw")
        user = ("--uid=t", "--display-name=t", f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")
        _run(root, "radosgw-admin", "user", "create", *user)
        wait_for_port(port, gateway, root / "rgw.out")
        yield S3Server(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY)


def _configure(root: Path, monitor_ports: list[int], port: int) -> None:
    for folder in ("mon", "osd", "rgw", "run"):
        (root / folder).mkdir()
    v2, v1 = monitor_ports
    (root / "ceph.conf").write_text(f"""[global]
fsid = {uuid.uuid4()}
mon_initial_members = a
mon_host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 1000
osd_objectstore = memstore
memstore_device_bytes = 4294967296
run_dir = {root}/run
admin_socket = {root}/run/$cluster-$name.asok
log_file = {root}/$name.log
pid_file = {root}/run/$name.pid
mon_data = {root}/mon
osd_data = {root}/osd
keyring = {root}/keyring
# Otherwise answers wait for acknowledgements of what went before: 20 requests a second.
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_thread_pool_size = 32
""")


def _make_monitor(root: Path, ports: list[int]) -> None:
    ring = f"{root}/keyring"
    _run(
        root, "ceph-authtool", "--create-keyring", ring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"
    )
    everything = [part for daemon in ("mon", "osd", "mgr") for part in ("--cap", daemon, "allow *")]
    _run(root, "ceph-authtool", ring, "--gen-key", "-n", "client.admin", *everything)
    address = f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"
    _run(root, "monmaptool", "--create", "--addv", "a", address, f"{root}/monmap")
    _run(root, "ceph-mon", "-i", "a", "--mkfs", "--monmap", f"{root}/monmap", "--keyring", ring)


def _make_storage(root: Path) -> None:
    osd_id, ring = str(uuid.uuid4()), f"{root}/osd/keyring"
    caps = ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
    _run(root, "ceph-authtool", "--create-keyring", ring, "--gen-key", "-n", "osd.0", *caps)
    secret = _run(root, "ceph-authtool", ring, "-n", "osd.0", "-p").strip()
    (root / "osd.json").write_text(json.dumps({"cephx_secret": secret}))
    _run(root, "ceph", "--connect-timeout", "30", "osd", "new", osd_id, "-i", f"{root}/osd.json")
    _run(root, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_id, "--keyring", ring)


def _run(root: Path, *command: str) -> str:
    done = subprocess.run(
        [*command, "-c", f"{root}/ceph.conf"], capture_output=True, text=True, timeout=90, env=_environment()
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    # Ceph's tools are Python programs of the system's own Python.
    own = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if name not in own}
