"""Blocks without torch: everything is as batches of torch have it, which run the same kernel."""

import numpy as np
import pytest
from numba import config

from fringefleet.engine import batch_solver, block
from fringefleet.engine import torch_fallback as again
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.engine.solver_choice import is_direct
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import DeviceError
from fringefleet.options import Options
from fringefleet.solver.compiled import kernel as compiled_kernel
from fringefleet.status import Status
from named_networks import network_by_gap

NETWORK = network_by_gap(9, 1, 2, 4)
PAIRS = NETWORK.n_pair
SCENE = InversionContext(NETWORK, 3, tuple(np.linspace(-1, 1, PAIRS)), 0.0555, 8)
OFFSETS = InversionContext(
    NETWORK, 3, (0.0,) * PAIRS, np.nan, 0, metres_per_pixel=-0.05, medians=(0.5,) * PAIRS
)
FIELDS = [
    {"weight_func": "var"},
    {"weight_func": "fim", "gap_rule": "linear"},
    {"weight_func": "coh", "gap_rule": "none"},
    {"weight_func": "no", "min_norm": "phase"},
    {"mask_dataset": "coherence", "min_redundancy": 0.0},
    {"mask_dataset": "connected_component", "min_redundancy": 2.0},
    {"observation": "range_offset"},
    {"observation": "range_offset", "mask_dataset": "range_offset_std", "mask_threshold": 0.5},
]


def block_of(shape=(PAIRS, 8, 40), *, missing=0.35, seed=0):
    """Observations with holes, cut networks, water and pixels that have none."""
    rng = np.random.default_rng(seed)
    observed = rng.normal(0, 3, shape)
    observed[rng.random(shape) < missing] = np.nan
    observed[:, 0, :5] = np.nan
    return Block(
        observed.astype("f4"),
        rng.uniform(0.1, 0.95, shape).astype("f4"),
        rng.integers(0, 3, shape).astype("i2"),
        rng.random(shape[1:]) < 0.8,
        observed_std=(10 ** rng.uniform(-2, 0.5, shape)).astype("f4"),
        reference_point=(2, 7),
    )


def in_torch(monkeypatch, *given):
    with monkeypatch.context() as patch:
        patch.setattr(block, "is_direct", lambda _: False)
        return invert_block(*given).variables


def check_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in found.items():
        is_real = values.dtype.kind == "f"
        assert values.dtype == expected[name].dtype
        np.testing.assert_allclose(values, expected[name], rtol=3e-7 * is_real, atol=1e-8 * is_real)


@pytest.mark.parametrize("given", FIELDS, ids=str)
def test_a_block_has_the_answer_that_torch_gives(given, monkeypatch):
    options = Options(**given)
    assert is_direct(options)
    scene = OFFSETS if options.is_offset else SCENE
    found = invert_block(block_of(), scene, options).variables
    check_same(found, in_torch(monkeypatch, block_of(), scene, options))
    assert not np.signbit(found["displacement"][scene.reference_date]).any()  # no "-0"
    seen = set(np.unique(found["status"]))
    assert {Status.OK, Status.MASKED, Status.NO_OBSERVATION, Status.REFERENCE_POINT} <= seen
    if options.gap_rule != "none":
        assert found["gap_filled"].any()


