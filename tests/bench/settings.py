"""How much of everything a run measures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONNECTIONS: Final = 8
POINTS_PER_REQUEST: Final = 1000
HISTORY_PAGE: Final = 25_000  # what MLflow's clients ask for


@dataclass(frozen=True)
class Settings:
    """Sizes and durations; both servers get the same."""

    base_dir: Path
    repetitions: int = 3
    window_s: float = 4.0  # of load, per repetition
    start_repetitions: int = 2
    search_runs: int = 20_000
    search_seconds: float = 3.0  # how long one query is repeated, at most
    history_points: int = 100_000
    idle_s: float = 3.0  # at rest before the idle memory reading
    disk_points: int = 5_000_000
    disk_settle_s: float = 90.0  # the longest wait for compaction
    endurance_points: int = 50_000_000


def quick(base_dir: Path) -> Settings:
    """Just enough to see that everything works; its numbers mean little."""
    return Settings(
        base_dir,
        repetitions=1,
        window_s=1.0,
        start_repetitions=1,
        search_runs=1_000,
        search_seconds=0.5,
        history_points=100_000,
        idle_s=1.0,
        disk_points=400_000,
        disk_settle_s=20.0,
        endurance_points=2_000_000,
    )
