"""The step as smallbaselineApp.py does it on a project folder: its files, and the mask of good pixels."""

import re

import numpy as np
import pytest

from parity.against_mintpy import scenes
from parity.against_mintpy.cases import Step, changed, run_both
from parity.against_mintpy.comparison import assert_same_layout, assert_same_products, attributes, read
from parity.against_mintpy.scenes import configure

pytestmark = pytest.mark.mintpy

KEY = "mintpy.networkInversion."
SHADED = changed(scenes.nasty, scenes.cast_shadow)
ENOUGH = [
    Step("default", SHADED),
    Step("no-shadow", changed(SHADED, configure(f"{KEY}shadowMask = no", f"{KEY}minTempCoh = 0.95"))),
    Step(
        "options",
        changed(
            SHADED,
            scenes.add_average_coherence,
            configure(
                f"{KEY}weightFunc = no",
                f"{KEY}minNormVelocity = no",
                f"{KEY}maskDataset = coherence",
                f"{KEY}maskThreshold = 0.3",
                f"{KEY}minRedundancy = 2",
            ),
        ),
    ),
    Step(
        "corrected",
        changed(SHADED, scenes.add_corrected_phases, configure("mintpy.unwrapError.method = bridging")),
    ),
    Step("geocoded", scenes.mexico),
    Step(
        "custom",
        changed(
            SHADED,
            configure(
                f"{KEY}weightFunc = no",
                f"{KEY}maskDataset = coherence",
                f"{KEY}maskThreshold = 0.3",
                f"{KEY}minRedundancy = 2",
                f"{KEY}waterMaskFile = no",
            ),
        ),
        template=(
            f"{KEY}weightFunc = coh",
            f"{KEY}minNormVelocity = off",
            f"{KEY}minRedundancy = auto",
            f"{KEY}waterMaskFile = default",
            f"{KEY}shadowMask = n",
        ),
    ),
]
TOO_FEW = Step("too-few", changed(SHADED, configure(f"{KEY}minNumPixel = 1900")))


@pytest.fixture(scope="module")
def pairs(mintpy, workers, shared_data, tmp_path_factory):
    """What both programs made of every project."""
    folder = tmp_path_factory.mktemp("step")
    return run_both(mintpy, [*ENOUGH, TOO_FEW], shared_data, folder, workers)


@pytest.mark.parametrize("name", [step.name for step in ENOUGH])
def test_the_step_gives_the_same_files_as_mintpy(pairs, name):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs)
    assert_same_mask(pairs[name])


def test_a_template_over_that_of_the_project_is_merged_with_it_by_both_and_written_by_mintpy(pairs):
    used = attributes(pairs["custom"].theirs / "timeseries.h5")
    expected = {"weightFunc": "coh", "maskDataset": "coherence", "maskThreshold": "0.3"}
    expected |= {"minRedundancy": "1.0", "minNormVelocity": "False"}
    assert {name: used[KEY + name] for name in expected} == expected
    ours, theirs = (
        (folder / "smallbaselineApp.cfg").read_text()
        for folder in (pairs["custom"].ours, pairs["custom"].theirs)
    )
    assert f"{KEY}weightFunc = coh" not in ours
    assert re.search(rf"{KEY}weightFunc\s*= coh", theirs)


def test_too_few_good_pixels_are_said_after_the_mask_is_written(pairs):
    """MintPy writes the same files, and then fails."""
    ours, theirs = pairs["too-few"].outcomes
    ours.assert_success()
    assert "fewer than 1900" in ours.log
    assert theirs.code == 1
    assert_same_products(pairs["too-few"].ours, pairs["too-few"].theirs)
    assert_same_mask(pairs["too-few"])


def test_threshold_and_shadow_change_the_mask_of_mintpy(pairs):
    masks = {
        read(pairs[name].theirs / "maskTempCoh.h5", "mask").tobytes()
        for name in ("default", "no-shadow", "options")
    }
    assert len(masks) == 3


def assert_same_mask(pair):
    ours, theirs = pair.ours / "maskTempCoh.h5", pair.theirs / "maskTempCoh.h5"
    assert_same_layout(ours, theirs, frozenset({"FILE_PATH"}))
    for path in (ours, theirs):
        assert attributes(path)["FILE_PATH"] == str(path.with_name("temporalCoherence.h5"))
    np.testing.assert_array_equal(read(ours, "mask"), read(theirs, "mask"))
