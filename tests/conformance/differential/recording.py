"""A server's answers kept in order, and given again to whoever makes the same calls again."""

import json


class AnotherCallError(Exception):
    """A call that is not the recorded one: whoever makes it goes another way from here on."""


class Recorder:
    """Passes calls on to an `Api`; `answered` holds each with its answer."""

    def __init__(self, api):
        self._api = api
        self.answered = []

    def close(self):
        """End the connection; the next call makes a new one."""
        self._api.close()

    def call(self, method, path, fields=None, headers=None):
        """What the server answers."""
        answer = self._api.call(method, path, fields, headers)
        self.answered.append((_shown(method, path, fields, headers), answer))
        return answer

    def follow(self, answer):
        """The same answer: MLflow sends nobody elsewhere."""
        return answer


class Replay:
    """Answers as the recorded server did, without it.

    Raises: AnotherCallError, from `call`.
    """

    def __init__(self, answered):
        self._answered = iter(answered)

    def close(self):
        """Nothing is open."""

    def call(self, method, path, fields=None, headers=None):
        """What the server answered to this call, which is the next of those recorded."""
        recorded, answer = next(self._answered, (None, None))
        if recorded != _shown(method, path, fields, headers):
            raise AnotherCallError(f"{method} {path}")
        return answer

    def follow(self, answer):
        """The same answer: MLflow sends nobody elsewhere."""
        return answer


def _shown(method, path, fields, headers):
    return method, path, fields if isinstance(fields, bytes) else json.dumps(fields), headers
