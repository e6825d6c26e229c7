"""The options of `tracklog gc`: what goes together, and defaults that fit the server's."""

import argparse

import pytest

from tracklog_artifacts.config import ArtifactConfig
from tracklog_server.gc_options import GcOptions, add_options
from tracklog_server.problems import StartError


def parsed(*arguments: str) -> GcOptions:
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = GcOptions(**vars(parser.parse_args(arguments)))
    options.check()
    return options


def test_what_a_client_may_go_on_with_is_kept_by_default():
    assert parsed().uploads_older_than == ArtifactConfig().multipart_expires_s


@pytest.mark.parametrize(
    "arguments",
    [
        ("--record",),
        ("--record", "--delete-orphans", "1d"),
        ("--delete", "--adopt-orphans", "1d"),
        ("--adopt-orphans", "1d", "--delete-orphans", "1d"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_refused(arguments):
    with pytest.raises(StartError):
        parsed(*arguments)


def test_orphans_are_deleted_or_recorded_where_both_are_asked_for():
    assert parsed("--delete", "--delete-orphans", "1h").delete_orphans == 3600
    assert parsed("--adopt-orphans", "2d", "--record").adopt_orphans == 2 * 86400