@pytest.mark.parametrize("missing", [0.0, 0.35])
@pytest.mark.parametrize(
    "given",
    [{}, {"weight_func": "coh", "periodic": (0.3,)}, {"weight_func": "no", "gap_rule": "none"}],
    ids=str,
)
def test_the_covariance_of_a_velocity_is_that_of_torch(given, missing, monkeypatch):
    """Pixels with all dates, from the kernel; those that lack some, from a factor of their own."""
    options = Options(velocity=True, uncertainty="covariance", min_redundancy=0.0, **given)
    assert is_direct(options)
    data = block_of(missing=missing, seed=3)
    data.observed[(NETWORK.pair_array == NETWORK.n_date - 1).any(1), 5] = np.nan  # the last date
    found = invert_block(data, SCENE, options).variables
    monkeypatch.setattr(batch_solver, "has_numba", lambda: False)  # which substitutes by the same code
    expected = in_torch(monkeypatch, data, SCENE, options)
    stds = {name for name in found if name.endswith("_std")}
    check_same(*({k: v for k, v in each.items() if k not in stds} for each in (found, expected)))
    for name in stds:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6)
    has_all, has_std = found["date_count"] == NETWORK.n_date, np.isfinite(found["velocity_std"])
    assert (has_all & has_std).sum() > 20
    assert (~has_all & has_std)[5].sum() > 10


@pytest.mark.parametrize("wanted", ["std", "covariance", "diagnose", "dem_error"])
def test_what_is_wanted_besides_needs_torch(wanted):
    assert not is_direct(Options(**{wanted: True}))
    for given in ({"dtype": "float64"}, {"norm": "l1"}, {"solver": "elimination"}):
        assert not is_direct(Options(**given))


def test_pixels_for_which_float32_is_not_enough_and_no_others_go_to_torch(monkeypatch):
    data = block_of(missing=0.0)
    std = data.observed_std.copy()
    std[(NETWORK.pair_array == 0).any(1), 4] *= 1e5  # all pairs of a date, in one row of pixels
    data, again_for = data._replace(observed_std=std, water_mask=None), []
    solve = again.TorchFallback.solve

    def recording(self, pixels):
        again_for.append(pixels.observed_std)
        return solve(self, pixels)

    monkeypatch.setattr(again.TorchFallback, "solve", recording)
    options = Options(observation="range_offset")
    found = invert_block(data, OFFSETS, options).variables
    taken = np.concatenate(again_for, axis=1)
    columns = {tuple(column) for column in taken.T}
    mine = {tuple(column) for column in std[:, 4].T}
    assert columns <= mine
    assert len(columns) > 10
    check_same(found, in_torch(monkeypatch, data, OFFSETS, options))


@pytest.mark.parametrize("n_pixel", [1, 7, 64, 100, 319, 320, 1000])
def test_the_size_of_a_batch_changes_no_bit(n_pixel, monkeypatch):
    expected = invert_block(block_of(), SCENE, Options()).variables
    monkeypatch.setattr(block, "batch_size", lambda *_: n_pixel)
    found = invert_block(block_of(), SCENE, Options()).variables
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_memory_is_used_again_for_blocks_of_any_size(monkeypatch):
    monkeypatch.setattr(block, "batch_size", lambda *_: 100)
    place = BlockPlace()
    for shape in ((PAIRS, 8, 40), (PAIRS, 3, 11), (PAIRS, 1, 1), (PAIRS, 8, 40)):
        data = block_of(shape)._replace(reference_point=None)
        found = invert_block(data, SCENE, Options(), place=place).variables
        check_same(found, invert_block(data, SCENE, Options()).variables)
    assert len(place.workspaces._idle) == 1


@pytest.mark.parametrize("given", [{}, {"std": True}, {"dtype": "float64"}], ids=str)
def test_a_numba_that_compiles_nothing_is_refused_wherever_blocks_are_solved(given, monkeypatch):
    monkeypatch.setattr(config, "DISABLE_JIT", True)
    with pytest.raises(DeviceError, match="found NUMBA_DISABLE_JIT"):
        invert_block(block_of(), SCENE, Options(solver="compiled", **given))


def test_arrays_that_cannot_be_written_to_are_read_where_they_are():
    data = block_of()
    expected = invert_block(data, SCENE, Options()).variables
    for values in (data.observed, data.coherence):
        values.flags.writeable = False
    before = len(compiled_kernel.invert_vectors.signatures)
    found = invert_block(data, SCENE, Options()).variables
    assert len(compiled_kernel.invert_vectors.signatures) == before  # nothing is compiled anew
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
