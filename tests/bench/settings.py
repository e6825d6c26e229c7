"""How much of everything a run measures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONNECTIONS: Final = 8
POINTS_PER_REQUEST: Final = 1000
HISTORY_PAGE: Final = 25_000  # what MLflow's clients ask for


@dataclass(frozen=True)
class Settings:
    """Sizes and durations; all get the same, but for what names the peers."""

    base_dir: Path
    repetitions: int = 3
    window_s: float = 4.0  # of load, per repetition
    sustained_s: float = 60.0  # of load, where the table says sustained
    start_repetitions: int = 2
    search_runs: tuple[int, int] = (20_000, 100_000)
    search_seconds: float = 3.0  # how long one query is repeated, at most
    history_points: int = 100_000
    idle_s: float = 3.0  # at rest before the idle memory reading
    disk_points: int = 5_000_000
    disk_points_peers: int = 200_000
    disk_settle_s: float = 90.0  # the longest wait for compaction
    client_calls: int = 50_000  # of those that write to a file and return
    client_calls_queued: int = 2_000  # of those that leave it to a thread to send
    client_seconds: float = 5.0  # of those that wait for an answer
    store_mib: int = 512  # moved to and from each artifact store
    small_files: int = 2_000
    large_file_bytes: int = 2**30
    proxied_bytes: int = 2 * 2**30
    endurance_points: int = 50_000_000
    crowd_trainers: int = 200
    crowd_readers: int = 20
    crowd_s: float = 120.0


def quick(base_dir: Path) -> Settings:
    """Just enough to see that everything works; its numbers mean little."""
    return Settings(
        base_dir,
        repetitions=1,
        window_s=1.0,
        sustained_s=5.0,
        start_repetitions=1,
        search_runs=(1_000, 2_000),
        search_seconds=0.5,
        history_points=100_000,
        idle_s=1.0,
        disk_points=400_000,
        disk_points_peers=20_000,
        disk_settle_s=20.0,
        client_calls=1_000,
        client_calls_queued=200,
        client_seconds=1.0,
        store_mib=64,
        small_files=100,
        large_file_bytes=64 * 2**20,
        proxied_bytes=128 * 2**20,
        endurance_points=2_000_000,
        crowd_trainers=20,
        crowd_readers=4,
        crowd_s=5.0,
    )
