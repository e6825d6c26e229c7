"""The packages' own source files, parsed, for tests that check how they are written."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# Each room's one package.
ROOMS: Final = {
    "tracklog_contract": ROOT / "contract",
    "tracklog_ingest": ROOT / "ingest",
    "tracklog_projector": ROOT / "projector",
    "tracklog_artifacts": ROOT / "artifacts",
    "tracklog": ROOT / "client",
    "tracklog_server": ROOT / "deploy",
}


@dataclass(frozen=True)
class Module:
    """A module of one of the packages; `name` as it is imported."""

    name: str
    package: str
    path: Path
    text: str
    tree: ast.Module

    def __str__(self) -> str:
        return self.name


@functools.cache
def modules() -> list[Module]:
    """Every module of every package, sorted by name."""
    found = [_module(package, folder, path) for package, folder in ROOMS.items() for path in _files(package)]
    return sorted(found, key=lambda module: module.name)


def sql_files() -> list[Path]:
    """Every statement file of every package."""
    return sorted(path for package, folder in ROOMS.items() for path in (folder / package).rglob("sql/*.sql"))


def qualified(module: Module, node: ast.AST) -> str:
    """Where a node stands, as a person would look it up."""
    return f"{module.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def _files(package: str) -> Iterator[Path]:
    yield from (ROOMS[package] / package).rglob("*.py")


def _module(package: str, folder: Path, path: Path) -> Module:
    parts = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name, package, path, text, ast.parse(text, str(path)))
