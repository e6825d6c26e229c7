"""One purposeful difference of the tables of differences."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.differential.call import Call, Outcome


@dataclass(frozen=True)
class Row:
    """A purposeful difference; it holds for the calls and answers that `applies` accepts."""

    name: str
    why: str
    applies: Callable[[Call, Outcome, Outcome], bool]
