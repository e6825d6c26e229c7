"""Every module, public class and public function says what it promises."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.source import Module, modules, qualified

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_definitions(body: list[ast.stmt]) -> Iterator[Documented]:
    """Public functions and classes of a module, and public methods and classes of such a class."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from public_definitions(node.body)
        elif isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def undocumented(module: Module) -> Iterator[str]:
    if not _summary(module.tree):
        yield f"{qualified(module, module.tree)}: the module"
    for node in public_definitions(module.tree.body):
        if not _summary(node) and not _is_overload(node):
            yield f"{qualified(module, node)}: {node.name}"


def _summary(node: ast.Module | Documented) -> str:
    """The docstring's first line when it is a sentence."""
    line = (ast.get_docstring(node) or "").partition("\n")[0]
    return line if len(line.split()) > 1 or line.endswith((".", ":")) else ""


def _is_overload(node: Documented) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "overload" for name in node.decorator_list)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_what_is_public_has_a_docstring(module: Module) -> None:
    assert list(undocumented(module)) == []


def test_a_missing_docstring_is_seen() -> None:
    text = '''"""A module."""
class Open:
    """A class."""
    def method(self): ...
    def _hidden(self): ...
async def function(): ...
'''
    (sample,) = [module for module in modules() if module.name == "tracklog_ingest.append"]
    module = Module(sample.name, sample.package, sample.path, text, ast.parse(text))
    assert [line.rpartition(": ")[2] for line in undocumented(module)] == ["method", "function"]
