"""The README's text and tables, for tests that compare them with what is so."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
MLFLOW: Final = "/api/2.0/mlflow/"


@dataclass(frozen=True)
class EndpointRow:
    """One row of the table of endpoints: which they are, whether they are served, and the tests linked."""

    endpoints: tuple[str, ...]
    served: str
    tests: tuple[str, ...]

    @property
    def is_served(self) -> bool:
        """Whether the row says yes, if only partly."""
        return not self.served.startswith("no")


def rows_after(heading: str) -> list[list[str]]:
    """The cells of the table under a header row that begins with `heading`."""
    _, _, rest = README.partition(f"| {heading} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def endpoint_rows() -> list[EndpointRow]:
    """The table of endpoints, each endpoint as "METHOD /whole/path"."""
    return [
        EndpointRow(
            tuple(_whole(endpoint) for endpoint in re.findall(r"`([^`]+)`", endpoints)),
            served,
            tuple(re.findall(r"\]\(([^)]+)\)", tests)),
        )
        for endpoints, served, tests in rows_after("endpoint")
    ]


def names(pattern: str, endpoint: str) -> bool:
    """Whether an endpoint of the table, which may hold `*`, stands for this one."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), endpoint) is not None


def _whole(endpoint: str) -> str:
    method, path = endpoint.split(" ")
    return f"{method} {path if path.startswith('/') else MLFLOW + path}"
