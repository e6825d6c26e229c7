"""Which operating-system user the embedded PostgreSQL runs as, and what that user can reach."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tracklog_server.problems import StartError

# PostgreSQL refuses to run as root; the first of these that the system has runs it then.
UNPRIVILEGED: Final = ("postgres", "nobody")


@dataclass(frozen=True)
class PostgresUser:
    """The user PostgreSQL runs as; `other` when it is not the one that runs this process."""

    name: str
    uid: int
    gid: int
    other: bool

    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that run a program as this user, with nothing of root's about it."""
        options: dict[str, Any] = {
            "cwd": "/",
            "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            "stdin": subprocess.DEVNULL,
        }
        if self.other:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may pass through every directory down to `directory`, as the system has it."""
        return self._succeeds("cd", str(directory))

    def can_run(self, program: Path) -> bool:
        """Whether this user can run `program`."""
        return self._succeeds(str(program), "--version")

    def own(self, directory: Path) -> None:
        """Make a new directory of this user's alone."""
        directory.mkdir(mode=0o700)
        if self.other:
            os.chown(directory, self.uid, self.gid)

    def _succeeds(self, *command: str) -> bool:
        # The shell does the step, as the other user: a permission missing on the way is its error, not ours.
        shell = ["/bin/sh", "-c", '"$@"', "sh", *command]
        done = subprocess.run(  # noqa: S603 - fixed program, arguments passed apart from the script
            shell, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **self.process_options()
        )
        return done.returncode == 0


def current_user_name() -> str:
    """The name of the user this process runs as.

    Raises: StartError, when the system has no name for it: PostgreSQL identifies users by name.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise StartError(
            f"user id {os.geteuid()} has no name on this system (no line in /etc/passwd), which the embedded"
            " PostgreSQL needs: add one, or give --database-url"
        ) from error


def postgres_user() -> PostgresUser:
    """Who runs the embedded PostgreSQL: the user of this process, or an unprivileged one when that is root.

    Raises: StartError, when there is no such user.
    """
    if os.geteuid() != 0:
        return PostgresUser(current_user_name(), os.geteuid(), os.getegid(), other=False)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return PostgresUser(name, entry.pw_uid, entry.pw_gid, other=True)
    raise StartError(
        f"PostgreSQL cannot run as root, and this system has no user {' or '.join(UNPRIVILEGED)}:"
        " run tracklog as another user, or give --database-url"
    )
