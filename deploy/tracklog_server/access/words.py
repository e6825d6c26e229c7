"""Levels in the words of Databricks and of MLflow, both of which are understood everywhere."""

from typing import Final

from tracklog_contract.caller import Level
from tracklog_contract.errors import INVALID, Rejected

LEVELS: Final = {
    "CAN_READ": Level.READ,
    "CAN_EDIT": Level.EDIT,
    "CAN_MANAGE": Level.MANAGE,
    "READ": Level.READ,
    "USE": Level.USE,
    "EDIT": Level.EDIT,
    "MANAGE": Level.MANAGE,
    "DENY": Level.DENY,
    "NO_PERMISSIONS": Level.NONE,
}


def level_of(word: object) -> Level:
    """The level that a word means.

    Raises: Rejected, when it means none.
    """
    level = LEVELS.get(word) if isinstance(word, str) else None
    if level is None:
        raise Rejected(
            INVALID, f"Invalid permission '{str(word)[:100]}'. Valid permissions are: {', '.join(LEVELS)}"
        )
    return level


def mlflow_word(level: int) -> str:
    """A level as MLflow names it."""
    return "NO_PERMISSIONS" if level == Level.NONE else Level(level).name


def databricks_word(level: int) -> str | None:
    """A level as Databricks names it; None for none."""
    return {
        Level.READ: "CAN_READ",
        Level.USE: "CAN_READ",
        Level.EDIT: "CAN_EDIT",
        Level.MANAGE: "CAN_MANAGE",
    }.get(Level(level))
