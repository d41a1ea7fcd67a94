"""Numbers that can be no observation: counted exactly, combined over tiles, said once a run."""

import logging

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.errors import ImpossibleValuesError, OptionError, StackFormatError
from fringefleet.io import convert_stack
from fringefleet.io.describe import tile_marks
from fringefleet.observation import oddities
from fringefleet.observation.oddities import (
    IMPLAUSIBLE_PHASE,
    MOST_REMEMBERED,
    Oddities,
    OddityCounts,
    find_oddities,
    find_outside,
)
from fringefleet.simulate import Scene, simulate_dataset

SCENE = Scene(n_date=5, neighbours=2, shape=(60, 80), seed=2)
PIXELS = SCENE.shape[0] * SCENE.shape[1]
TILE = (30, 40)


@pytest.fixture
def stack():
    return simulate_dataset(SCENE)[0].copy(deep=True)


@pytest.fixture
def said(caplog):
    """What is said of a run of a stack, in tiles, on threads."""

    def run(stack, tmp_path, options=None, **setting):
        if isinstance(stack, xr.Dataset):
            stack.to_zarr(tmp_path / "stack.zarr", zarr_format=3, consolidated=False)
            stack = tmp_path / "stack.zarr"
        caplog.clear()
        job = Run(stack, tmp_path / "out.zarr", options or Options(), Setting(**setting), chunks=TILE)
        with caplog.at_level(logging.WARNING, "fringefleet"):
            fringefleet.run(job)
        # A client that other tests had, if it is still in memory, is spoken of, too.
        return [
            record.getMessage() for record in caplog.records if record.name != "fringefleet.processes.clients"
        ]

    return run


def phases(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 9, shape).astype("f4")


