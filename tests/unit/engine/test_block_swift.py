"""Blocks through the kernels, which weigh by themselves: everything is as the elimination has it."""

import itertools

import numpy as np
import pytest

from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.engine.weighing import Weighing
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.solver.compiled import kernel as compiled_kernel
from fringefleet.solver.compiled import solver as compiled
from fringefleet.status import Status
from named_networks import network_by_gap


@pytest.fixture(params=["fused", "compiled"])
def solver(request):
    if request.param == "fused":
        pytest.importorskip("triton")
    return request.param


DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in (1, 4, 8, 15, 29))
NETWORK = Network(DATES, ((0, 1), (0, 2), (1, 2), (1, 3), (3, 2), (2, 4), (3, 4)))
SCENE = InversionContext(
    NETWORK, 0, (0.25, -1.5, 0.0, 2.0, 0.5, -0.75, 1.0), 0.0555, 8, (0.0, 40.0, -70.0, 20.0, 90.0), 5e5
)
OFFSETS = InversionContext(NETWORK, 0, (0.0,) * 7, np.nan, 0, metres_per_pixel=-0.05, medians=(0.5,) * 7)
SHAPE = (7, 6, 25)  # more than one program takes
CLOSE = {  # of what float32 rounds in another order; metres and radians
    **dict.fromkeys(("displacement", "displacement_std"), 2e-7),
    **dict.fromkeys(("temporal_coherence", "residual_rms", "closure_rms"), 2e-6),
    "displacement_cov": 1e-9,
    "dem_error": 2e-3,
    "dem_error_std": 2e-3,
}


def block_of(shape=SHAPE, *, is_offset=False, mask=None):
    """Observations with every kind of hole, pixels without any, and a water mask."""
    rng = np.random.default_rng(0)
    observed = rng.normal(0, 3, shape)
    observed[rng.random(shape) < 0.2] = np.nan
    observed[rng.random(shape) < 0.1] = 0
    observed[:, 0, :5] = np.nan
    coherence = rng.uniform(0.1, 0.95, shape)
    coherence[rng.random(shape) < 0.1] = np.nan
    std = 10 ** rng.uniform(-2, 0.5, shape)
    return Block(
        observed.astype("f4"),
        None if is_offset else coherence.astype("f4"),
        None if mask is None else rng.integers(0, 3, shape).astype(mask),
        rng.random(shape[1:]) < 0.8,
        observed_std=std.astype("f4") if is_offset else None,
    )


def compare(solver, block, scene, **given):
    """The series of both, which are near to one another."""
    both = [invert_block(block, scene, Options(**given, solver=name)) for name in (solver, "elimination")]
    found, expected = (series.variables for series in both)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-6, atol=CLOSE.get(name, 0), err_msg=name)
    return both


