"""Makes a sequence of calls that shows a difference shorter, by playing it again without parts of it."""

from tests.conformance.differential.call import Step
from tests.conformance.differential.pair import explanation

CALLS_MAX = 3000


class _Budget:
    def __init__(self, pair):
        self._pair, self.left = pair, CALLS_MAX

    def differs(self, steps):
        """Whether the last of these calls is still answered differently; False when calls are spent."""
        if self.left < len(steps):
            return False
        self.left -= len(steps)
        outcomes = self._pair.replay(steps)
        return outcomes is not None and explanation(steps[-1].call, *outcomes) is None


def shrunk(pair, steps) -> list[Step] | None:
    """The fewest of `steps` found that still show the difference in the last one.

    None when it does not come again at all: it depends on the clock or on what else is on the servers.
    """
    budget, steps = _Budget(pair), list(steps)
    if not budget.differs(steps):
        return None
    size = len(steps) // 2
    while size:
        begin = 0
        while begin < len(steps) - 1:
            shorter = steps[:begin] + steps[min(begin + size, len(steps) - 1) :]
            if budget.differs(shorter):
                steps = shorter
            else:
                begin += size
        size //= 2
    return steps
