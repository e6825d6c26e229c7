"""The options of `tracklog gc`, beside the settings that say which server's garbage it is."""

import argparse
import re
from dataclasses import dataclass
from typing import Final

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class GcOptions:
    """Ages in seconds. Orphans are only told where `delete_orphans` is None."""

    older_than: int
    uploads_older_than: int
    delete_orphans: int | None
    delete: bool
    dry_run: bool


def parse_age(text: str) -> int:
    """The seconds that an age means: a whole number and s, m, h or d, as in "30d".

    Raises: argparse.ArgumentTypeError.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a whole number and s, m, h or d, as in 30d, not {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser take the fields of GcOptions."""
    parser.add_argument(
        "--older-than",
        metavar="AGE",
        type=parse_age,
        default="30d",
        help="what was deleted so long ago goes, as in 12h or 30d (default: %(default)s)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only say what would go; the default")
    what.add_argument("--delete", action="store_true", help="take it away, for good")
    parser.add_argument(
        "--uploads-older-than",
        metavar="AGE",
        type=parse_age,
        default="1d",
        help="unfinished uploads of this age are given up (default: %(default)s)",
    )
    parser.add_argument(
        "--delete-orphans",
        metavar="AGE",
        type=parse_age,
        help="with --delete: files of this age in the store that the log knows nothing of go too"
        " (default: they are only told)",
    )
