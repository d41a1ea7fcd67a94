import numpy as np
import pytest
import torch

from fringefleet.engine import device as devices
from fringefleet.engine import footprint
from fringefleet.engine.block import batch_size, invert_block
from fringefleet.engine.context import Block, InversionContext
from fringefleet.errors import DeviceError, OptionError
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.oddities import find_oddities
from fringefleet.observation.weight_tables import phase_variance_table
from fringefleet.options import Options
from fringefleet.status import Status
from reference_series import series_by_svd, temporal_coherence_of
from strategies import Case

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in (1, 4, 8, 15, 29))
NETWORK = Network(DATES, ((0, 1), (0, 2), (1, 2), (1, 3), (3, 2), (2, 4), (3, 4)))
REFERENCE = (0.25, -1.5, 0.0, 2.0, 0.5, -0.75, 1.0)
SCENE = InversionContext(NETWORK, 0, REFERENCE, 0.0555, 8)
ZERO = InversionContext(NETWORK, 0, (0.0,) * 7, 0.0555, 8)
PLAIN = Options(weight_func="no")
EXACT = Options(weight_func="no", dtype="float64")


WEIGHTS = {  # for 8 looks, as far as coherences between 0.1 and 0.95 need it
    "var": lambda g: 1 / phase_variance_table(8)[((g - 0.0025) / 0.005).astype(int)],
    "fim": lambda g: 16 * g**2 / (1 - g**2),
    "coh": lambda g: g,
    "no": np.ones_like,
}


def phases(y=2, x=3, seed=0):
    return np.random.default_rng(seed).normal(0, 3, (7, y, x)).astype(np.float32)


def coherences(y=2, x=3, seed=1):
    return np.random.default_rng(seed).uniform(0.1, 0.95, (7, y, x)).astype(np.float32)


def expected_of(phase, weight, valid, scene=SCENE, norm="velocity"):
    """Displacement and temporal coherence by SVD."""
    n_pixel = phase[0].size
    referenced = (phase - np.array(scene.reference_values, np.float32)[:, None, None]).reshape(7, n_pixel)
    case = Case(scene.network, referenced.astype(np.float64), weight.reshape(7, -1), valid.reshape(7, -1))
    series = series_by_svd(case, norm)
    series -= series[scene.reference_date]
    shape = phase.shape[1:]
    displacement = (series * -scene.wavelength / (4 * np.pi)).reshape(-1, *shape)
    with np.errstate(invalid="ignore"):  # no pair, no coherence
        return displacement, temporal_coherence_of(case, series).reshape(shape)


def everywhere(phase):
    return np.ones(phase.shape, bool)


@pytest.mark.parametrize("function", ["var", "fim", "coh", "no"])
@pytest.mark.parametrize("date", [0, 3])
@pytest.mark.parametrize("solver", ["elimination", "dense"])
def test_displacement_is_the_weighted_svd_of_the_referenced_phase_with_the_sign_of_mintpy(
    function, date, solver
):
    scene = InversionContext(NETWORK, date, REFERENCE, 0.0555, 8)
    phase, coherence = phases(), coherences()
    options = Options(weight_func=function, solver=solver)
    series = invert_block(Block(phase, coherence), scene, options)
    weight = WEIGHTS[function](coherence.astype(np.float64))
    displacement, temporal_coherence = expected_of(phase, weight, everywhere(phase), scene)
    np.testing.assert_allclose(series.displacement, displacement, atol=1e-7)
    np.testing.assert_allclose(series.temporal_coherence, temporal_coherence, atol=1e-5)
    assert (series.status == Status.OK).all()


@pytest.mark.parametrize("date", [0, 3])
@pytest.mark.parametrize("solver", ["elimination", "dense"])
def test_the_reference_date_is_exactly_zero(date, solver):
    scene = InversionContext(NETWORK, date, REFERENCE, 0.0555, 8)
    series = invert_block(Block(phases(), coherences()), scene, Options(solver=solver))
    assert (series.displacement[date] == 0).all()


def test_the_results_have_the_shapes_and_dtypes_of_the_file():
    series = invert_block(Block(phases(2, 3)), SCENE, EXACT)
    found = {name: (values.shape, values.dtype.name) for name, values in series.variables.items()}
    assert found == {
        "displacement": ((5, 2, 3), "float32"),
        "temporal_coherence": ((2, 3), "float32"),
        "residual_rms": ((2, 3), "float32"),
        "pair_count": ((2, 3), "uint32"),
        "n_components": ((2, 3), "uint8"),
        "status": ((2, 3), "uint8"),
        "gap_filled": ((5, 2, 3), "uint8"),
    }


