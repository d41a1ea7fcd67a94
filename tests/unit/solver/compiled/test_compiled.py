"""The compiled solver against the eager form, which the property tests hold against the SVD as well."""

import re

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fringefleet.errors import DeviceError
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import elimination, uncertainty
from fringefleet.solver.compiled import batches as compiled_vectors
from fringefleet.solver.compiled import kernel as compiled_kernel
from fringefleet.solver.compiled import solver as compiled
from fringefleet.solver.compiled import steps as compiled_steps
from fringefleet.solver.compiled import tables as compiled_tables
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.config import Method
from reference_series import series_by_decimals
from solving import (
    COMPILED_32,
    COMPILED_64,
    ELIMINATION_32,
    ELIMINATION_64,
    assert_as_eager,
    assert_series_close,
    case_of,
    parts_of,
    robust_case,
    series_of,
    solve,
    solved,
    tensor,
)
from strategies import Case, cases, networks

CPU = torch.device("cpu")
both_precisions = pytest.mark.parametrize(
    ("solver", "eager"), [(COMPILED_32, ELIMINATION_32), (COMPILED_64, ELIMINATION_64)], ids=str
)
norms = pytest.mark.parametrize("norm", ["l1", "huber"])
SMALL = networks(most_dates=9)
EXACT = {"rtol": 0, "atol": 0, "equal_nan": True}


@both_precisions
@given(case=cases(network=SMALL, n_pixel=4), data=st.data())
@settings(max_examples=40)
def test_everything_is_as_the_eager_form_has_it(solver, eager, case, data):
    root = data.draw(st.integers(0, case.network.n_date - 1))
    method = Method("velocity", data.draw(st.sampled_from([0.0, 1.0, 2.0])))
    found = solved(solver, case, CPU, root=root, method=method)
    assert_as_eager(solver, found, solved(eager, case, CPU, root=root, method=method))


@both_precisions
@given(case=cases(network=SMALL, n_pixel=4, decades=st.floats(0, 4)), root=st.integers(0, 2))
@settings(max_examples=20)
def test_standard_deviations_are_those_of_the_eager_form(solver, eager, case, root):
    root %= case.network.n_date
    workspace, _ = solved(solver, case, CPU, root=root)
    unit = torch.tensor([1.0, 0.25, torch.nan, 4.0], dtype=solver.dtype)
    found = compiled.standard_deviations(workspace, unit)
    reference, _ = solved(eager, case, CPU, root=root)
    room = uncertainty.VarianceBuffers(uncertainty.Factor(workspace.plan, reference.edge, reference.inverse))
    expected = uncertainty.selected_variances(room).mul_(unit).sqrt_()
    expected[root] = 0
    relative = 256 * torch.finfo(solver.dtype).eps
    torch.testing.assert_close(found, expected, rtol=relative, atol=0, equal_nan=True)


@norms
def test_robust_series_are_those_of_the_eager_form(norm):
    case, method = robust_case(30), Method(norm=norm)
    workspace, found = solved(COMPILED_64, case, CPU, root=2, method=method)
    reference, expected = solved(ELIMINATION_64, case, CPU, root=2, method=method)
    assert found.converged.equal(expected.converged)
    for name in ("phase", "temporal_coherence", "residual_rms", "pair_count", "n_components", "too_few"):
        close = {"rtol": 0, "atol": 1e-7, "equal_nan": True}
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), **close)
    torch.testing.assert_close(workspace.observations.residual, reference.residual, rtol=0, atol=1e-7)
    for mine, theirs in ((workspace.edge, reference.edge), (workspace.inverse, reference.inverse)):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-12)


@norms
@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_rounds_are_made_than_allowed(norm, limit):
    case, method = robust_case(20), Method(norm=norm, max_iterations=limit)
    found, expected = (solve(solver, case, CPU, method=method) for solver in (COMPILED_64, ELIMINATION_64))
    assert found.converged.equal(expected.converged)
    assert not found.converged.all()
    torch.testing.assert_close(found.phase, expected.phase, rtol=0, atol=1e-7)


@norms
def test_float32_gets_as_low_as_the_eager_form(norm):
    case, method = robust_case(300, n_date=12, seed=1), Method(norm=norm)
    i, j = case.network.pair_array.T

    def total(solver):
        series = series_of(solve(solver, case, CPU, method=method))
        u = np.where(case.valid, np.abs(case.phase - (series[j] - series[i])) * np.sqrt(case.weight), 0)
        inside = np.minimum(u, method.huber_threshold)
        return (u if norm == "l1" else inside * (u - inside / 2)).sum(0)

    assert (total(COMPILED_32) <= 1.01 * total(ELIMINATION_64)).all()


