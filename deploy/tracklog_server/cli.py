"""The `tracklog` command: reads the command line and environment, and hands over to what was asked for."""

import argparse
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Sequence

from tracklog_server.problems import FAILED, AlreadyTold, StartError
from tracklog_server.settings import OPTIONS, Settings, environment_name, load, option_name

INTERRUPTED = 130

# Loaded only when asked for: the server's parent process stays small.
COMMANDS = {
    "server": ("tracklog_server.supervisor", "start everything, and stop it on Ctrl-C", tuple(OPTIONS)),
    "rebuild": (
        "tracklog_server.rebuild",
        "rebuild the views from the log, beside the live ones, and switch over",
        ("data_dir", "database_url"),
    ),
}


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        metadata = importlib.import_module("importlib.metadata")
        sys.stdout.write(f"tracklog {metadata.version('tracklog')}\n")
        parser.exit()


def command_line() -> argparse.ArgumentParser:
    """The parser; every option's value stays text, so that all problems can be told at once."""
    parser = argparse.ArgumentParser(
        prog="tracklog",
        description="An experiment-tracking server that speaks MLflow's protocol over an event log.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the version and leave"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="server|rebuild")
    for command, (_, summary, names) in COMMANDS.items():
        sub = commands.add_parser(
            command,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="An option wins over its environment variable.",
        )
        for name in names:
            option = OPTIONS[name]
            # argparse formats help with %, and a default may hold one.
            default = (option.default_words or option.default or "").replace("%", "%%")
            sub.add_argument(
                option_name(name),
                metavar=option.metavar,
                help=f"{option.help} (default: {default}; environment: {environment_name(name)})",
            )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the process's exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path that this terminal cannot show is no reason not to start.
        sys.stdout.reconfigure(errors="backslashreplace")
    parsed = vars(command_line().parse_args(arguments))
    command = parsed.pop("command")
    try:
        settings = load(parsed, os.environ)
        return _run(command, settings)
    except AlreadyTold:
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except StartError as problem:
        sys.stderr.write(f"tracklog: {problem}\n")
        return FAILED


def _run(command: str, settings: Settings) -> int:
    if os.name != "posix":
        raise StartError("the server runs on Linux and macOS only")
    if importlib.util.find_spec("aiohttp") is None:
        raise StartError("the server's dependencies are missing: pip install 'tracklog[server]'")
    module = importlib.import_module(COMMANDS[command][0])
    code: int = module.run(settings)
    return code