def test_every_pixel_stays_in_its_row_and_column():
    phase = phases(3, 4)
    whole = invert_block(Block(phase), SCENE, EXACT).displacement
    for y in range(3):
        for x in range(4):
            alone = invert_block(Block(phase[:, y : y + 1, x : x + 1]), SCENE, EXACT).displacement
            np.testing.assert_allclose(whole[:, y, x], alone[:, 0, 0], rtol=1e-6, atol=1e-12)


def test_a_phase_of_zero_before_or_after_referencing_is_no_data():
    phase = phases(1, 4)
    phase[1, 0, 1] = 0
    phase[3, 0, 2] = REFERENCE[3]
    phase[4, 0, 3] = np.nan
    series = invert_block(Block(phase), SCENE, EXACT)
    np.testing.assert_array_equal(series.pair_count, [[7, 6, 6, 6]])
    valid = everywhere(phase)
    valid[[1, 3, 4], 0, [1, 2, 3]] = False
    displacement, _ = expected_of(np.nan_to_num(phase), np.ones((7, 4)), valid)
    np.testing.assert_allclose(series.displacement, displacement, atol=1e-8)


def test_tiny_phases_are_data():
    phase = phases(1, 2)
    phase[2, 0, 0] = 1e-18
    phase[2, 0, 1] = -1e-15
    np.testing.assert_array_equal(invert_block(Block(phase), ZERO, PLAIN).pair_count, [[7, 7]])


def test_infinite_phases_are_masked_and_counted():
    phase = phases(1, 3)
    phase[0, 0, 0], phase[5, 0, 0], phase[2, 0, 1], phase[3, 0, 2] = np.inf, -np.inf, np.inf, np.nan
    assert find_oddities(phase, is_phase=True, is_coarse=False).n_infinite == 3
    series = invert_block(Block(phase), SCENE, EXACT)
    np.testing.assert_array_equal(series.pair_count, [[5, 6, 6]])
    assert np.isfinite(series.displacement).all()


def test_coherence_at_exactly_the_threshold_stays_and_below_or_nan_goes():
    threshold = 0.4
    coherence = np.full((7, 1, 4), 0.9, np.float32)
    coherence[0, 0] = [np.float32(0.4), np.nextafter(np.float32(0.4), np.float32(0)), np.nan, 0.5]
    options = Options(weight_func="no", mask_dataset="coherence", mask_threshold=threshold)
    series = invert_block(Block(phases(1, 4), coherence), SCENE, options)
    np.testing.assert_array_equal(series.pair_count, [[7, 6, 6, 7]])


def test_no_coherence_counts_as_none_for_a_mask_as_in_mintpy():
    coherence = np.full((7, 1, 2), np.nan, np.float32)
    options = Options(weight_func="no", mask_dataset="coherence", mask_threshold=0.0)
    np.testing.assert_array_equal(
        invert_block(Block(phases(1, 2), coherence), SCENE, options).pair_count, [[7, 7]]
    )


def test_coherence_in_double_precision_is_compared_in_double_precision():
    coherence = np.full((7, 1, 2), 0.9)
    coherence[0, 0] = [0.4, 0.4 - 1e-12]
    options = Options(weight_func="no", mask_dataset="coherence", mask_threshold=0.4)
    series = invert_block(Block(phases(1, 2), coherence), SCENE, options)
    np.testing.assert_array_equal(series.pair_count, [[7, 6]])


def test_coherence_masks_nothing_unless_it_is_asked_to():
    low = np.full((7, 1, 2), 0.01, np.float32)
    low[3] = np.nan
    np.testing.assert_array_equal(
        invert_block(Block(phases(1, 2), low), SCENE, Options()).pair_count, [[7, 7]]
    )


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_connected_component_zero_is_masked_and_every_other_number_is_data(dtype):
    component = np.ones((7, 1, 3), dtype)
    component[2, 0, 0] = 0
    component[4, 0, 1] = 9
    if dtype == "float32":
        component[1, 0, 2] = np.nan
    options = Options(weight_func="no", mask_dataset="connected_component")
    series = invert_block(Block(phases(1, 3), mask_values=component), SCENE, options)
    np.testing.assert_array_equal(series.pair_count, [[6, 7, 6 if dtype == "float32" else 7]])


def test_both_masks_change_the_series_and_not_only_the_count():
    phase, coherence = phases(1, 3), coherences(1, 3)
    valid = coherence >= np.float32(0.3)
    options = Options(
        weight_func="no", mask_dataset="coherence", mask_threshold=0.3, dtype="float64", min_redundancy=0.0
    )
    series = invert_block(Block(phase, coherence), SCENE, options)
    displacement, _ = expected_of(phase, np.ones((7, 3)), valid)
    assert not valid.all()
    np.testing.assert_allclose(series.displacement, displacement, atol=1e-8)


