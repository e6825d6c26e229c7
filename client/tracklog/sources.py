"""The streams of an outbox that is being delivered."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Final

from tracklog.source import Source
from tracklog.spool import Outbox

# Each has an open file; where more streams wait, the later ones come when the earlier ones are done.
SOURCES_MAX: Final = 900


class Sources:
    """The sources of the streams that are there, the oldest first unless some are put last."""

    def __init__(self, outbox: Outbox, make: Callable[[str, list[int]], Source]) -> None:
        """`make` gives the source of a stream whose segments have these numbers."""
        self._outbox = outbox
        self._make = make
        self._sources: dict[str, Source] = {}

    def __iter__(self) -> Iterator[Source]:
        return iter(list(self._sources.values()))

    def __getitem__(self, stream: str) -> Source:
        return self._sources[stream]

    def get(self, stream: str) -> Source | None:
        """The source of a stream, if it is there."""
        return self._sources.get(stream)

    def close(self) -> None:
        """Let go of all files."""
        for source in self:
            source.close()

    @property
    def are_live(self) -> bool:
        """Is a process logging to one of them."""
        return any(source.is_live for source in self)

    def pending_bytes(self) -> int:
        """How much there is that the server has not acknowledged."""
        return sum(source.pending_bytes() for source in self)

    def are_past(self, stream: str, number: int, offset: int) -> bool:
        """Has the server all of a stream before an offset in one of its segments."""
        source = self._sources.get(stream)
        if source is not None and not source.finished:
            return (source.number, source.offset) >= (number, offset)
        return not self._outbox.segment_path(stream, number).exists()

    def refresh(self) -> None:
        """See which segments are there. Raises: OSError."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for stream, number in self._outbox.segments():
            numbers[stream].append(number)
        for stream, found in numbers.items():
            source = self._sources.get(stream)
            if source is None:
                if len(self._sources) >= SOURCES_MAX:
                    break
                with contextlib.suppress(FileNotFoundError):
                    self._sources[stream] = self._make(stream, found)
            elif not source.finished:
                source.numbers = [number for number in found if number >= source.number] or source.numbers

    def put_last(self, streams: Collection[str]) -> None:
        """Have these after all others from now on."""
        self._sources = dict(sorted(self._sources.items(), key=lambda item: item[0] in streams))

    def forget_finished(self) -> list[str]:
        """Forget the finished streams, once it is sure that their files will not come back; their names."""
        finished = [source.name for source in self if source.finished]
        if finished:
            self._outbox.sync_directory()
            for name in finished:
                del self._sources[name]
        return finished