@pytest.mark.parametrize("norm", ["l2", "l1", "huber"])
def test_a_pixel_has_the_same_bits_wherever_it_is_and_whatever_is_beside_it(norm):
    """Vectors, their tail, batches: 331 pixels are two vectors and a part of one."""
    method = Method(norm=norm, max_iterations=20, min_redundancy=1.0)
    case = robust_case(331, n_date=8, missing=0.3)
    workspace, together = solved(COMPILED_32, case, CPU, method=method)
    deviations = compiled.standard_deviations(workspace, torch.ones(331))
    assert (together.n_components > 1).any()
    for some in (slice(0, 1), slice(5, 6), slice(60, 70), slice(255, 257), slice(3, 300), slice(330, 331)):
        part = Case(case.network, *(values[:, some] for values in case[1:]))
        smaller, alone = solved(COMPILED_32, part, CPU, method=method)
        for whole, piece in zip(parts_of(together), parts_of(alone), strict=True):
            torch.testing.assert_close(whole[..., some], piece, **EXACT)
        n_pixel = some.stop - some.start
        found = compiled.standard_deviations(smaller, torch.ones(n_pixel))
        torch.testing.assert_close(found, deviations[:, some], **EXACT)


def test_the_length_of_a_vector_changes_no_bit(monkeypatch):
    case = case_of(2, n_pixel=600)
    _, expected = solved(COMPILED_32, case, CPU)
    for n_lane in (64, 128, 512):
        monkeypatch.setattr(compiled_vectors, "choose_lanes", lambda *_, n_lane=n_lane: n_lane)
        _, found = solved(COMPILED_32, case, CPU)
        torch.testing.assert_close(parts_of(found), parts_of(expected), **EXACT)


def test_a_workspace_gives_the_same_bits_again_and_a_solution_outlives_the_next_batch():
    case, other = case_of(2), case_of(3, seed=5)
    workspace, first = solved(COMPILED_32, case, CPU)
    kept = [values.clone() for values in parts_of(first)]
    for which, expected in ((other, None), (case, kept)):
        observed = (tensor(values, COMPILED_32, CPU) for values in (which.phase, which.weight))
        again = compiled.solve(workspace, *observed)
        torch.testing.assert_close(parts_of(first), kept, **EXACT)
        if expected:
            torch.testing.assert_close(parts_of(again), expected, **EXACT)


def test_columns_of_a_larger_array_and_other_strides_are_read_and_left_alone():
    case = case_of(2)
    expected = solve(COMPILED_32, case, CPU)
    phase, weight = (tensor(values, COMPILED_32, CPU) for values in (case.phase, case.weight))
    n_pixel = phase.shape[1]
    wide = torch.full((len(phase), n_pixel + 7), torch.nan)
    wide[:, 3 : 3 + n_pixel] = phase
    before = wide.clone()
    workspace = compiled.Workspace(plan_elimination(case.network), n_pixel, torch.float32, CPU)
    found = compiled.solve(workspace, wide[:, 3 : 3 + n_pixel], weight.T.contiguous().T)
    torch.testing.assert_close(parts_of(found), parts_of(expected), **EXACT)
    torch.testing.assert_close(wide, before, **EXACT)


def test_badly_spread_pixels_are_solved_again_in_float64_and_the_others_are_not(monkeypatch):
    again = []
    solve_eagerly = elimination.solve

    def recording(workspace, *observed, **given):
        again.append((workspace.dtype, observed[0].shape[1]))
        return solve_eagerly(workspace, *observed, **given)

    monkeypatch.setattr(elimination, "solve", recording)
    good, bad = case_of(1, n_pixel=70, missing=0), case_of(14, n_pixel=4, missing=0, seed=1)
    case = Case(good.network, *(np.concatenate(pair, axis=1) for pair in zip(good[1:], bad[1:], strict=True)))
    found = series_of(solve(COMPILED_32, case, CPU))
    assert again == [(torch.float64, 64)]
    assert_series_close(found, series_by_decimals(case, "velocity"), COMPILED_32)


def test_the_two_signs_of_an_unsettled_pixel_are_those_of_the_eager_form(monkeypatch):
    chosen = []
    monkeypatch.setattr(elimination, "solve_again", lambda *given: chosen.append(given[3]))
    case = case_of(9, n_pixel=1280, missing=0)
    for solver in (COMPILED_32, ELIMINATION_32):
        solve(solver, case, CPU)
    found, expected = (torch.isin(torch.arange(1280), pixels) for pixels in chosen)
    assert 0.1 < expected.float().mean() < 0.9
    assert (found != expected).float().mean() < 0.05  # near the limits, rounding decides


