"""One call to be made on both sides, and what each side answered."""

import json
from dataclasses import dataclass, field
from typing import Any

BASES = ("/api", "/ajax-api")


@dataclass(frozen=True)
class Call:
    """A request written with names. `endpoint` is what the coverage calls it; `path` is it with names put in.

    `base`: what stands before the path on MLflow's side; `our_base` on ours, where it is another.
    `version_3`: ours is called by the path under 3.0 that it has too. `makes`: what a success makes, if
    anything. `unordered`: the answer's order depends on ids. `continues`: it has the page token that the same
    call before it gave. `otlp`: `fields` describe spans, see `otlp_body`.
    """

    endpoint: str
    fields: Any = None
    path: str = ""
    base: str = "/api"
    our_base: str | None = None
    version_3: bool = False
    covers: frozenset[str] = frozenset()
    makes: str = ""
    unordered: bool = False
    continues: bool = False
    otlp: bool = False

    @property
    def method(self):
        """GET, POST, …"""
        return self.endpoint.partition(" ")[0]

    def full_path(self, side=0):
        """The path from the host on, for MLflow (0) or tracklog (1)."""
        path = self.path or self.endpoint.partition(" ")[2]
        path = path if path.startswith("/") else f"/2.0/mlflow/{path}"
        if side and self.version_3:
            path = path.replace("/2.0/mlflow/", "/3.0/mlflow/", 1)
        return (self.our_base if side and self.our_base is not None else self.base) + path

    def __str__(self):
        fields = json.dumps(self.fields, ensure_ascii=True)
        shown = (
            fields if len(fields) < 700 else f"{fields[:500]} … {len(fields)} characters … {fields[-100:]}"
        )
        return f"{self.method} {self.full_path()} {shown}"


@dataclass(frozen=True)
class Step:
    """A call that was made, and the name of what it made, if anything."""

    call: Call
    made: str = ""

    def __str__(self):
        return f"{self.call} → {self.made}" if self.made else str(self.call)


@dataclass(frozen=True)
class Outcome:
    """A status with the error code and message, or with the answer, in which names stand for ids."""

    status: int
    error_code: str = ""
    body: Any = None
    message: str = field(default="", compare=False)

    def __str__(self):
        text = f"{self.error_code} {self.message[:300]}" if self.error_code else json.dumps(self.body)[:600]
        return f"{self.status} {text}"


def first_difference(theirs, ours, path="$"):
    """Where two JSON values first differ, and how: a line for whoever looks for the reason."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        key = next(key for key in theirs if theirs[key] != ours[key])
        return first_difference(theirs[key], ours[key], f"{path}.{key}")
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        number = next(
            number for number, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1]
        )
        return first_difference(theirs[number], ours[number], f"{path}[{number}]")
    return f"{path}: MLflow {json.dumps(theirs)[:1500]} ≠ tracklog {json.dumps(ours)[:1500]}"
