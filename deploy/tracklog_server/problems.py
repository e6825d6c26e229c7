"""Why tracklog does not start, in words for whoever sits at the terminal."""

from typing import Final

# The exit code of a process that has told its reason.


FAILED: Final = 1


class StartError(Exception):
    """A reason not to start or go on: one clear line, shown as `tracklog: LINE`; the exit code is 1."""


class AlreadyTold(StartError):
    """A process of ours has printed its own line; nothing is left to say."""


class StopRequested(Exception):
    """The user asked to stop before everything was up."""
