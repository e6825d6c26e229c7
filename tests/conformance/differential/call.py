"""One call to be made on both sides, and what each side answered."""

import json
from dataclasses import dataclass, field
from typing import Any

BASES = ("/api", "/ajax-api")


@dataclass(frozen=True)
class Call:
    """A request written with names. `endpoint` is what the coverage calls it; `path` is it with names put in.

    `makes`: what a success makes, if anything. `unordered`: the answer's order depends on ids.
    """

    endpoint: str
    fields: Any = None
    path: str = ""
    base: str = "/api"
    covers: frozenset[str] = frozenset()
    makes: str = ""
    unordered: bool = False

    @property
    def method(self):
        """GET, POST, …"""
        return self.endpoint.partition(" ")[0]

    @property
    def full_path(self):
        """The path from the host on."""
        path = self.path or self.endpoint.partition(" ")[2]
        return self.base + (path if path.startswith("/") else f"/2.0/mlflow/{path}")

    def __str__(self):
        fields = json.dumps(self.fields, ensure_ascii=True)
        shown = (
            fields if len(fields) < 700 else f"{fields[:500]} … {len(fields)} characters … {fields[-100:]}"
        )
        return f"{self.method} {self.full_path} {shown}"


@dataclass(frozen=True)
class Outcome:
    """A status with the error code, or with the answer in which names stand for ids."""

    status: int
    error_code: str = ""
    body: Any = None
    message: str = field(default="", compare=False)

    def __str__(self):
        text = f"{self.error_code} {self.message[:200]}" if self.error_code else json.dumps(self.body)[:20000]
        return f"{self.status} {text}"
