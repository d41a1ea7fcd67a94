"""The fused kernel against the SVD and against the eager form; on a CPU by Triton's interpreter."""

import itertools
import os
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fringefleet.solver
from fringefleet.errors import DeviceError
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import elimination, limits, uncertainty
from fringefleet.solver.config import Method
from fringefleet.solver.fused import solver as fused
from fringefleet.solver.tables import NO_PAIR, tables_of
from reference_series import series_by_decimals, series_by_svd
from solving import (
    ELIMINATION_32,
    ELIMINATION_64,
    PHASE,
    VELOCITY,
    Solver,
    assert_as_eager,
    assert_series_close,
    case_of,
    parts_of,
    series_of,
    solve,
    solved,
    tensor,
)
from strategies import Case, cases, dated, networks

pytest.importorskip("triton")
if not torch.cuda.is_available():  # it is read when the kernel is imported, with the first workspace
    os.environ.setdefault("TRITON_INTERPRET", "1")

FUSED_32 = Solver(fused, torch.float32, 1e-5, 4e-7)
FUSED_64 = Solver(fused, torch.float64, 1e-9, 1e-11)
both_precisions = pytest.mark.parametrize(
    ("solver", "eager"), [(FUSED_32, ELIMINATION_32), (FUSED_64, ELIMINATION_64)], ids=str
)
few = settings(max_examples=8)
SMALL = networks(most_dates=9)