def test_water_is_masked_whatever_it_observes():
    land = np.array([[True, False, True], [False, True, True]])
    series = invert_block(Block(phases(), water_mask=land), SCENE, PLAIN)
    np.testing.assert_array_equal(series.status, np.where(land, Status.OK, Status.MASKED))
    np.testing.assert_array_equal(np.isnan(series.displacement), np.broadcast_to(~land, (5, 2, 3)))
    np.testing.assert_array_equal(np.isnan(series.temporal_coherence), ~land)
    np.testing.assert_array_equal(np.isnan(series.residual_rms), ~land)
    np.testing.assert_array_equal(series.pair_count, 7 * land)
    np.testing.assert_array_equal(series.n_components, land)


def cut_block():
    """Pixels that are whole, cut in two with every date in a pair, without a date, and empty."""
    phase = phases(1, 4)
    keep = {1: [0, 1, 2, 6], 2: [0, 1, 2], 3: []}  # {0 1 2} {3 4}; {0 1 2} 3 4; nothing
    for x, pairs in keep.items():
        phase[[k for k in range(7) if k not in pairs], 0, x] = np.nan
    return phase


def test_every_cause_has_its_status_and_only_those_without_answer_are_nan():
    series = invert_block(Block(cut_block()), SCENE, PLAIN)
    assert [Status(code) for code in series.status[0]] == [
        Status.OK,
        Status.MINIMUM_NORM,
        Status.TOO_FEW_PAIRS,
        Status.NO_OBSERVATION,
    ]
    for values in (series.displacement[2], series.temporal_coherence, series.residual_rms):
        np.testing.assert_array_equal(np.isnan(values), [[False, False, True, True]])
    np.testing.assert_array_equal(series.pair_count, [[7, 4, 0, 0]])
    np.testing.assert_array_equal(series.n_components, [[1, 2, 3, 5]])


@pytest.mark.parametrize(
    ("min_redundancy", "last"), [(0.0, "MINIMUM_NORM"), (0.5, "TOO_FEW_PAIRS"), (1.0, "TOO_FEW_PAIRS")]
)
def test_dates_without_pairs_are_allowed_with_a_redundancy_of_zero(min_redundancy, last):
    options = Options(weight_func="no", min_redundancy=min_redundancy)
    series = invert_block(Block(cut_block()), SCENE, options)
    assert Status(series.status[0, 2]) == Status[last]


@pytest.mark.parametrize(("min_redundancy", "status"), [(2.0, Status.OK), (2.5, Status.TOO_FEW_PAIRS)])
def test_the_redundancy_asked_for_is_enough(min_redundancy, status):
    """The anchor has two pairs and is not looked at; so has date 4, which is."""
    options = Options(weight_func="no", min_redundancy=min_redundancy)
    assert (invert_block(Block(phases()), SCENE, options).status == status).all()


@pytest.mark.parametrize("norm", ["velocity", "phase"])
@pytest.mark.parametrize("date", [0, 4])
def test_cut_pixels_get_the_minimum_norm_answer_that_is_asked_for(norm, date):
    phase = cut_block()
    scene = InversionContext(NETWORK, date, REFERENCE, 0.0555, 8)
    options = Options(weight_func="no", min_norm=norm, min_redundancy=0.0, dtype="float64")
    series = invert_block(Block(phase), scene, options)
    displacement, _ = expected_of(np.nan_to_num(phase), np.ones((7, 4)), np.isfinite(phase), scene, norm)
    np.testing.assert_allclose(series.displacement[:, 0, :3], displacement[:, 0, :3], atol=1e-8)


def test_the_reference_point_is_what_it_is_by_definition():
    phase = phases()
    phase[:, 1, 0] = np.array(REFERENCE)  # as it is in a real stack: zero once referenced
    series = invert_block(Block(phase, reference_point=(1, 0)), SCENE, PLAIN)
    values = [variable[..., 1, 0].tolist() for variable in series.variables.values()]
    assert values == [[0.0] * 5, 1.0, 0.0, 7, 1, Status.REFERENCE_POINT, [0] * 5]
    assert (series.status == Status.REFERENCE_POINT).sum() == 1


def test_a_block_of_several_batches_with_an_overlapping_last_one_is_that_of_one_batch(monkeypatch):
    phase, coherence = phases(5, 9), coherences(5, 9)
    phase[np.random.default_rng(3).random(phase.shape) < 0.3] = np.nan
    component = np.random.default_rng(4).integers(0, 4, phase.shape).astype("i2")
    land = np.random.default_rng(5).random((5, 9)) < 0.8
    block = Block(phase, coherence, component, land, reference_point=(2, 3))
    options = Options(mask_dataset="connected_component")
    whole = invert_block(block, SCENE, options)
    assert len(np.unique(whole.status)) == 6 - (not (whole.status == Status.NO_OBSERVATION).any())
    for batch in (45, 44, 16, 7, 1):
        monkeypatch.setattr(footprint, "CPU_BATCH", batch)
        for name, expected in whole.variables.items():
            found = getattr(invert_block(block, SCENE, options), name)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_block_of_more_pixels_than_a_batch_is_right_in_its_last_pixel():
    phase = phases(1, footprint.CPU_BATCH + 5)
    series = invert_block(Block(phase), SCENE, PLAIN)
    last = invert_block(Block(phase[:, :, -1:]), SCENE, PLAIN)
    np.testing.assert_allclose(series.displacement[:, :, -1:], last.displacement, atol=1e-8)
    assert (series.status == Status.OK).all()