def test_a_value_that_surprisingly_many_pixels_have_is_counted_at_all_of_them():
    for shape in ((1, 7, 9), (2, 64, 64), (2, 300, 300)):
        observed = phases(shape)
        flat = observed.reshape(shape[0], -1)
        n_same = max(3, flat.shape[1] // 60)
        flat[-1, :: flat.shape[1] // n_same][:n_same] = -99.5
        n_same = int((flat[-1] == np.float32(-99.5)).sum())
        found = find_oddities(observed, is_phase=True, is_coarse=False)
        assert found.same == {(shape[0] - 1, -99.5): n_same}
        assert found.far == {}


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_what_is_no_data_anyway_is_no_odd_value(value):
    observed = phases((1, 50, 50))
    observed[0, :25] = value
    assert find_oddities(observed, is_phase=True, is_coarse=False).same == {}


def test_phases_beyond_a_thousand_cycles_are_counted_by_pair_and_infinities_by_themselves():
    observed = phases((3, 20, 20))
    observed[0, 0, :5] = [IMPLAUSIBLE_PHASE * 1.001, -IMPLAUSIBLE_PHASE * 1.001, 9.97e36, np.inf, -np.inf]
    observed[2, 0, 0] = IMPLAUSIBLE_PHASE * 0.999
    found = find_oddities(observed, is_phase=True, is_coarse=False)
    assert (found.n_infinite, found.far) == (2, {0: 3})
    assert find_oddities(observed, is_phase=False, is_coarse=False) == Oddities(2)


def test_counts_of_tiles_add_up_to_those_of_the_scene():
    """One value at 1.5 % of the scene, anywhere: it is found whatever the tiles are."""
    rng = np.random.default_rng(5)
    scene = phases((2, 400, 400))
    scene[1].reshape(-1)[rng.permutation(160_000)[:2400]] = 12.5
    for side in (400, 200, 50, 20):
        counts = OddityCounts()
        for i in range(0, 400, side):
            for j in range(0, 400, side):
                tile = scene[:, i : i + side, j : j + side]
                odd = find_oddities(tile, is_phase=True, is_coarse=False)
                counts.add(odd, tile[0].size)
        sentences = counts.sentences(fringefleet.io.stack_network(simulate_dataset(SCENE)[0]))
        assert "the same phase occurs" in sentences["same"], side
        assert 2300 <= counts.same[1][12.5] <= 2400


def test_however_many_tiles_there_are_little_is_remembered():
    counts = OddityCounts()
    for number in range(2000):
        counts.add(Oddities(same={(0, -99.0): 5, (0, float(number)): 2}), 1000)
    assert len(counts.same[0]) <= 2 * MOST_REMEMBERED
    assert counts.same[0][-99.0] == 10_000


def test_an_undeclared_value_is_said_once_a_run_with_its_pairs(stack, said, tmp_path):
    stack["unwrapped_phase"][3, :, :2] = -99.0  # in four tiles
    stack["unwrapped_phase"][5, :3, :50] = -9999.0
    pairs = [fringefleet.io.stack_network(stack).pair_name(pair) for pair in (3, 5)]
    same, far = sorted(said(stack, tmp_path), key=lambda text: "cycles" in text)
    assert (
        f"the same phase occurs at more than 1% of the pixels in 1 of 7 pairs ({pairs[0]}: -99 at 120 pix"
        in same
    )
    assert f"150 phases are beyond 1,000 cycles, in 1 of 7 pairs ({pairs[1]}: 150)" in far


def test_a_hundred_pixels_or_one_in_a_hundred_are_not_too_many(stack, said, tmp_path):
    stack["unwrapped_phase"][3].values.reshape(-1)[:99] = -99.0  # two per cent of 4800 are 96
    assert said(stack, tmp_path) == []


def test_a_stack_of_integers_may_repeat_itself_and_so_may_its_copy(stack, said, tmp_path):
    encoding = {"unwrapped_phase": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -32768}}
    stack.to_netcdf(tmp_path / "stack.nc", engine="h5netcdf", encoding=encoding)
    values, counts = np.unique(
        fringefleet.open_stack(tmp_path / "stack.nc").unwrapped_phase[0], return_counts=True
    )
    assert counts[values != 0].max() > PIXELS // 100
    assert said(tmp_path / "stack.nc", tmp_path) == []
    (tmp_path / "copy").mkdir()
    convert_stack(tmp_path / "stack.nc", tmp_path / "copy" / "stack.zarr")
    assert said(tmp_path / "copy" / "stack.zarr", tmp_path / "copy") == []


def test_floating_point_that_repeats_itself_is_said(stack, said, tmp_path):
    stack["unwrapped_phase"] = stack.unwrapped_phase.round(0)
    assert "the same phase occurs" in said(stack, tmp_path)[0]


@pytest.mark.parametrize("scene", ["mexico_city/ifgramStack.h5", "nasty_24/inputs/ifgramStack.h5"])
def test_stacks_that_are_as_they_should_be_are_passed_over(scene, said, shared_data, tmp_path):
    assert said(shared_data / scene, tmp_path) == []


def test_a_coherence_beyond_rounding_is_counted_and_rounding_is_not(stack, said, tmp_path):
    stack["coherence"][2, 50:, 70:] = 1.0009
    stack["coherence"][3, 50:, 70:] = -0.0009
    assert said(stack, tmp_path) == []
    (tmp_path / "more").mkdir()
    stack["coherence"][2, 50:, 70:] = 1.2
    stack["coherence"][3, 50, 70:] = -0.2
    (message,) = said(stack, tmp_path / "more")
    assert (
        "110 values of coherence are outside the valid range, 0 to 1: they range from -0.2 to 1.2" in message
    )


@pytest.mark.parametrize("weight_func", ["var", "fim", "coh"])
def test_what_is_outside_counts_as_the_nearest_that_can_be(stack, weight_func):
    inside = stack.assign(coherence=stack.coherence.clip(0.2, 1))
    results = []
    for high, low in ((1.0, 0.0), (1.3, -0.3)):
        one = inside.copy(deep=True)
        one["coherence"][1, :5], one["coherence"][2, 5:9] = high, low
        results.append(fringefleet.invert(one, weight_func=weight_func).load())
    xr.testing.assert_equal(*results)


def scale_all(coherence):
    coherence *= 255


def scale_one_pair(coherence):
    coherence[4] *= 100


def spoil_far_away(coherence):
    coherence[4, -1, -1] = -1


@pytest.mark.parametrize("spoil", [scale_all, scale_one_pair, spoil_far_away])
def test_a_coherence_that_can_be_none_ends_the_run(stack, spoil, said, tmp_path):
    spoil(stack["coherence"].values)
    with pytest.raises(
        ImpossibleValuesError, match=r"found coherence from .* outside the valid range, 0 to 1"
    ) as caught:
        said(stack, tmp_path)
    assert isinstance(caught.value, fringefleet.errors.InputError)
    if spoil is not spoil_far_away:
        assert not (tmp_path / "out.zarr").exists()
        return
    assert "tile (1, 1)" in str(caught.value)
    assert tile_marks(tmp_path / "out.zarr")[1, 1] == 0  # never written


def test_the_lazy_form_refuses_it_when_it_is_asked_or_when_it_comes_upon_it(stack):
    spoil_far_away(stack["coherence"].values)
    result = fringefleet.invert(stack, chunks=TILE)
    with pytest.raises(ImpossibleValuesError, match="found coherence from -1 to -1"):
        result.load(scheduler="synchronous")
    scale_all(stack["coherence"].values)
    with pytest.raises(ImpossibleValuesError, match="found coherence from"):
        fringefleet.invert(stack)


def test_a_coherence_that_nobody_reads_may_be_anything(stack, said, tmp_path):
    scale_all(stack["coherence"].values)
    assert said(stack, tmp_path, Options(weight_func="no")) == []


def test_the_lazy_form_says_it_of_one_block(stack, caplog, monkeypatch):
    monkeypatch.setattr(oddities, "_SAID", set())
    stack["unwrapped_phase"][1, :, :2] = -12345.0
    stack["coherence"][2, 50:, 70:] = 1.2
    with caplog.at_level(logging.WARNING, "fringefleet"):
        fringefleet.invert(stack, chunks=TILE).load(scheduler="synchronous")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert all("in the first affected block of the stack" in message for message in messages)


def test_negative_standard_deviations_and_ratios_are_counted():
    arrays = {
        name: np.full((2, 3), -1.0, "f4") for name in ("offset_snr", "range_offset_std", "azimuth_offset_std")
    }
    found = find_outside(arrays | {"anything": np.full((2, 2), -1.0)})
    assert {name: outside.n_value for name, outside in found.items()} == dict.fromkeys(arrays, 6)


@pytest.mark.parametrize("error", [StackFormatError, OptionError, ImpossibleValuesError])
def test_bad_values_are_bad_input(error):
    assert issubclass(error, fringefleet.errors.InputError)
