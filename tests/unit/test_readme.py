"""The README says what is so: its tables are the code's, and what it points to is there."""

import re
from dataclasses import asdict

from tests.support.readme import README, ROOT, rows_after
from tracklog_contract.limits import QUOTAS
from tracklog_server.settings import OPTIONS, environment_name, option_name


def test_the_settings_are_those_of_the_server() -> None:
    shown = [(row[0].strip("`"), row[1].strip("`"), row[2]) for row in rows_after("option")]
    known = [
        (option_name(name), environment_name(name), f"`{o.default}`" if o.default else o.default_words)
        for name, o in OPTIONS.items()
    ]
    assert shown == known


def test_the_limits_are_those_of_the_presets() -> None:
    shown = {
        row[0].strip("`"): [int(cell.replace(",", "")) for cell in row[1:]] for row in rows_after("limit")
    }
    default, databricks = asdict(QUOTAS["default"]), asdict(QUOTAS["databricks"])
    assert shown == {name: [default[name], databricks[name]] for name in default}


def test_every_link_leads_to_a_file_or_folder() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_make_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
