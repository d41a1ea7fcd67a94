"""The benchmark of the solvers, on a few pixels: that it runs, and that what it compares is the same."""

import json

import pytest

from benchmarks import compiled

NETWORK = "30 dates, all 435 pairs"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "result.json"
    compiled.main([str(path), "--networks", NETWORK, "--pixels", "64", "--rounds", "1"])
    return json.loads(path.read_text())


@pytest.mark.parametrize("share", compiled.SHARES)
@pytest.mark.parametrize("name", compiled.ON_CPU)
def test_solvers_that_are_timed_side_by_side_solve_the_same(found, name, share):
    record = found["networks"][NETWORK][share]
    is_exact = name != "dense"
    assert record["solver"]["of"][name]["max_error_rad"] < (1e-5 if is_exact else 0.1)
    assert record["batch"]["of"][name]["differs_mm"] < (1e-4 if is_exact else 1)
    assert record["batch"]["of"][name]["counts_equal"]


def test_every_solver_is_timed_with_everything_that_may_be_wanted(found):
    for extra in compiled.EXTRAS:
        assert found["extras"][extra]["of"].keys() == set(compiled.ON_CPU) - {"dense"}
        assert all(of["times_plain"] > 0 for of in found["extras"][extra]["of"].values())
