"""What a file of a run or model is, and whose it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """Whose files these are: a run's, or a logged model's."""

    id: str
    kind: str = "run_id"

    def __str__(self) -> str:
        return f"{'run' if self.kind == 'run_id' else 'model'} {self.id}"


@dataclass(frozen=True)
class Artifact:
    """A file or directory of a run: `path` below the run's files.

    `size` in bytes, None for a directory. `sha256`: lower-case hex, "" where it is not known.
    """

    path: str
    is_dir: bool
    size: int | None = None
    sha256: str = ""
