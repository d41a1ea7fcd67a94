"""Stacks of the ionosphere, networks of one reference date, names of outputs, the covariance."""

import numpy as np
import pytest

from parity.against_mintpy import scenes
from parity.against_mintpy.cases import Case, changed, run_both
from parity.against_mintpy.comparison import (
    ION,
    PHASE,
    SERIES,
    assert_same_layout,
    assert_same_products,
    assert_same_series,
    attributes,
    read,
)
from parity.against_mintpy.offsets import DATES, baseline, offset_stack, single_reference_stack

pytestmark = pytest.mark.mintpy

COMMON = 3  # date that all pairs of the single-reference network begin with
NAMES = ("a.h5", "b.h5", "c.h5")


def star(_data, folder):
    """Write a single-reference network, and its truth beside it."""
    np.save(folder / "truth.npy", single_reference_stack(folder, COMMON))


def offsets_with_a_reference_date(_data, folder):
    offset_stack(folder)
    (folder / "smallbaselineApp.cfg").write_text(f"mintpy.reference.date = {DATES[2]}\n")


ION_SCENE = changed(scenes.nasty, scenes.make_ion_stack)
CASES = [
    Case("ion-var", ION_SCENE, ("-w", "var", "-m", "waterMask.h5"), stack="inputs/ionStack.h5"),
    Case("ion-no", ION_SCENE, ("-w", "no", "--min-norm-phase"), stack="inputs/ionStack.h5"),
    Case("star", star, ("-w", "var")),
    Case("star-phase", star, ("-w", "no", "--min-norm-phase")),
    Case("named", scenes.mexico, ("-w", "no", "-o", *NAMES)),
    Case("reference-date", scenes.mexico, ("-w", "no", "--ref-date", "20180331")),
    Case("covariance-var", scenes.nasty, ("-w", "var", "-m", "waterMask.h5", "--calc-cov")),
    Case("covariance-no", scenes.nasty, ("-w", "no", "-m", "waterMask.h5", "--calc-cov")),
    Case("covariance-range", offsets_with_a_reference_date, ("-i", "rangeOffset", "-w", "var", "--calc-cov")),
]


@pytest.fixture(scope="module")
def pairs(mintpy, workers, shared_data, tmp_path_factory):
    """What both programs made of every case."""
    return run_both(mintpy, CASES, shared_data, tmp_path_factory.mktemp("stacks"), workers)


@pytest.mark.parametrize("name", ["ion-var", "ion-no"])
def test_a_stack_of_the_ionosphere_gives_the_same_files_as_mintpy(pairs, name):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs, ION)


def test_the_names_of_the_outputs_can_be_chosen(pairs):
    pairs["named"].assert_success()
    assert_same_products(pairs["named"].ours, pairs["named"].theirs, NAMES)


@pytest.mark.parametrize("name", ["star", "star-phase"])
def test_a_single_reference_network_has_every_value_at_its_date(pairs, name):
    pairs[name].assert_success()
    truth = np.load(pairs[name].ours / "truth.npy")
    found = pairs[name].ours / "timeseries.h5"
    np.testing.assert_allclose(read(found, "timeseries"), truth, rtol=0, atol=SERIES)
    baselines = [baseline(date) - baseline(0) for date in range(len(DATES))]
    np.testing.assert_allclose(read(found, "bperp"), baselines, rtol=0, atol=1e-3)


def test_mintpy_is_wrong_in_a_single_reference_network_as_the_list_of_deviations_says(pairs):
    truth = np.load(pairs["star"].theirs / "truth.npy")
    velocity, phase = (pairs[name].theirs / "timeseries.h5" for name in ("star", "star-phase"))
    np.testing.assert_allclose(read(velocity, "timeseries"), truth, rtol=0, atol=SERIES)
    assert np.abs(read(phase, "timeseries") - truth).max() > 0.01  # [m]
    baselines = np.array([baseline(date) - baseline(0) for date in range(len(DATES))])
    for path in (velocity, phase):
        assert np.abs(read(path, "bperp") - baselines).max() > 1  # [m]


def test_the_reference_date_shifts_our_series_and_not_mintpys(pairs):
    pairs["reference-date"].assert_success()
    ours, theirs = (
        folder / "timeseries.h5" for folder in (pairs["reference-date"].ours, pairs["reference-date"].theirs)
    )
    index = read(theirs, "date").tolist().index(b"20180331")
    expected = read(theirs, "timeseries")
    assert np.abs(expected[index]).max() > 0.01
    np.testing.assert_allclose(read(ours, "timeseries"), expected - expected[index], rtol=0, atol=2 * SERIES)


@pytest.mark.parametrize("name", ["covariance-var", "covariance-no"])
def test_the_covariance_of_phases_has_mintpys_layout_and_zeros(pairs, name):
    """MintPy's numbers are those of unweighted least squares; only where it has none is compared."""
    pairs[name].assert_success()
    assert_same_covariance(pairs[name], "timeseriesDecorCov.h5", "numInvIfgram.h5")
    assert_same_products(pairs[name].ours, pairs[name].theirs, PHASE)


def test_the_covariance_of_offsets_has_mintpys_layout_and_zeros(pairs):
    pairs["covariance-range"].assert_success()
    assert_same_covariance(pairs["covariance-range"], "timeseriesRgCov.h5", "numInvOffRg.h5")
    assert_same_series(*(folder / "timeseriesRg.h5" for folder in folders(pairs["covariance-range"])))


def assert_same_covariance(pair, name, count):
    """The zeros of MintPy; ours has more, at dates that nothing ties to the reference date."""
    used = read(pair.theirs / count, "mask")
    complete = used == used.max()
    complete[at_reference(pair)] = False  # ours is zero there; MintPy's is not, for offsets
    ours, theirs = (folder / name for folder in folders(pair))
    assert_same_layout(ours, theirs, frozenset({"UNIT"}))  # MintPy calls squares of metres m
    assert attributes(ours)["UNIT"] == "m^2"
    np.testing.assert_array_equal(read(ours, "date"), read(theirs, "date"))
    mine, other = (np.einsum("iiyx->iyx", read(path, "timeseries")) == 0 for path in (ours, theirs))
    assert mine[other].all()
    assert mine[:, *at_reference(pair)].all()
    np.testing.assert_array_equal(mine[:, complete], other[:, complete])
    assert complete.mean() > 0.3


def at_reference(pair):
    """Row and column of the reference pixel."""
    said = attributes(pair.theirs / "inputs" / "ifgramStack.h5")
    return int(said["REF_Y"]), int(said["REF_X"])


def folders(pair):
    return pair.ours, pair.theirs
