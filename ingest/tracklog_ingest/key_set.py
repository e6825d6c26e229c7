"""Which keys of some owners are set, as admission sees it while it decides a group."""

from typing import Any


class KeySet:
    """Which keys of some owners are set: as read, and what a group added or removed since."""

    def __init__(self) -> None:
        self._set: set[tuple[Any, str]] = set()
        self.added: set[tuple[Any, str]] = set()
        self.removed: set[tuple[Any, str]] = set()

    def read(self, pair: tuple[Any, str]) -> None:
        """Note a pair that the database has."""
        self._set.add(pair)

    def __contains__(self, pair: tuple[Any, str]) -> bool:
        return pair in self._set

    def add(self, pair: tuple[Any, str]) -> None:
        """The pair is set from now on."""
        self._set.add(pair)
        self.added.add(pair)
        self.removed.discard(pair)

    def remove(self, pair: tuple[Any, str]) -> None:
        """The pair is gone from now on."""
        self._set.discard(pair)
        self.removed.add(pair)
        self.added.discard(pair)

    def remove_owner(self, owner: Any) -> None:
        """No key of `owner` is set from now on; whoever calls deletes those that were not read."""
        for pair in [pair for pair in self._set | self.added if pair[0] == owner]:
            self._set.discard(pair)
            self.added.discard(pair)
        self.removed = {pair for pair in self.removed if pair[0] != owner}