@pytest.mark.parametrize("decades", [25, 34])
def test_weights_over_all_decades_that_count_give_finite_series_and_exact_parts(decades):
    case = case_of(decades, n_pixel=24, seed=3)
    found = solve(COMPILED_32, case, CPU)
    assert found.phase.isfinite().all()
    assert (found.n_components == solve(ELIMINATION_64, case, CPU).n_components).all()


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 8e-7), (np.float64, 6e-10)])
@pytest.mark.parametrize("largest", [1.0, 20.0, 1e3])
def test_sums_of_cosines_and_sines_are_those_of_the_library(dtype, close, largest):
    """One pair, whose residual is what the series leaves of it: nothing, with no weight to follow."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(-largest, largest, 4096).astype(dtype)
    angle[:9] = np.arange(-4, 5) * np.pi / 4
    zeros = np.zeros((2, LANES), dtype)
    plan = plan_elimination(case_of(0, n_date=6).network)
    walk = compiled_tables.kernel_plan(plan)._replace(
        order=np.arange(2, dtype=np.int32),
        rows=np.array([[0, 1, 1]], np.int32),
        firsts=np.array([[0, 0, 0], [0, 1, 0], [0, 1, 0]], np.int32),
    )
    found = []
    for some in angle.reshape(-1, LANES):
        cells = compiled_steps.VectorBuffers(
            **dict.fromkeys(compiled_steps.VectorBuffers._fields, zeros)
            | {
                "residual": some[None].copy(),
                "weight": np.ones((1, LANES), dtype),
                "sums": np.ones((compiled_kernel.N_SUM, LANES), dtype),  # one pair
            }
        )
        compiled_kernel.measure_vector(cells, walk, cells.weight)
        found.append(cells.sums[[compiled_kernel._COSINE, compiled_kernel._SINE]])
    found = np.concatenate(found, axis=1)
    for mine, theirs in zip(found, (np.cos(angle.astype("f8")), np.sin(angle.astype("f8"))), strict=True):
        assert np.abs(mine - theirs).max() <= close


@pytest.mark.parametrize("size", [1e6, 1e9])
def test_phases_without_digits_for_a_cosine_give_a_coherence_all_the_same(size):
    case = case_of(0)
    found = solve(COMPILED_32, case._replace(phase=case.phase * size), CPU)
    assert ((found.temporal_coherence >= 0) & (found.temporal_coherence <= 1)).all()


def test_what_heavy_pairs_leave_of_one_another_is_summed_in_float64():
    """Two pairs of a date nearly cancel; what is left is exact to the last digit of float32."""
    case = case_of(0, n_pixel=LANES)
    work = compiled.Workspace(plan_elimination(case.network), LANES, torch.float32, CPU)
    vectors, walk = work.vectors, work.vectors.walk
    cells = compiled_steps.VectorBuffers(*(rows[0] for rows in vectors.strip), *vectors.memory)
    rng = np.random.default_rng(0)
    cells.residual[:] = rng.normal(0, 1, LANES) * (1 + rng.integers(-8, 9, cells.residual.shape) * 2.0**-20)
    cells.weight[:] = rng.uniform(1e6, 2e6, LANES)
    partners = walk.rows[:, 2]
    positions = np.repeat(np.arange(len(walk.firsts) - 1), np.diff(walk.firsts[:, 1]))
    compiled_steps.subtract_model_vector(cells, walk, np.zeros_like(cells.series))
    pulls, expected = cells.weight.astype("f8") * cells.residual, np.zeros(cells.right.shape)
    np.add.at(expected, positions, pulls)
    np.add.at(expected, partners, -pulls)
    inner = slice(0, len(walk.order) - 1)
    np.testing.assert_allclose(cells.right[inner], expected[inner], rtol=1e-6, atol=1e-7)


def test_hot_loops_are_vector_instructions():
    """Where a processor has them, nearly all arithmetic on float32 works on whole vectors."""
    case = case_of(0)
    work = compiled.Workspace(plan_elimination(case.network), case.phase.shape[1], torch.float32, CPU)
    cells, walk = (
        compiled_steps.VectorBuffers(*(rows[0] for rows in work.vectors.strip), *work.vectors.memory),
        work.vectors.walk,
    )
    arguments = {
        compiled_steps.factorise_vector: (cells, walk),
        compiled_steps.backward: (cells, walk, cells.series),
        compiled_steps.subtract_model_vector: (cells, walk, cells.series),
        compiled_kernel.measure_vector: (cells, walk, cells.weight),
    }
    wide = "zmm|ymm" if "avx" in _features() else "xmm"
    for function, its in arguments.items():
        fresh = numba.jit(**function.targetoptions)(function.py_func)  # what was kept cannot be looked at
        fresh(*its)
        (code,) = fresh.inspect_asm().values()
        assert len(re.findall(rf"v?(?:fn?m\w*|mul|add|sub)p[sd]\s.*%(?:{wide})", code)) >= 4, function


def _features():
    from llvmlite import binding

    return {name for name, there in binding.get_host_cpu_features().items() if there}


def test_another_device_is_refused():
    with pytest.raises(DeviceError, match="found device meta; the compiled solver runs on the CPU"):
        compiled.check_ready(torch.device("meta"))