@pytest.mark.parametrize("function", ["var", "fim", "coh", "no"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_phases_are_weighed_and_masked_in_the_kernel(solver, function, dtype):
    found, _ = compare(solver, block_of(), SCENE, weight_func=function, dtype=dtype, mask_dataset="coherence")
    status = found.status
    for code in (Status.OK, Status.MASKED, Status.NO_OBSERVATION, Status.TOO_FEW_PAIRS, Status.MINIMUM_NORM):
        assert (status == code).any() or code == Status.MINIMUM_NORM


@pytest.mark.parametrize("function", ["var", "no"])
def test_offsets_are_weighed_and_masked_in_the_kernel(solver, function):
    given = {"observation": "range_offset", "weight_func": function}
    block = block_of(is_offset=True)
    compare(solver, block, OFFSETS, **given)
    with_mask = {"mask_dataset": "range_offset_std", "mask_threshold": 0.5}
    if function == "no":  # the mask has the dataset for itself
        block = block._replace(mask_values=block.observed_std, observed_std=None)
    compare(solver, block, OFFSETS, **given, **with_mask)


def test_the_connected_components_are_a_mask_in_the_numbers_of_the_file(solver):
    compare(solver, block_of(mask="i2"), SCENE, mask_dataset="connected_component")


@pytest.mark.parametrize("gap_rule", ["minimum-norm", "linear", "none"])
def test_cut_networks_are_tied_together_as_ever(solver, gap_rule):
    compare(solver, block_of(), SCENE, gap_rule=gap_rule, min_redundancy=0.0)


@pytest.mark.parametrize(
    "wanted",
    [
        {"std": True},
        {"std": True, "weight_func": "coh"},
        {"covariance": True, "std": True},
        {"diagnose": True},
        {"dem_error": True, "polynomial_order": 1},
        {"norm": "huber", "std": True, "max_iterations": 3, "dtype": "float64"},
    ],
    ids=str,
)
def test_what_is_wanted_besides_is_that_of_the_elimination(solver, wanted):
    both = compare(solver, block_of(), SCENE, **wanted)
    if "diagnose" in wanted:
        found, expected = (series.pair_sums for series in both)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pixels_that_need_float64_are_weighed_again_for_it(solver, monkeypatch):
    chosen = []
    prepare = Weighing.prepare_pixels

    def recording(self, raw, pixels):
        chosen.extend(pixels.tolist())
        return prepare(self, raw, pixels)

    monkeypatch.setattr(Weighing, "prepare_pixels", recording)
    block = block_of(is_offset=True)
    std = block.observed_std.copy()
    std[::2, 2] *= 1e5  # in one row of pixels
    compare(solver, block._replace(observed_std=std), OFFSETS, observation="range_offset", weight_func="var")
    assert len({pixel for pixel in chosen if 50 <= pixel < 75}) > 10
    assert len(set(chosen)) < 75


def test_a_kernel_takes_no_memory_for_phases_and_weights(solver):
    from fringefleet.engine.batch_solver import BatchSolver
    from fringefleet.engine.device import select
    from fringefleet.network.elimination_order import plan_elimination

    made = BatchSolver(plan_elimination(NETWORK), SCENE, Options(solver=solver), 10, select("cpu"))
    kept = vars(made) | vars(made.workspace.observations)
    assert not kept.keys() & {"phase", "weight", "scratch", "_phase_and_weight"}


# Many triplets, and more rounds of the norms than are made with all pixels of a batch
LARGER = network_by_gap(12, 1, 2, 3, 5)
LARGER_SCENE = InversionContext(
    LARGER,
    0,
    (0.1,) * LARGER.n_pair,
    0.0555,
    8,
    tuple(80.0 * (-1) ** i / (1 + i % 3) for i in range(12)),
    5e5,
)


@pytest.mark.parametrize("norm", ["l1", "huber"])
def test_the_dem_error_goes_with_the_weights_of_the_last_round_at_every_pixel(norm, monkeypatch):
    """Those of pixels that went on in a part of a batch, too."""
    options = Options(norm=norm, dem_error=True, polynomial_order=1, solver="compiled")
    block = block_of((LARGER.n_pair, 12, 40))
    found = invert_block(block, LARGER_SCENE, options).variables
    assert (found["status"] == Status.OK).mean() > 0.3
    monkeypatch.setitem(compiled._TOGETHER, norm, options.max_iterations)
    expected = invert_block(block, LARGER_SCENE, options).variables
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_nothing_is_compiled_anew_for_a_whole_number_as_a_threshold():
    block, given = block_of(), {"norm": "huber", "solver": "compiled"}
    expected = invert_block(block, SCENE, Options(huber_threshold=2.0, **given)).variables
    n_form = len(compiled_kernel.invert_vectors.signatures)
    found = invert_block(block, SCENE, Options(huber_threshold=2, **given)).variables
    assert len(compiled_kernel.invert_vectors.signatures) == n_form
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


EVERY_OPTION = [
    {},
    {"weight_func": "no"},
    {"weight_func": "fim", "mask_dataset": "coherence"},
    {"std": True, "covariance": True, "weight_func": "coh"},
    {"diagnose": True, "min_redundancy": 2.0},
    {"dem_error": True, "polynomial_order": 1},
    {"gap_rule": "linear", "norm": "huber", "std": True},
    {"gap_rule": "none", "norm": "l1", "dem_error": True},
    {"norm": "huber", "std": True, "covariance": True, "diagnose": True, "dem_error": True},
    {"dtype": "float64", "std": True},
]


@pytest.mark.parametrize("given", EVERY_OPTION, ids=str)
def test_a_pixel_has_the_same_bits_in_whatever_block_it_is(given):
    """Crops of one pixel, one row, odd shapes: nothing of the answer changes, in any variable."""
    options, block = Options(**given, solver="compiled"), block_of((LARGER.n_pair, 9, 40))
    if options.dem_error:
        block = block._replace(range_sine=np.linspace(4e5, 6e5, 360, dtype="f4").reshape(9, 40))
    whole = invert_block(block, LARGER_SCENE, options).variables
    assert len({*whole["status"].flat}) > 2
    for rows, columns in itertools.product(
        (slice(0, 1), slice(2, 5), slice(8, 9)), (slice(3, 4), slice(0, 17), slice(0, 40))
    ):
        part = Block(*(None if values is None else values[..., rows, columns] for values in block[:-1]))
        alone = invert_block(part, LARGER_SCENE, options).variables
        for name, values in alone.items():
            np.testing.assert_array_equal(values, whole[name][..., rows, columns], err_msg=name)