def test_blocks_of_any_layout_are_read_and_left_alone():
    phase = np.asfortranarray(phases())
    phase.flags.writeable = False
    strided = np.repeat(phases(), 2, axis=2)[:, :, ::2]
    results = [invert_block(Block(p), SCENE, PLAIN).displacement for p in (phase, strided, phases())]
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[2])


def test_more_components_than_a_byte_holds_are_counted_as_255():
    days = np.datetime64("2015-01-01", "s") + np.arange(600) * np.timedelta64(86400, "s")
    network = Network.from_dates(days[::2], days[1::2])
    phase = np.ones((300, 1, 1), np.float32)
    series = invert_block(Block(phase), InversionContext(network, 0, (0.0,) * 300, 0.0555, 1), PLAIN)
    assert series.n_components[0, 0] == 255
    assert series.status[0, 0] == Status.MINIMUM_NORM


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight_func": "sbas"}, "found weight_func = 'sbas'; use one of var, fim, coh, no"),
        ({"mask_dataset": "offset"}, "use one of none, coherence, connected_component"),
        ({"min_norm": "both"}, "found min_norm = 'both'; use one of velocity, phase"),
        ({"solver": "gelsd"}, "use one of auto, compiled, elimination, dense"),
        ({"dtype": "float16"}, "use one of float32, float64"),
        ({"device": "tpu"}, "use one of cpu, cuda"),
        ({"mask_threshold": float("nan")}, "found mask_threshold = nan; give a number, 0 or more"),
        ({"mask_threshold": float("inf")}, "found mask_threshold = inf; give a number, 0 or more"),
        ({"mask_threshold": -0.1}, "found mask_threshold = -0.1; give a number, 0 or more"),
        ({"mask_threshold": 40.0, "mask_dataset": "coherence"}, "give a coherence, from 0 to 1"),
        ({"mask_threshold": -1.0, "mask_dataset": "offset_snr"}, "give a signal-to-noise ratio, 0 or more"),
        ({"mask_threshold": -1.0, "mask_dataset": "range_offset_std"}, "give a standard deviation in pixels"),
        ({"mask_threshold": -1.0, "mask_dataset": "azimuth_offset_std"}, "give a standard deviation"),
        ({"min_redundancy": -1.0}, "found min_redundancy = -1.0; give 0 or more"),
        ({"min_redundancy": float("inf")}, "found min_redundancy = inf"),
    ],
)
def test_options_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(OptionError, match=message):
        unchecked_options(wrong)


def unchecked_options(values):
    """Build options from values that the type checker of the tests would refuse before they do."""
    options = object.__new__(Options)
    for name, value in {**vars(Options()), **values}.items():
        object.__setattr__(options, name, value)
    options.__post_init__()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_an_error_and_not_the_cpu():
    with pytest.raises(DeviceError, match="device = cuda"):
        invert_block(Block(phases()), SCENE, Options(weight_func="no", device="cuda"))


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    block = Block(phases(5, 9), coherences(5, 9))
    here, there = (invert_block(block, SCENE, Options(device=name)) for name in ("cpu", "cuda"))
    expected = here.variables
    assert expected.keys() == there.variables.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(there.variables[name], values, atol=1e-5, err_msg=name)


def test_a_gpu_batch_takes_half_of_the_free_memory_in_whole_cpu_batches(monkeypatch):
    plan, options = plan_elimination(NETWORK), Options(device="cuda", solver="elimination")
    monkeypatch.setattr(devices, "select", lambda _: torch.device("cuda:0"))
    per_pixel = footprint.solver_bytes_per_pixel(plan, options)
    for free, n_batch in ((0, 1), (2 * 8192 * 5 * per_pixel, 5), (2 * 8192 * 5 * per_pixel - 2, 4)):
        monkeypatch.setattr(devices, "free_bytes", lambda _, free=free: free)
        assert batch_size(plan, options) == n_batch * 8192


def test_a_gpu_solves_as_many_pixels_at_once_as_it_is_told():
    plan = plan_elimination(SCENE.network)
    assert batch_size(plan, Options(device="cuda", gpu_chunk_size=12_345)) == 12_345
