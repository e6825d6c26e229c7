"""How far something that takes long has come, shown on a terminal only."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Final

# Less is over before anybody wonders.
SHOWN_FROM_BYTES: Final = 64 * 2**20


class Bar:
    """Shows a number of bytes that grows."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._last = 0

    def show(self, done: int) -> None:
        """So many bytes are done."""
        if self._shown is not None:
            self._shown.update(done - self._last)
            self._last = done


def is_shown() -> bool:
    """Is there a terminal to show anything on."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def bar(total_bytes: int, what: str) -> Iterator[Bar]:
    """A bar on stderr, where that is a terminal and there is much to do."""
    if total_bytes < SHOWN_FROM_BYTES or not is_shown():
        yield Bar(None)
        return
    from tqdm import tqdm  # noqa: PLC0415 - importing it takes longer than opening a run

    with tqdm(total=total_bytes, desc=what, unit="B", unit_scale=True, file=sys.stderr) as shown:
        yield Bar(shown)
