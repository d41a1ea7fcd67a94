"""Stacks of pixel offsets: the same files as the real MintPy makes of the same inputs.

The scene is small enough for one block of MintPy, whose rule for standard deviations depends on blocks.
"""

import numpy as np
import pytest

from parity.against_mintpy.cases import Case, run_both
from parity.against_mintpy.comparison import AZIMUTH, RANGE, RESIDUAL, assert_same_products, read
from parity.against_mintpy.offsets import ATTRIBUTES, PAIRS, REFERENCE, offset_stack

pytestmark = pytest.mark.mintpy

UNREFERENCED = {"REF_Y": None, "REF_X": None}
LOOKED_AT_IN_PIXELS = dict.fromkeys(("ALOOKS", "RLOOKS", "AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE", "HEIGHT"))
GEOCODED = {
    "X_FIRST": "10",
    "Y_FIRST": "20",
    "X_STEP": "0.1",
    "Y_STEP": "-0.1",
    "X_UNIT": "degrees",
    "Y_UNIT": "degrees",
}


def offsets(name, options, **attributes):
    """Make a case of an offset stack with some attributes changed."""
    return Case(name, lambda _data, folder: offset_stack(folder, **attributes), tuple(options.split()))


RANGE_CASES = [
    offsets("range-var", "-i rangeOffset -w var"),
    offsets("range-no", "-i rangeOffset -w no"),
    offsets("range-var-phase", "-d rangeOffset -w var --min-norm-phase -m waterMask.h5"),
    offsets("range-no-phase", "--dset rangeOffset -w no --min-norm-phase -m waterMask.h5"),
    offsets("range-skip", "-i rangeOffset -w var --skip-ref"),
    offsets("range-unreferenced", "-i rangeOffset -w no", **UNREFERENCED),
    offsets("range-snr", "-i rangeOffset -w var --md offsetSNR --mt 5"),
    offsets("range-snr-2", "-i rangeOffset -w no --md offsetSNR --mt 8 --mr 2"),
    offsets("range-std", "-i rangeOffset -w var --mask-dset rangeOffsetStd --mask-thres 0.2"),
    offsets("range-std-no", "-i rangeOffset -w no --md rangeOffsetStd --mt 0.15 --skip-reference"),
    offsets("range-other-std", "-i rangeOffset -w no --md azimuthOffsetStd --mt 0.2"),
    offsets("range-cosicorr", "-i rangeOffset -w var", PROCESSOR="cosicorr", **LOOKED_AT_IN_PIXELS),
    offsets("range-geocoded", "-i rangeOffset -w no", **GEOCODED),
    offsets("range-no-wavelength", "-i rangeOffset -w no", WAVELENGTH=None),
]
AZIMUTH_CASES = [
    offsets("azimuth-var", "-i azimuthOffset -w var -m waterMask.h5"),
    offsets("azimuth-no", "-i azimuthOffset -w no"),
    offsets("azimuth-roipac", "-i azimuthOffset -w var", PROCESSOR="roipac"),
    offsets("azimuth-gamma", "-i azimuthOffset -w var", PROCESSOR="gamma"),
    offsets("azimuth-mean-earth", "-i azimuthOffset -w no --min-norm-phase", EARTH_RADIUS=None),
    offsets(
        "azimuth-cosicorr", "-i azimuthOffset -w no", PROCESSOR="cosicorr", **LOOKED_AT_IN_PIXELS, **GEOCODED
    ),
    offsets("azimuth-std", "-i azimuthOffset -w var --md azimuthOffsetStd --mt 0.1 --mr 1"),
    offsets("azimuth-snr", "-i azimuthOffset -w no --md offsetSNR --mt 5", **UNREFERENCED),
]
CASES = [*RANGE_CASES, *AZIMUTH_CASES]


@pytest.fixture(scope="module")
def pairs(mintpy, workers, tmp_path_factory):
    """What both programs made of every case."""
    folder = tmp_path_factory.mktemp("offsets")
    return run_both(mintpy, CASES, folder, folder, workers)


@pytest.mark.parametrize("name", [case.name for case in RANGE_CASES])
def test_range_offsets_give_the_same_files_as_mintpy(pairs, name):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs, RANGE)


@pytest.mark.parametrize("name", [case.name for case in AZIMUTH_CASES])
def test_azimuth_offsets_give_the_same_files_as_mintpy(pairs, name):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs, AZIMUTH)


def test_the_residual_that_mintpy_does_not_have_is_that_of_its_series(pairs):
    ours, theirs = pairs["range-no"].ours, pairs["range-no"].theirs
    without = np.isnan(read(theirs / "residualInvRg.h5", "residual")) & (
        read(theirs / "numInvOffRg.h5", "mask") > 0
    )
    assert without.sum() == 3  # cut, first date lost, no redundancy
    pixel = -float(ATTRIBUTES["RANGE_PIXEL_SIZE"]) / float(ATTRIBUTES["RLOOKS"])  # [m]
    series = read(theirs / "timeseriesRg.h5", "timeseries") / pixel
    observed = read(theirs / "inputs" / "ifgramStack.h5", "rangeOffset")
    observed -= observed[:, *REFERENCE][:, None, None]
    first, second = np.array(PAIRS).T
    residual = np.sqrt(np.nansum((observed - series[second] + series[first]) ** 2, axis=0))
    found = read(ours / "residualInvRg.h5", "residual")
    np.testing.assert_allclose(found[without], residual[without], rtol=0, atol=RESIDUAL)


def test_the_scene_has_what_the_rules_tell_apart(pairs):
    """Zeros that count, pixels without an answer, residuals that are undefined: in MintPy's own files."""
    folder = pairs["range-no"].theirs
    count, residual = read(folder / "numInvOffRg.h5", "mask"), read(folder / "residualInvRg.h5", "residual")
    everything = len(PAIRS)
    np.testing.assert_array_equal(count[10, :4], everything)  # zeros are observations
    np.testing.assert_array_equal(count[10, [4, 6, 9]], 0)
    undefined = np.isnan(residual[10])
    np.testing.assert_array_equal(
        undefined[[0, 4, 5, 6, 7, 8, 9]], [False, True, True, True, True, True, True]
    )
    kept = read(pairs["range-std"].theirs / "numInvOffRg.h5", "mask")
    assert kept[:4].mean() > kept[4:].mean() + 2  # strong signals stay in spite of their standard deviation
