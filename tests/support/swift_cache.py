"""A filter for Swift's proxy: a dictionary in the place of memcached, since the proxy is one process."""

import time
from collections.abc import Callable
from typing import Any


class DictionaryCache:
    """What Swift asks of a memcache client."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, float]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        """The value of `key`; None when there is none, or no longer."""
        value, until = self._kept.get(key, (None, 0.0))
        return value if until > time.monotonic() else None

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0, **_: Any) -> None:
        """Keep a value for so many seconds; for good, if 0."""
        self._kept[key] = (value, _clock() + time if time else float("inf"))

    def incr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        """Count up."""
        value = max(0, int(self.get(key) or 0) + delta)
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        """Count down."""
        return self.incr(key, -delta, time)

    def delete(self, key: str, server_key: str | None = None) -> None:
        """Forget a value."""
        self._kept.pop(key, None)

    def set_multi(self, mapping: dict[str, Any], server_key: str, time: float = 0, **_: Any) -> None:
        """Keep several values."""
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys: list[str], server_key: str) -> list[Any]:
        """Several values."""
        return [self.get(key) for key in keys]


_clock = time.monotonic


def filter_factory(_: Any, **__: Any) -> Callable[[Any], Any]:
    """What Swift's configuration names."""
    cache = DictionaryCache()

    def filtered(application: Any) -> Any:
        def call(environ: dict[str, Any], start_response: Any) -> Any:
            environ["swift.cache"] = cache
            return application(environ, start_response)

        return call

    return filtered
