"""Downloads: whole and verified whatever the store does, and nowhere but below their directory."""

import os
import random
from pathlib import Path

import pytest

import tracklog
from tests.support.fake_lane import FakeLane, FakeRun
from tests.support.spools import start_program
from tracklog import download as downloads
from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.download import download

RUN_ID = "0" * 32
OWNER = Owner(RUN_ID)
RANGE_BYTES = 2**20

pytestmark = pytest.mark.usefixtures("spool", "small_ranges")


@pytest.fixture
def small_ranges(monkeypatch) -> None:
    """Files of more than a MiB are large."""
    monkeypatch.setattr(downloads, "RANGE_BYTES", RANGE_BYTES)


@pytest.fixture
def api(lane: FakeLane):
    """The endpoints of a server that knows one run."""
    lane.runs[RUN_ID] = FakeRun()
    api = ArtifactApi(lane.url, {})
    yield api
    api.close()


def put(lane: FakeLane, **files: bytes) -> None:
    lane.artifacts.files.update({(RUN_ID, path.replace("__", "/")): data for path, data in files.items()})


def tree(directory: Path) -> dict[str, bytes]:
    """The files below a directory; a part that nobody fetched to its end counts too."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_run_lists_and_downloads_what_it_has_logged(lane: FakeLane, tmp_path: Path):
    with tracklog.init(lane.url) as run:
        for path in ("a", "d/b", "d/c", "d/e/f", "e"):
            run.log_file(path.encode(), path)
        assert [(a.path, a.is_dir, a.size) for a in run.artifacts()] == [
            ("a", False, 1),
            ("d", True, None),
            ("e", False, 1),
        ]
        found = run.artifacts("d", recursive=True)
        assert [(a.path, a.size) for a in found] == [("d/b", 3), ("d/c", 3), ("d/e/f", 5)]
        assert all(len(a.sha256) == 64 for a in found)
        assert run.artifacts("a") == run.artifacts("nothing") == []
        assert run.download("d/b", to=tmp_path / "one") == tmp_path / "one/d/b"
        assert tree(tmp_path / "one") == {"d/b": b"d/b"}
        assert run.download("d", to=tmp_path / "two") == tmp_path / "two/d"
        assert tree(tmp_path / "two") == {path: path.encode() for path in ("d/b", "d/c", "d/e/f")}
        assert run.download(to=str(tmp_path / "all")) == tmp_path / "all"
        assert len(tree(tmp_path / "all")) == 5
        with pytest.raises(tracklog.Rejected, match="no such file"):
            run.download("nothing", to=tmp_path)
    with tracklog.resume("f" * 32, lane.url) as run, pytest.raises(tracklog.Rejected):
        run.artifacts()
    with tracklog.init(mode="offline") as run, pytest.raises(tracklog.BadInput):
        run.artifacts()


def test_large_files_come_in_ranges_through_every_failure(lane: FakeLane, api: ArtifactApi, tmp_path: Path):
    """Answers cut short in the middle, errors of both kinds."""
    large = random.Random(1).randbytes(3 * RANGE_BYTES + 7)
    put(lane, d__large=large, d__empty=b"", d__small=b"s")
    lane.artifacts.script += [None, 503, 403, None, 404, 500]
    assert download(api, OWNER, "d", tmp_path) == tmp_path / "d"
    assert tree(tmp_path) == {"d/large": large, "d/small": b"s", "d/empty": b""}
    assert len([wanted for path, wanted in lane.artifacts.gets if path == "d/large"]) > 4
    before = len(lane.artifacts.gets)
    (tmp_path / "d/small").write_bytes(b"S")
    download(api, OWNER, "", tmp_path)
    # What lies there as it is at the server is not fetched again.
    assert [path for path, _ in lane.artifacts.gets[before:]] == ["d/small"]
    assert tree(tmp_path) == {"d/large": large, "d/small": b"s", "d/empty": b""}


def test_a_download_goes_on_where_a_killed_one_was(lane: FakeLane, api: ArtifactApi, tmp_path: Path):
    large = random.Random(2).randbytes(4 * RANGE_BYTES)
    put(lane, large=large)
    code = """
        import sys, time, tracklog
        from pathlib import Path
        from tracklog import download
        download.RANGE_THREADS = 1
        download.RANGE_BYTES = 2**20
        written = [0]
        def slow(fd, piece, at, write=download._write_at):
            write(fd, piece, at)
            written[0] += len(piece)
            if written[0] == 3 * download.RANGE_BYTES:
                print("now", flush=True)
                time.sleep(60)
        download._write_at = slow
        tracklog.resume("0" * 32, sys.argv[1]).download(to=sys.argv[2])
    """
    program = start_program(code, lane.url, str(tmp_path))
    assert program.stdout is not None
    assert program.stdout.readline() == "now\n"
    program.kill()
    program.communicate()
    assert "large" not in tree(tmp_path)
    before = len(lane.artifacts.gets)
    download(api, OWNER, "large", tmp_path)
    assert tree(tmp_path) == {"large": large}
    starts = sorted(int(wanted[6:].partition("-")[0]) for _, wanted in lane.artifacts.gets[before:])
    assert starts == [2 * RANGE_BYTES, 3 * RANGE_BYTES]


def test_damaged_and_replaced_files_are_fetched_anew_or_not_given(
    lane: FakeLane, api: ArtifactApi, tmp_path: Path, monkeypatch
):
    put(lane, a=b"right")
    served = lane.artifacts.read
    monkeypatch.setattr(lane.artifacts, "read", lambda key: b"wrong")
    with pytest.raises(tracklog.Unavailable, match="SHA-256"):
        download(api, OWNER, "a", tmp_path)
    assert tree(tmp_path) == {}
    answers = [b"wrong"]
    monkeypatch.setattr(lane.artifacts, "read", lambda key: answers.pop() if answers else served(key))
    download(api, OWNER, "a", tmp_path)
    assert tree(tmp_path) == {"a": b"right"}


def test_a_store_that_stays_away_is_told_of_in_time(lane: FakeLane, api: ArtifactApi, tmp_path: Path):
    put(lane, a=b"a")
    lane.artifacts.script += [503] * 100
    with pytest.raises(tracklog.Unavailable, match="does not give a file"):
        download(api, OWNER, "a", tmp_path, patience_s=0.3)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a//b", ".", "link/out", "b\\..\\out", ""])
def test_names_that_lead_out_of_the_directory_are_refused(
    lane: FakeLane, api: ArtifactApi, tmp_path: Path, name: str
):
    """A hostile server, and a link in the directory that leads elsewhere."""
    target = tmp_path / "in"
    target.mkdir()
    (target / "link").symlink_to(tmp_path)
    lane.artifacts.files[RUN_ID, name] = b"evil"
    with pytest.raises(tracklog.Rejected, match="would lead out"):
        download(api, OWNER, "", target)
    assert tree(tmp_path) == {}


def test_a_link_in_a_file_s_place_is_replaced_and_not_followed(
    lane: FakeLane, api: ArtifactApi, tmp_path: Path
):
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").symlink_to(tmp_path / "other")
    put(lane, a=b"a")
    download(api, OWNER, "a", tmp_path / "in")
    assert ((tmp_path / "other").read_bytes(), (tmp_path / "in/a").is_symlink()) == (b"other", False)


def test_two_may_fetch_the_same_large_file_at_once(lane: FakeLane, tmp_path: Path):
    large = random.Random(3).randbytes(RANGE_BYTES + 1)
    put(lane, large=large)
    lane.runs[RUN_ID] = FakeRun()
    code = """
        import sys, tracklog
        from tracklog import download
        download.RANGE_BYTES = 2**20
        tracklog.resume("0" * 32, sys.argv[1]).download("large", to=sys.argv[2])
    """
    programs = [start_program(code, lane.url, str(tmp_path)) for _ in range(2)]
    assert [program.communicate(timeout=30)[1] for program in programs] == ["", ""]
    assert tree(tmp_path) == {"large": large}


def test_a_full_disk_is_an_error_of_the_disk(lane: FakeLane, api: ArtifactApi, tmp_path: Path, monkeypatch):
    def full(fd: int, piece: memoryview) -> None:
        raise OSError(28, os.strerror(28))

    put(lane, a=b"a")
    monkeypatch.setattr(downloads, "write_all", full)
    with pytest.raises(OSError, match="No space left"):
        download(api, OWNER, "a", tmp_path)
    assert tree(tmp_path) == {}
