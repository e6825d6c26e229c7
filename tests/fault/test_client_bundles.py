"""Small files that the server takes in bundles: each arrives once, whatever the server answers meanwhile."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tracklog
from tests.support.fake_lane import FakeLane
from tests.support.spools import segments, wait_until
from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.bundles import BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX
from tracklog.upload_now import upload_now
from tracklog_contract.errors import Rejected

TIMEOUT_S = 20.0
SMALL = 64 * 1024

pytestmark = pytest.mark.usefixtures("spool")


@pytest.fixture
def bundling(lane: FakeLane) -> FakeLane:
    """A server that asks for small files in bundles."""
    lane.artifacts.bundle_max = SMALL
    return lane


def bundles(lane: FakeLane) -> list[list[str]]:
    """The paths in each bundle that has come."""
    return [
        [file["path"] for file in fields["files"]]
        for name, fields in lane.artifacts.asked
        if name == "bundle"
    ]


def test_small_files_come_in_bundles_and_large_ones_by_themselves(bundling: FakeLane, spool: Path):
    chance = random.Random(1)
    files = {f"d{n % 7}/{n}": chance.randbytes(chance.choice((0, 10, 10_000, SMALL))) for n in range(700)}
    files["large"] = chance.randbytes(SMALL + 1)
    with tracklog.init(bundling.url) as run:
        for path, data in files.items():
            run.log_file(data, path)
    assert run.flush(TIMEOUT_S)
    assert bundling.artifacts.content(run.id) == files
    assert set(bundling.artifacts.puts.values()) == {1}
    sent = bundles(bundling)
    assert sorted(path for paths in sent for path in paths) == sorted(set(files) - {"large"})
    for paths in sent:
        assert len(paths) <= BUNDLE_FILES_MAX
        assert sum(len(files[path]) for path in paths) <= BUNDLE_BYTES_MAX
    wait_until(lambda: not segments(spool))


def test_a_bundle_that_was_not_taken_is_sent_again(bundling: FakeLane):
    bundling.artifacts.bundle_script.extend([503, 500, 429, 200, 401, 502])
    with tracklog.init(bundling.url) as run:
        for number in range(600):
            run.log_file(b"%d" % number, str(number))
    assert run.flush(TIMEOUT_S)
    assert bundling.artifacts.content(run.id) == {str(number): b"%d" % number for number in range(600)}
    assert set(bundling.artifacts.puts.values()) == {1}


def test_one_file_that_spoils_its_bundle_is_found_and_told(
    bundling: FakeLane, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    answered = bundling.artifacts.call

    def call(name: str, fields: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if name == "bundle" and any(file["path"] == "bad" for file in fields["files"]):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such name"}
        return answered(name, fields)

    monkeypatch.setattr(bundling.artifacts, "call", call)
    with tracklog.init(bundling.url) as run:
        for path in ("a", "bad", "c"):
            run.log_file(path.encode(), path)
    assert run.flush(TIMEOUT_S)
    assert bundling.artifacts.content(run.id) == {"a": b"a", "c": b"c"}
    wait_until(lambda: any("no such name" in record.getMessage() for record in caplog.records))


def test_a_front_end_that_waits_sends_bundles_too(bundling: FakeLane, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    bundling.artifacts.knows = lambda owner: True
    upload_now(ArtifactApi(bundling.url, {}), Owner("r"), [(tmp_path / "a", "x/a"), (tmp_path / "b", "b")])
    assert bundling.artifacts.content("r") == {"x/a": b"a", "b": b"b"}
    bundling.artifacts.bundle_script.extend([400])
    with pytest.raises(Rejected, match="as the script says"):
        upload_now(ArtifactApi(bundling.url, {}), Owner("r"), [(tmp_path / "a", "c")])


def test_a_file_that_changes_on_its_way_is_refused_and_the_others_are_sent(
    bundling: FakeLane, tmp_path: Path
):
    files = [(tmp_path / name, name) for name in ("kept", "changed", "deleted")]
    for local, name in files:
        local.write_bytes(name.encode())

    def change(_: str) -> bool:
        (tmp_path / "changed").write_bytes(b"CHANGED")
        (tmp_path / "deleted").unlink(missing_ok=True)
        return True

    bundling.artifacts.knows = change
    with pytest.raises(Rejected, match=r"has changed since|no longer there"):
        upload_now(ArtifactApi(bundling.url, {}), Owner("r"), files)
    assert bundling.artifacts.content("r") == {"kept": b"kept"}


def test_threads_do_not_spoil_each_other_s_bodies(bundling: FakeLane):
    bundling.artifacts.knows = lambda owner: True
    data = [random.Random(number).randbytes(SMALL // 2) * 2 for number in range(20)]

    def send(of: int) -> None:
        api = ArtifactApi(bundling.url, {})
        for number in range(10):
            files = [
                {"path": f"{of}/{number}/{name}", "sha256": hashlib.sha256(one).hexdigest(), "data": one}
                for name, one in enumerate(data)
            ]
            assert {answer["state"] for answer in api.bundle(Owner("r"), files)} == {"stored"}
        api.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(4)))
    assert len(bundling.artifacts.content("r")) == 4 * 10 * len(data)
