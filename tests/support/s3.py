"""A real S3 server for tests: where it is, and how its keys are given."""

import contextlib
import functools
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60.0


@dataclass
class S3Server:
    """An S3 server's address and the keys to it."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @functools.cached_property
    def session(self) -> Any:
        """A boto3 session that has the keys."""
        import boto3  # noqa: PLC0415 - half a second, for those who use one only

        return boto3.session.Session(self.access_key, self.secret_key, region_name=self.region)

    @functools.cached_property
    def client(self) -> Any:
        """A boto3 client of it."""
        from botocore.config import Config  # noqa: PLC0415 - as above

        options = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
        return self.session.client("s3", endpoint_url=self.endpoint, config=options)

    @functools.cached_property
    def bucket(self) -> str:
        """The name of a bucket that all tests share, each below a prefix of its own."""
        self.client.create_bucket(Bucket="shared")
        return "shared"

    def environment(self) -> dict[str, str]:
        """The variables by which every AWS client finds the keys, and looks for no others."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def free_ports(count: int) -> list[int]:
    """As many TCP ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@contextlib.contextmanager
def running(
    command: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is ended afterwards; what it says goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until `process` listens; fails with what it said when it ends instead."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        assert process.poll() is None, f"{process.args} ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"{process.args} does not listen:\n{log.read_text()}"
        time.sleep(0.02)
