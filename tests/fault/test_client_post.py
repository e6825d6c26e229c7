"""The sender's HTTP: credentials, TLS, proxies, and connections that end when nobody looks."""

import datetime as dt
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

import msgpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import tracklog
from tests.support.fake_lane import FakeLane, error, fake_lane
from tests.support.spools import problems, sender_logs, wait_until
from tracklog.config import login_name
from tracklog.post import Post
from tracklog.spool import outboxes


def test_credentials_go_to_the_server_and_not_to_the_disk(lane: FakeLane, spool: Path, monkeypatch):
    monkeypatch.setenv("TRACKLOG_TOKEN", "s3cret-token")
    with tracklog.init(lane.url) as run:
        run.log({"a": 1})
    assert run.flush(20)
    assert {headers["Authorization"] for headers in lane.headers} == {"Bearer s3cret-token"}
    for path in spool.rglob("*"):
        if path.is_file():
            assert b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in sender_logs(spool)


def test_a_login_waits_for_no_other_and_goes_in_no_other_s_name(lane: FakeLane, spool: Path, monkeypatch):
    lane.lets_in = lambda headers: headers.get("Authorization") != "Bearer expired"
    monkeypatch.setenv("TRACKLOG_TOKEN", "expired")
    shut_out = tracklog.init(lane.url)
    shut_out.log({"a": 1})
    assert "set TRACKLOG_TOKEN" in wait_until(lambda: problems(spool))[0]
    monkeypatch.setenv("TRACKLOG_TOKEN", "good")
    with tracklog.init(lane.url) as let_in:
        let_in.log({"a": 2})
    assert let_in.flush(20)
    # A sender that was not let in makes way for one with the login of now.
    shut_out.finish()
    assert shut_out.flush(40)
    assert {run_id: run.statuses for run_id, run in lane.runs.items()} == {
        shut_out.id: ["FINISHED"],
        let_in.id: ["FINISHED"],
    }
    assert len({outbox.path for outbox in outboxes(spool) if not outbox.holds_files}) == 2


def test_the_name_of_an_outbox_holds_no_password():
    user = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "guess me"}
    assert login_name(user) == login_name({**user, "MLFLOW_TRACKING_PASSWORD": "another"}) == "ada:"
    assert login_name({}) == ""


def test_a_request_goes_by_way_of_the_proxy_of_the_environment(lane: FakeLane, monkeypatch):
    monkeypatch.setenv("http_proxy", lane.url)
    post = Post("http://tracklog.invalid/prefix", {})
    lane.script += [error(503, "X", "from the proxy")]
    answer = post.send(b"")
    post.close()
    assert (answer.status, lane.headers[0]["Host"]) == (503, "tracklog.invalid")


def test_a_proxy_that_is_no_url_is_told_as_what_keeps_from_the_server(lane: FakeLane, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://u:s3cret@[h:1")
    with pytest.raises(OSError, match="the environment's http_proxy is no URL"):
        Post(lane.url.replace("127.0.0.1", "tracklog.invalid"), {}).send(b"")


def test_a_connection_that_the_server_closed_while_it_was_idle_is_no_failure():
    """One answer for each connection, without a word that it will be closed."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        post = Post(f"http://127.0.0.1:{listener.getsockname()[1]}", {})

        def serve() -> None:
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        listener.settimeout(10)
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        for _ in range(3):
            assert post.send(b"x").body == b"ok"
            time.sleep(0.05)
        server.join()
        post.close()
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            post.send(b"x")


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def test_https_is_used_with_the_system_s_authorities_only(tmp_path: Path, monkeypatch):
    certificate_file, key_file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    with fake_lane(tls=context) as lane:
        assert lane.url.startswith("https://")
        lane.script += [error(503, "X", "secure")] * 2
        stranger = Post(lane.url, {"TRACKLOG_TOKEN": "s3cret"})
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.send(b"x")
        assert lane.headers == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate_file))
        friend = Post(lane.url, {"TRACKLOG_TOKEN": "s3cret"})
        assert friend.send(b"x").status == 503
        friend.close()
        assert lane.headers[0]["Authorization"] == "Bearer s3cret"


def test_files_go_by_https_and_take_no_credentials_to_the_store(tmp_path: Path, spool: Path, monkeypatch):
    certificate_file, key_file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_file))
    monkeypatch.setenv("TRACKLOG_TOKEN", "s3cret")
    data = os.urandom(5 * 2**20)
    with fake_lane(tls=context) as lane:
        lane.artifacts.single_max, lane.artifacts.part_size = 2**20, 2 * 2**20
        with tracklog.init(lane.url) as run:
            run.log_file(data, "large")
            run.log_file(b"s", "small")
            assert run.download("large", to=tmp_path).read_bytes() == data
        assert lane.artifacts.content(run.id) == {"large": data, "small": b"s"}
        assert len(lane.artifacts.store_headers) == 5
        assert all("Authorization" not in headers for headers in lane.artifacts.store_headers)
        assert run.flush(20)


def test_counters_of_the_fake_are_honest(lane: FakeLane):
    """The fake stores a producer's request once, and counts what would have come twice."""
    body = msgpack.packb({"producer": b"p" * 16, "sequence": 1, "runs": [{"run_id": "r", "begin": {}}]})
    post = Post(lane.url, {})
    assert msgpack.unpackb(post.send(body).body)["duplicate"] is False
    assert msgpack.unpackb(post.send(body).body)["duplicate"] is True
    gap = msgpack.packb({"producer": b"p" * 16, "sequence": 3, "runs": []})
    assert post.send(gap).status == 409
    post.close()
    assert lane.runs["r"].points == Counter()
