"""The options of `tracklog gc`, beside the settings that say which server's garbage it is."""

import argparse
import re
from dataclasses import dataclass
from typing import Final

from tracklog_artifacts.config import ArtifactConfig
from tracklog_server.problems import StartError

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# So long clients may go on with uploads in parts.
_UPLOADS_AGE: Final = f"{ArtifactConfig.multipart_expires_s // _SECONDS['d']}d"


@dataclass(frozen=True)
class GcOptions:
    """Ages in seconds; those of orphans are None where it was not asked to delete or record them."""

    older_than: int
    uploads_older_than: int
    delete_orphans: int | None
    adopt_orphans: int | None
    delete: bool
    record: bool
    dry_run: bool

    def check(self) -> None:
        """Pass when these go together.

        Raises: StartError.
        """
        if self.delete_orphans is not None and self.adopt_orphans is not None:
            raise StartError("orphans are deleted or adopted: --delete-orphans or --adopt-orphans")
        if self.adopt_orphans is not None and self.delete:
            raise StartError("--adopt-orphans goes with --record, not with --delete")
        if self.record and self.adopt_orphans is None:
            raise StartError("--record goes with --adopt-orphans only")


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
    what.add_argument("--record", action="store_true", help="with --adopt-orphans: record them")
    parser.add_argument(
        "--uploads-older-than",
        metavar="AGE",
        type=parse_age,
        default=_UPLOADS_AGE,
        help="unfinished uploads that were begun, and last gone on with, so long ago are given up; until the"
        " default a client that comes back goes on with its own (default: %(default)s)",
    )
    parser.add_argument(
        "--delete-orphans",
        metavar="AGE",
        type=parse_age,
        help="files of this age in the store that the log knows nothing of go too"
        " (default: those of a day are told, and stay)",
    )
    parser.add_argument(
        "--adopt-orphans",
        metavar="AGE",
        type=parse_age,
        help="instead of all else, say which of these files lie where runs, models or traces keep theirs,"
        " and with --record record them as theirs, where they are",
    )
