"""Which limits hold for whom, and how what is used of them goes with time."""

import pytest

from tracklog_contract.caller import Caller
from tracklog_contract.errors import Rejected, TooMany
from tracklog_contract.limits import Quotas
from tracklog_contract.quotas import LIMITS, SCOPES, check_limit, warns_at
from tracklog_ingest.tally import DAY_S, Growth, Meter, QuotaBook, Tally

SERVER = Quotas(run_points=1000, run_params=100)
ADA = Caller("ada", "lab")


def book(**said: dict[str, int]) -> QuotaBook:
    """A book of what is said of each subject, as in workspace_lab={...}."""
    subjects = {tuple(name.split("_", 1)): limits for name, limits in said.items()}
    return QuotaBook(1, subjects, frozenset(subjects))  # type: ignore[arg-type] # pairs, as names have one "_"


def test_what_is_said_of_the_experiment_goes_before_its_workspace_and_that_before_the_server():
    said = book(workspace_lab={"run_points": 10, "run_tags": 5}, experiment_7={"run_points": 5000})
    assert said.of(SERVER, ADA, 7) == Quotas(run_points=5000, run_params=100, run_tags=5)
    assert said.of(SERVER, ADA, 8).run_points == 10
    assert said.of(SERVER, Caller("ada", "elsewhere"), 8) is SERVER


def test_what_is_said_of_a_principal_holds_beside_it_and_never_gives_more():
    said = book(experiment_7={"run_points": 50}, principal_ada={"run_points": 20, "run_params": 10**6})
    assert said.of(SERVER, ADA, 7) == Quotas(run_points=20, run_params=100)
    assert said.of(SERVER, Caller("bob", "lab"), 7).run_points == 50


def test_only_groups_whose_points_may_be_limited_otherwise_take_the_long_way():
    assert not book().counts_points([ADA])
    assert not book(principal_bob={"run_points": 1}, workspace_lab={"run_tags": 1}).counts_points([ADA])
    assert book(principal_bob={"run_points": 1}).counts_points([ADA, Caller("bob", "lab")])
    # Whose experiment a run is in is not known there.
    assert book(experiment_7={"points_per_second": 1}).counts_points([ADA])


def test_a_day_s_runs_are_counted_anew_the_next_day():
    meter = Meter("principal", "ada", "runs_per_day", 5, used=5, at_s=3 * DAY_S + 1)
    meter.come_to(4 * DAY_S - 1)
    with pytest.raises(Rejected):
        meter.check(1)
    meter.come_to(4 * DAY_S)
    meter.check(5)
    with pytest.raises(Rejected):
        meter.check(6)


def test_a_bucket_may_be_overfilled_and_is_waited_for():
    meter = Meter("experiment", "7", "points_per_second", 10, used=0, at_s=0.0)
    tally = Tally(meters={("experiment", "7", "points_per_second"): meter})
    tally.check_point_rate(ADA, [7])
    tally.count_points(ADA, 7, 35)
    with pytest.raises(TooMany) as caught:
        tally.check_point_rate(ADA, [7])
    assert caught.value.retry_after_s == 3
    tally.check_point_rate(ADA, [8])
    meter.come_to(2.4)
    with pytest.raises(TooMany) as caught:
        tally.check_point_rate(ADA, [7])
    assert caught.value.retry_after_s == 1
    # A clock that goes back gives nothing, and takes nothing.
    meter.come_to(1.0)
    with pytest.raises(TooMany):
        tally.check_point_rate(ADA, [7])
    meter.come_to(2.6)
    tally.check_point_rate(ADA, [7])


def test_a_total_counts_what_goes_to_each_and_warns_once():
    keys = [("workspace", "lab"), ("experiment", "7"), ("principal", "ada")]
    meters = {(*key, "storage_bytes"): Meter(*key, "storage_bytes", 100, used=0, at_s=0.0) for key in keys}
    tally = Tally(meters=meters)
    both = (Growth(7, "lab", "ada", 50), Growth(8, "lab", "bob", 50))
    tally.check_total("storage_bytes", both)
    with pytest.raises(Rejected):
        tally.check_total("storage_bytes", (*both, Growth(8, "lab", "bob", 1)))
    tally.count("storage_bytes", ADA, both)
    assert [meter.used for meter in meters.values()] == [100, 50, 50]
    tally.count("storage_bytes", ADA, (Growth(7, "lab", "ada", -10),))
    assert [warning.event.used for warning in tally.warnings] == [100]  # type: ignore[attr-defined]
    tally.count("storage_bytes", ADA, (Growth(7, "lab", "ada", -60),))
    tally.count("storage_bytes", ADA, (Growth(7, "lab", "ada", 50),))
    assert [warning.event.used for warning in tally.warnings] == [100, 80]  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [1, 2, 9, 10, 10**18 - 1])
def test_a_warning_comes_at_four_fifths(limit):
    assert warns_at(limit) * 10 >= limit * 8 > (warns_at(limit) - 1) * 10


def test_there_are_only_limits_that_can_be_held():
    for scope in SCOPES:
        for name in LIMITS:
            check_limit(scope, name, 1)
    wrong = (
        ("run", "run_points", 1), ("principal", "points", 1), ("principal", "run_points", -1),
        ("principal", "run_points", 10**18), ("principal", "points_per_second", 0),
        ("workspace", "requests_per_second", 10**12 + 1), ("experiment", "requests_per_second", 0),
    )  # fmt: skip
    for scope, name, most in wrong:
        with pytest.raises(Rejected):
            check_limit(scope, name, most)
