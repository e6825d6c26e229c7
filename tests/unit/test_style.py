"""House rules that a reader relies on: where SQL stands, what heads its files, how long a module may be."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import ROOT, Module, modules, qualified, sql_files

LINES_MAX = 400
DATABASE_ROOMS = {"tracklog_ingest", "tracklog_projector", "tracklog_server"}
# Methods of a connection or pool whose first argument is a statement.
METHODS = {"cursor", "execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "prepare"}
# A schema's name cannot be a parameter. These are constants of tracklog_projector.schema, or asserted so.
SCHEMA_NAMES = {"LIVE", "NEXT", "OLD", "schema"}
# Whole files that are run as they are.
WHOLE_FILES = {("tracklog_ingest.migrate", "text")}
PARAMETER = re.compile(r"\$(\d+)")
PARAMETER_RANGE = re.compile(r"\$(\d+)\.\.\$(\d+)")


def statements(module: Module) -> Iterator[ast.expr]:
    """What is handed to the database as a statement."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]) if name in METHODS:
                yield first


def is_fixed(statement: ast.expr, module: Module) -> bool:
    """Whether a statement is text from a file or of the code itself, or what the search compiler gave."""
    match statement:
        case ast.Constant(value=str()):
            return True
        case ast.Subscript(value=ast.Name(id="SQL")):
            return True
        case ast.Attribute(attr="sql", value=ast.Name(id="query")):
            return True
        case ast.JoinedStr(values=parts):
            return all(_is_schema_name(part) for part in parts if isinstance(part, ast.FormattedValue))
        case ast.Name(id=name):
            return (module.name, name) in WHOLE_FILES
    return False


def _is_schema_name(part: ast.FormattedValue) -> bool:
    return isinstance(part.value, ast.Name) and part.value.id in SCHEMA_NAMES


def header_of(text: str) -> str:
    """The comment lines that a statement file begins with."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:end])


def parameters_told(header: str) -> set[int]:
    told = {int(number) for number in PARAMETER.findall(header)}
    for first, last in PARAMETER_RANGE.findall(header):
        told.update(range(int(first), int(last) + 1))
    return told


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_statement_is_put_together_from_values(module: Module) -> None:
    if module.package not in DATABASE_ROOMS:
        assert "asyncpg" not in module.text
        return
    wrong = [statement for statement in statements(module) if not is_fixed(statement, module)]
    assert [qualified(module, statement) for statement in wrong] == []


def test_a_statement_made_of_values_is_seen() -> None:
    (sample,) = [module for module in modules() if module.name == "tracklog_ingest.append"]
    for text in (
        'c.execute(f"delete from {table}")',
        'c.fetch("select " + columns)',
        'c.fetchval("select %s" % name)',
        'c.fetchrow("select {}".format(name))',
        "c.execute(statement)",
    ):
        module = Module(sample.name, sample.package, sample.path, text, ast.parse(text))
        (statement,) = statements(module)
        assert not is_fixed(statement, module), text


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_statement_file_begins_with_what_it_does_takes_and_gives(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header = header_of(text)
    assert header.startswith("-- ")
    body = text[len(header) :]
    assert {int(number) for number in PARAMETER.findall(body)} == parameters_told(header)
    if not body.strip().startswith("create "):
        assert "rows" in header.lower()
        assert "parameter" in header or "$1" in header


def test_every_statement_file_is_used_by_its_own_package() -> None:
    unused = []
    for path in sql_files():
        package = path.parents[1].name
        texts = [module.text for module in modules() if module.package == package]
        if not any(f'"{path.stem}"' in text for text in texts):
            unused.append(path.name)
    assert unused == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_is_one_thing(module: Module) -> None:
    assert module.text.count("\n") <= LINES_MAX
