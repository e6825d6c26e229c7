"""The commands about access: their options, and the run of one on a server's database."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import Any, Final

from tracklog_contract.errors import TracklogError
from tracklog_ingest.access.turn import turn_of
from tracklog_ingest.migrate import migrate
from tracklog_server.access import audit_command
from tracklog_server.access.commands import ACTIONS, read_password
from tracklog_server.prepare import on_database
from tracklog_server.problems import StartError
from tracklog_server.reach import database_of
from tracklog_server.settings import Settings

WHERE: Final = ("data_dir", "database_url")
AUDIT: Final = "audit"
AddSettings = Callable[[argparse.ArgumentParser, tuple[str, ...]], None]


def add_actions(command: str, parser: argparse.ArgumentParser, add_settings: AddSettings) -> None:
    """Give `parser` the actions of a command about access."""
    if command == AUDIT:
        audit_command.add_arguments(parser)
        add_settings(parser, WHERE)
        return
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS[command][1]))
    for action, (words, run, arguments) in ACTIONS[command][1].items():
        sub = actions.add_parser(action, help=words, description=f"{words[0].upper()}{words[1:]}.")
        sub.set_defaults(run=run)
        for name, options in arguments:
            sub.add_argument(name, **options)
        add_settings(sub, WHERE)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Do what the command line says; the exit code.

    Raises: StartError, in one line, for what cannot be done.
    """
    try:
        read_password(given)
        _check(given)
        with database_of(settings) as dsn:
            lines = asyncio.run(_done(dsn, given))
    except TracklogError as error:
        raise StartError(error.message) from None
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _check(given: argparse.Namespace) -> None:
    if getattr(given, "level", None) and (given.user is None) == (given.group is None):
        raise StartError("give either --user or --group")


async def _done(dsn: str, given: argparse.Namespace) -> Any:
    async with on_database(dsn, "given") as connection:
        await migrate(connection)
        if given.command == AUDIT:
            await audit_command.write(connection, given)
            return []
        async with turn_of(connection, "") as turn:
            return list(await given.run(turn, given))
