"""The `tracklog` command: reads the command line and environment, and hands over to what was asked for."""

import argparse
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from tracklog_server.gc_options import GcOptions
from tracklog_server.gc_options import add_options as add_gc_options
from tracklog_server.problems import FAILED, AlreadyTold, StartError
from tracklog_server.settings import OPTIONS, Settings, environment_name, load, option_name

INTERRUPTED = 130
SECONDS_MAX: Final = 1e9
# The client's own command: it needs nothing of the server's.
SYNC = "sync"
GC = "gc"

# Loaded only when asked for: the server's parent process stays small.
COMMANDS = {
    "server": ("tracklog_server.supervisor", "start the server; Ctrl-C stops it", tuple(OPTIONS)),
    "rebuild": (
        "tracklog_server.rebuild",
        "rebuild the views from the log, beside the live ones, and switch over",
        ("data_dir", "database_url"),
    ),
    GC: (
        "tracklog_server.gc",
        "say what was deleted long ago, or with --delete take it away for good",
        ("data_dir", "database_url", *(name for name in OPTIONS if name.startswith("artifact_"))),
    ),
}


# About who may do what, with the server running or not; their actions are in access/commands.py.
ACCESS_COMMANDS = {
    "user": "who may sign in, people and programs",
    "group": "groups of users",
    "token": "what programs sign in with",
    "workspace": "tenants of the server",
    "permission": "who may do what",
    "quota": "what workspaces, experiments and users may use",
    "audit": "who did what when, from the log itself",
}
ACCESS_MODULE = "tracklog_server.access.cli"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        metadata = importlib.import_module("importlib.metadata")
        sys.stdout.write(f"tracklog {metadata.version('tracklog')}\n")
        parser.exit()


def command_line(*, wanted: str = "") -> argparse.ArgumentParser:
    """The parser; every option's value stays text, so that all problems can be told at once.

    Of the commands about access only the `wanted` one knows its actions: they take time to load.
    """
    parser = argparse.ArgumentParser(
        prog="tracklog",
        description="An experiment-tracking server that speaks MLflow's protocol over an event log.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the version and leave"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, (_, summary, names) in COMMANDS.items():
        sub = commands.add_parser(
            command,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="An option wins over its environment variable.",
        )
        _add_settings(sub, names)
        if command == GC:
            add_gc_options(sub)
    _add_sync(commands)
    for command, summary in ACCESS_COMMANDS.items():
        sub = commands.add_parser(command, help=summary, description=f"{summary.capitalize()}.")
        if command == wanted:
            importlib.import_module(ACCESS_MODULE).add_actions(command, sub, _add_settings)
    return parser


def _add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    for name in names:
        option = OPTIONS[name]
        # argparse formats help with %, and a default may hold one.
        default = (option.default_words or option.default or "").replace("%", "%%")
        value: dict[str, Any] = {"metavar": option.metavar}
        if option.is_flag:
            value = {"action": "store_const", "const": "true"}
        parser.add_argument(
            option_name(name),
            help=f"{option.help} (default: {default}; environment: {environment_name(name)})",
            **value,
        )


def _add_sync(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "deliver what programs have logged and no server has yet, offline runs included"
    sub = commands.add_parser(
        SYNC, help=summary, description=f"{summary.capitalize()}. The exit code is 0 when all has arrived."
    )
    sub.add_argument(
        "spool_dir",
        nargs="?",
        metavar="SPOOL_DIR",
        help="the spool (default: TRACKLOG_SPOOL_DIR, else ~/.local/state/tracklog/spool)",
    )
    sub.add_argument(
        "--url", metavar="URL", help="deliver everything to this server (default: where each run was logged)"
    )
    sub.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=40.0,
        dest="patience_s",
        help="give up after so long without progress (default: %(default)s)",
    )


def _seconds(text: str) -> float:
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else -1.0
    if not 0 <= seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text!r}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the process's exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path that this terminal cannot show is no reason not to start.
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    try:
        if wanted in ACCESS_COMMANDS:
            _check_dependencies()
        given = command_line(wanted=wanted).parse_args(arguments)
        parsed = dict(vars(given))
        command = parsed.pop("command")
        if command in ACCESS_COMMANDS:
            access = importlib.import_module(ACCESS_MODULE)
            settings = load({name: parsed[name] for name in access.WHERE}, os.environ)
            code: int = access.run(settings, given)
            return code
        if command == SYNC:
            return _sync(**parsed)
        gc = [GcOptions(**{f.name: parsed.pop(f.name) for f in fields(GcOptions)})] if command == GC else []
        settings = load(parsed, os.environ)
        return _run(command, settings, *gc)
    except AlreadyTold:
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except StartError as problem:
        sys.stderr.write(f"tracklog: {problem}\n")
        return FAILED


def _sync(spool_dir: str | None, url: str | None, patience_s: float) -> int:
    sync = importlib.import_module("tracklog.sync")
    try:
        code: int = sync.run(spool_dir, url, os.environ, patience_s=patience_s)
    except ValueError as error:
        raise StartError(str(error)) from None
    return code


def _check_dependencies() -> None:
    if os.name != "posix":
        raise StartError("the server runs on Linux and macOS only")
    if importlib.util.find_spec("aiohttp") is None:
        raise StartError("the server's dependencies are missing: pip install 'tracklog[server]'")


def _run(command: str, settings: Settings, *options: GcOptions) -> int:
    _check_dependencies()
    module = importlib.import_module(COMMANDS[command][0])
    code: int = module.run(settings, *options)
    return code
