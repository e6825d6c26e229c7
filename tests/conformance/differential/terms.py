"""Operators of filters, and the things that they compare."""

from dataclasses import dataclass

NUMERIC = ("=", "!=", ">", ">=", "<", "<=")
TEXT = ("=", "!=", "LIKE", "ILIKE")
LISTS = ("IN", "NOT IN")
NULLS = ("IS NULL", "IS NOT NULL")


@dataclass(frozen=True)
class Term:
    """One thing that filters compare: its name in the coverage, its spellings, operators and values."""

    name: str
    spellings: tuple[str, ...]
    operators: tuple[str, ...]
    values: tuple[str, ...]

    def comparisons(self):
        """Every (term, operator)."""
        return [(self, operator) for operator in self.operators]
