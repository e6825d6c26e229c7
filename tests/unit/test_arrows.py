"""The arrows between rooms: contract <- {ingest, projector, artifacts, client} <- deploy."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.source import ROOMS, Module, modules, qualified

MAY_IMPORT = {
    "tracklog_contract": set(),
    "tracklog_ingest": {"tracklog_contract"},
    "tracklog_projector": {"tracklog_contract"},
    "tracklog_artifacts": {"tracklog_contract"},
    "tracklog": {"tracklog_contract"},
    "tracklog_server": {
        "tracklog_contract",
        "tracklog_ingest",
        "tracklog_projector",
        "tracklog_artifacts",
        "tracklog",
    },
}
# A process's entry takes its environment and passes it on; `task` and `launch` make that of a child process.
# A training program's only entry into the client is to open a run, which reads `tracklog.config`.
MAY_READ_ENVIRONMENT = {
    "tracklog.__main__",
    "tracklog.config",
    "tracklog.launch",
    # Asks with the credentials that a sender will be handed.
    "tracklog.mlflow_plugin.probe",
    "tracklog_server.cli",
    "tracklog_server.make_bucket",
    "tracklog_server.process",
    "tracklog_server.task",
}


def imports(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Each import statement with the module it names, wherever it stands; a relative one as dots and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, "." * node.level + (node.module or "")


def wrong_imports(module: Module) -> Iterator[str]:
    allowed = MAY_IMPORT[module.package] | {module.package}
    for node, name in imports(module.tree):
        package = name.partition(".")[0]
        if name.startswith("."):
            yield f"{qualified(module, node)}: relative import of {name}"
        elif package in ROOMS and package not in allowed:
            yield f"{qualified(module, node)}: {module.package} imports {name}"
        elif package == "tests":
            yield f"{qualified(module, node)}: a package imports a test"


def named_attributes(tree: ast.AST, of: str) -> Iterator[tuple[ast.AST, str]]:
    """Each use of an attribute of the module `of`, imported whole or by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == of:
            yield node, node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == of:
            yield from ((node, alias.name) for alias in node.names)


def test_every_package_is_here() -> None:
    assert {module.package for module in modules()} == set(ROOMS) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_follow_the_arrows(module: Module) -> None:
    assert list(wrong_imports(module)) == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_are_written_as_statements_outside_deploy(module: Module) -> None:
    # An import by text would pass by the test above; only the composition root loads what it is asked for.
    if module.package == "tracklog_server":
        return
    found = [node for node, name in named_attributes(module.tree, "importlib") if name != "resources"]
    found += [
        node for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id == "__import__"
    ]
    assert [qualified(module, node) for node in found] == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_only_a_process_entry_reads_the_environment(module: Module) -> None:
    if module.name in MAY_READ_ENVIRONMENT:
        return
    uses = named_attributes(module.tree, "os")
    assert [qualified(module, node) for node, name in uses if name in ("environ", "environb", "getenv")] == []


def test_a_wrong_arrow_is_seen() -> None:
    lines = (
        "from tracklog_projector.tail import read_after",
        "import tracklog_server.settings",
        "from . import state",
        "def late():\n    import tracklog_artifacts",
    )
    for text in lines:
        module = _module_of(text)
        assert list(wrong_imports(module)), text
    assert list(wrong_imports(_module_of("import os, tracklog_contract.codec"))) == []


def test_a_read_of_the_environment_is_seen() -> None:
    for text in ("import os\nos.environ['A']", "from os import getenv", "import os\nx = os.getenv('A')"):
        tree = ast.parse(text)
        assert {name for _, name in named_attributes(tree, "os")} & {"environ", "getenv"}, text


def _module_of(text: str) -> Module:
    (sample,) = [module for module in modules() if module.name == "tracklog_ingest.append"]
    return Module(sample.name, sample.package, sample.path, text, ast.parse(text))