@pytest.fixture(scope="module")
def device():
    """The kernel runs on the GPU where there is one, and is interpreted where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@both_precisions
@given(case=cases(network=SMALL), method=st.sampled_from([VELOCITY, PHASE]))
@few
def test_the_series_is_that_of_an_svd_at_every_pixel(solver, eager, device, case, method):
    expected = series_by_svd(case, method.min_norm)
    assert_series_close(series_of(solve(solver, case, device, method=method)), expected, solver)


@both_precisions
@given(case=cases(network=SMALL, n_pixel=4), data=st.data())
@few
def test_everything_is_as_the_eager_form_has_it(solver, eager, device, case, data):
    root = data.draw(st.integers(0, case.network.n_date - 1))
    method = Method("velocity", data.draw(st.sampled_from([0.0, 2.0])))
    found = solved(solver, case, device, root=root, method=method)
    assert_as_eager(solver, found, solved(eager, case, device, root=root, method=method))


@both_precisions
@pytest.mark.parametrize("keeps_factor", [False, True])
@given(case=cases(network=SMALL, n_pixel=4, decades=st.floats(0, 4)), root=st.integers(0, 2))
@settings(max_examples=4)
def test_standard_deviations_are_those_of_the_eager_form(solver, eager, keeps_factor, device, case, root):
    root %= case.network.n_date
    plan = plan_elimination(case.network, root)
    workspace = fused.Workspace(plan, 4, solver.dtype, device)
    workspace.keeps_factor = keeps_factor
    observed = [tensor(values, solver, device) for values in (case.phase, case.weight)]
    fused.solve(workspace, *observed)
    unit = torch.tensor([1.0, 0.25, torch.nan, 4.0], dtype=solver.dtype, device=device)
    found = fused.standard_deviations(workspace, unit)
    reference, _ = solved(eager, case, device, root=root)
    room = uncertainty.VarianceBuffers(uncertainty.Factor(plan, reference.edge, reference.inverse))
    expected = uncertainty.selected_variances(room).mul_(unit).sqrt_()
    expected[root] = 0
    relative = 256 * torch.finfo(solver.dtype).eps
    torch.testing.assert_close(found, expected, rtol=relative, atol=0, equal_nan=True)


def test_pixels_of_several_programs_do_not_touch_one_another(device):
    """The tail of the last program is masked, and each pixel has the bits that it has alone."""
    case = case_of(2, n_pixel=131, n_date=6)
    _, together = solved(FUSED_32, case, device)
    for some in (slice(0, 1), slice(127, 131)):
        part = Case(case.network, case.phase[:, some], case.weight[:, some], case.valid[:, some])
        _, alone = solved(FUSED_32, part, device)
        for whole, piece in zip(parts_of(together), parts_of(alone), strict=True):
            torch.testing.assert_close(whole[..., some], piece, rtol=0, atol=0, equal_nan=True)


def test_a_workspace_gives_the_same_bits_again_and_a_solution_outlives_the_next_batch(device):
    case, other = case_of(2), case_of(3, seed=5)
    workspace, first = solved(FUSED_32, case, device)
    kept = [values.clone() for values in parts_of(first)]
    phase, weight = (tensor(values, FUSED_32, device) for values in (other.phase, other.weight))
    fused.solve(workspace, phase, weight)
    torch.testing.assert_close(parts_of(first), kept, rtol=0, atol=0, equal_nan=True)
    phase, weight = (tensor(values, FUSED_32, device) for values in (case.phase, case.weight))
    again = fused.solve(workspace, phase, weight)
    torch.testing.assert_close(parts_of(again), kept, rtol=0, atol=0, equal_nan=True)


def test_columns_of_a_larger_array_and_other_strides_are_read_in_place_and_left_alone(device):
    case = case_of(2)
    expected = solve(FUSED_32, case, device)
    phase, weight = (tensor(values, FUSED_32, device) for values in (case.phase, case.weight))
    n_pixel = phase.shape[1]
    wide = torch.full((len(phase), n_pixel + 7), torch.nan, device=device)
    wide[:, 3 : 3 + n_pixel] = phase
    before = wide.clone()
    plan = plan_elimination(case.network)
    workspace = fused.Workspace(plan, n_pixel, torch.float32, device)
    found = fused.solve(workspace, wide[:, 3 : 3 + n_pixel], weight.T.contiguous().T)
    torch.testing.assert_close(list(found), list(expected), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(wide, before, rtol=0, atol=0, equal_nan=True)


@pytest.fixture
def looks(monkeypatch):
    """The dtype and the pixels of every launch from here on."""
    made = []
    launch = fused._run_kernel

    def recording(work, *observed, **kept):
        made.append((work.dtype, work.n_pixel))
        return launch(work, *observed, **kept)

    monkeypatch.setattr(fused, "_run_kernel", recording)
    return made


def test_badly_spread_pixels_get_a_second_look_in_float64_and_the_others_do_not(looks, device):
    good, bad = case_of(1, n_pixel=6, missing=0), case_of(14, n_pixel=4, missing=0, seed=1)
    case = Case(good.network, *(np.concatenate(pair, axis=1) for pair in zip(good[1:], bad[1:], strict=True)))
    found = series_of(solve(FUSED_32, case, device))
    assert looks[0] == (torch.float32, 10)
    assert looks[1:] == [(torch.float64, 10)]
    assert_series_close(found, series_by_decimals(case, "velocity"), FUSED_32)


def test_the_two_signs_of_an_unsettled_pixel_are_those_of_the_eager_form(monkeypatch, device):
    monkeypatch.setattr(elimination, "solve_again", lambda *_: None)  # the buffers stay as they are
    case = case_of(9, n_pixel=128, missing=0)
    workspace, solution = solved(FUSED_32, case, device)
    share, found = workspace.inverse[:-1], torch.nonzero(workspace.counts[3])[:, 0]
    eager = elimination.Workspace(workspace.plan, 128, torch.float32, device)
    series = solution.phase[workspace.order]
    for mine, theirs in (
        (eager.inverse, workspace.inverse),
        (eager.right, workspace.change),
        (eager.phase, series),
    ):
        mine.copy_(theirs)
    loose = share.amax(0) > limits.LARGEST_SPREAD * share.amin(0)
    changed = eager.right.abs().amax(0) > limits.LARGEST_CHANGE * eager.phase.abs().amax(0)
    assert (loose & ~changed).any()
    assert (changed & ~loose).any()
    assert (~changed & ~loose).any()
    torch.testing.assert_close(found, elimination._unsettled_pixels(eager))


@pytest.mark.parametrize("decades", [25, 34])
def test_weights_over_all_decades_that_count_give_finite_series_and_exact_parts(decades, device):
    case = case_of(decades, n_pixel=24, seed=3)
    with np.errstate(over="ignore", invalid="ignore"):  # NumPy's; what overflows is solved again
        found = solve(FUSED_32, case, device)
    assert found.phase.isfinite().all()
    assert (found.n_components == solve(ELIMINATION_64, case, device).n_components).all()


@pytest.mark.parametrize("root", [0, 3])
def test_the_anchor_is_not_among_the_dates_whose_pairs_are_counted(root, device):
    case = case_of(0, n_date=6, n_pixel=2, missing=0)
    spoilt = (case.network.pair_array == case.network.anchor).any(1)
    case = case._replace(phase=np.where(spoilt[:, None], np.nan, case.phase))
    for least, too_few in ((1.0, False), (99.0, True)):
        method = Method(min_redundancy=least)
        for solver in (ELIMINATION_32, FUSED_32):
            found = solved(solver, case, device, root=root, method=method)[1].too_few
            assert (found == too_few).all()


def test_one_pair_at_one_pixel_is_its_phase(device):
    rng = np.random.default_rng(0)
    network = dated(np.array([(1, 0)]), rng)
    case = Case(network, np.array([[3.0]]), np.array([[2.0]]), np.array([[True]]))
    found = solve(FUSED_32, case, device)
    assert found.phase.flatten().tolist() == [0.0, -3.0]
    assert [values.item() for values in found[1:6]] == [1.0, 0.0, 1, 1, 0]


def test_the_tables_hold_the_star_mesh_of_every_date():
    rng = np.random.default_rng(0)
    plan = plan_elimination(case_of(0, n_date=12).network, 3)
    tables = tables_of(plan)
    edges, first_slot = rng.random(plan.n_slot), tables.firsts[:, 0]
    slot_of = {
        (place, later): slot
        for place in range(len(plan.turns))
        for slot, later in enumerate(
            tables.slots[slice(*first_slot[place : place + 2]), 2], first_slot[place]
        )
    }
    expected = np.zeros(plan.n_slot)
    for place in range(len(plan.turns)):
        near = [later for earlier, later in slot_of if earlier == place]
        for a, b in itertools.combinations(near, 2):
            expected[slot_of[a, b]] += edges[slot_of[place, a]] * edges[slot_of[place, b]] * (place + 1)
    for slot in range(plan.n_slot):
        updates = tables.updates[slice(*tables.first_update[slot : slot + 2])]
        found = sum(edges[one] * edges[other] * (place + 1) for one, other, place in updates)
        assert found == pytest.approx(expected[slot], abs=1e-15)


def test_the_tables_hold_every_pair_and_edge_from_both_of_its_ends():
    plan = plan_elimination(case_of(0, n_date=12).network, 3)
    tables = tables_of(plan)
    places = range(len(plan.order))
    slots, rows, earlier, tied = (
        [table[slice(*tables.firsts[place : place + 2, column])].tolist() for place in places]
        for column, table in enumerate((tables.slots, tables.rows, tables.earlier, tables.tied))
    )
    of_rows = [(pair, sign, v, a) for v in places for pair, sign, a in rows[v]]
    from_first = {(*numbers, row) for row, numbers in enumerate(of_rows)}
    assert from_first == {(pair, sign, u, v, row) for v in places for pair, sign, u, row in earlier[v]}
    in_slots = {(pair, sign, v, a, row) for v in places for pair, sign, a, row in slots[v]}
    assert from_first == {numbers for numbers in in_slots if numbers[0] != NO_PAIR}
    for pair, sign, v, a in of_rows:
        ends = plan.network.pairs[pair]
        assert ends[::sign] == (plan.order[a], plan.order[v])
    edges = [(v, a) for v in places for _, _, a, _ in slots[v]]
    assert sorted((u, v) for v in places for _, u in tied[v]) == edges
    assert all(edges[slot] == (u, v) for v in places for slot, u in tied[v])


def test_without_triton_there_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "fringefleet.solver.fused.kernel", raising=False)
    monkeypatch.delattr(fringefleet.solver.fused, "kernel", raising=False)
    plan = plan_elimination(case_of(0).network)
    with pytest.raises(DeviceError, match=r"no module triton; .* needs Triton.*choose the elimination"):
        fused.Workspace(plan, 2, torch.float32, torch.device("cpu"))


def test_a_cpu_without_the_interpreter_is_refused_and_nothing_else_is_used_in_silence(monkeypatch):
    from fringefleet.solver.fused import kernel as fused_kernel

    monkeypatch.setattr(fused_kernel, "INTERPRETED", False)
    plan = plan_elimination(case_of(0).network)
    with pytest.raises(DeviceError, match="found device cpu; the fused solver needs a CUDA device"):
        fused.Workspace(plan, 2, torch.float32, torch.device("cpu"))
