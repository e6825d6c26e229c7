"""Named SQL: a room's `sql/` folder as a mapping from file name to statement text."""

from importlib import resources


def statements(package: str) -> dict[str, str]:
    """The text of every `sql/NAME.sql` in `package`, by NAME."""
    folder = resources.files(package) / "sql"
    return {
        item.name.removesuffix(".sql"): item.read_text(encoding="utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    }
