"""Tiles overlap in one worker, whoever started it, and no more of them than there is memory for."""

import threading
import time
from functools import partial

import pytest
import xarray as xr
from distributed import Client

import fringefleet
from fringefleet import Run
from fringefleet.engine import block
from fringefleet.engine import device as devices
from fringefleet.engine import torch_block as loads
from fringefleet.execution import inversion
from fringefleet.execution import tasks as task
from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.slots import ON_DEVICE, READ_AHEAD, WRITE_BEHIND, WorkerSlots
from fringefleet.execution.tile import LazyVariable
from fringefleet.io.store.result import ResultStore
from fringefleet.simulate import Scene
from thread_workers import thread_cluster

SCENE = Scene(n_date=6, neighbours=2, shape=(96, 64), seed=1)
TILE = (16, 32)  # 12 of them
PATIENCE = 60  # [s] for what happens at once, or never


@pytest.fixture
def one_worker():
    """One worker with one thread, as a user may have made it."""
    with thread_cluster() as cluster, Client(cluster) as client:
        yield client


class Counter:
    """Counts the tiles at a step, and lets others wait for a number."""

    def __init__(self):
        self.begun = self.inside = self.most = 0
        self.changed = threading.Condition()

    def around(self, call, *arguments, **keywords):
        with self.changed:
            self.begun += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
        try:
            return call(*arguments, **keywords)
        finally:
            with self.changed:
                self.inside -= 1
                self.changed.notify_all()

    def wait_for(self, n_begun):
        with self.changed:
            return self.changed.wait_for(lambda: self.begun >= n_begun, PATIENCE)


def test_the_next_tile_is_read_while_one_is_solved_and_solved_while_one_is_written(
    stack, one_worker, tmp_path, monkeypatch
):
    read, solved, written = Counter(), Counter(), Counter()
    invert, write, get = inversion.invert_block, ResultStore.write_tile, LazyVariable.read
    late = []

    def solve_when_the_next_is_read(*arguments):
        if not read.wait_for(min(12, solved.begun + 1)):
            late.append("read")
        return invert(*arguments)

    def write_when_the_next_is_solved(store, *arguments):
        if not solved.wait_for(min(12, written.begun + 1)):
            late.append("solved")
        return write(store, *arguments)

    def read_one(piece):
        return read.around(get, piece) if piece.what.startswith("unwrapped_phase") else get(piece)

    monkeypatch.setattr(inversion, "invert_block", partial(solved.around, solve_when_the_next_is_read))
    monkeypatch.setattr(
        ResultStore, "write_tile", lambda *given: written.around(write_when_the_next_is_solved, *given)
    )
    monkeypatch.setattr(LazyVariable, "read", read_one)
    summary = fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    assert summary.n_tile == 12
    assert late == []
    assert solved.most == 1  # one thread, one turn


@pytest.fixture
def device(monkeypatch):
    """A device with memory of its own, which is that of this machine."""
    monkeypatch.setattr(devices, "has_own_memory", lambda _: True)
    monkeypatch.setattr(block, "is_direct", lambda _: False)  # as nothing is there
    of_device = WorkerSlots(1, ON_DEVICE)
    monkeypatch.setattr(task, "slots_of", lambda _: of_device)
    return of_device


def test_the_next_tile_comes_to_the_device_while_one_is_solved_and_one_goes(
    stack, one_worker, tmp_path, monkeypatch, device
):
    """A tile is solved when the next one is there; its answer goes when the next one is solved."""
    sent, solved, brought = Counter(), Counter(), Counter()
    send, solve, bring_back = loads.send, loads.DeviceBlock._solve, loads.bring_back
    late = []

    def when(counter, step, there):
        if not counter.wait_for(min(12, there)):
            late.append(step)

    def solve_when_the_next_is_there(*given):
        when(sent, "sent", solved.begun + 1)
        return solve(*given)

    def bring_when_the_next_is_solved(*given):
        when(solved, "solved", brought.begun + 1)
        return bring_back(*given)

    monkeypatch.setattr(loads, "send", partial(sent.around, send))
    monkeypatch.setattr(
        loads.DeviceBlock, "_solve", lambda *given: solved.around(solve_when_the_next_is_there, *given)
    )
    monkeypatch.setattr(loads, "bring_back", partial(brought.around, bring_when_the_next_is_solved))
    summary = fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    assert (summary.n_tile, late, solved.most) == (12, [], 1)
    monkeypatch.undo()
    monkeypatch.setattr(block, "is_direct", lambda _: False)
    fringefleet.run(Run(stack, tmp_path / "plain.zarr", chunks=TILE))
    assert files_of(tmp_path / "result.zarr") == files_of(tmp_path / "plain.zarr")


def test_the_memory_of_a_tile_is_anothers_as_soon_as_it_is_on_the_device(
    stack, one_worker, tmp_path, monkeypatch, device
):
    """Two buffers are enough for three tiles, one of which is read while two are on the device."""
    read, solved = Counter(), Counter()
    solve, get = loads.DeviceBlock._solve, LazyVariable.read
    late = []

    def solve_late(*given):
        if not read.wait_for(min(12, solved.begun + 2)):
            late.append(solved.begun)
        return solve(*given)

    def read_one(piece):
        return read.around(get, piece) if piece.what.startswith("unwrapped_phase") else get(piece)

    monkeypatch.setattr(loads.DeviceBlock, "_solve", lambda *given: solved.around(solve_late, *given))
    monkeypatch.setattr(LazyVariable, "read", read_one)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    assert late == []


def test_lazy_blocks_overlap_and_wait_for_one_another(stack, one_worker, monkeypatch):
    invert, seen = inversion.invert_block, Counter()
    looked = Counter()
    look, late = inversion.check_observations, []

    def solve_when_the_next_is_read(*given):
        if not looked.wait_for(min(12, seen.begun + 1)):
            late.append(seen.begun)
        return invert(*given)

    monkeypatch.setattr(inversion, "invert_block", partial(seen.around, solve_when_the_next_is_read))
    monkeypatch.setattr(inversion, "check_observations", partial(looked.around, look))
    lazily = fringefleet.invert(fringefleet.open_stack(stack, chunks=TILE)).compute()
    assert late == []
    assert seen.most <= 1 + READ_AHEAD  # in place; one of them has its turn
    monkeypatch.undo()
    at_once = fringefleet.invert(fringefleet.open_stack(stack, chunks=TILE)).compute(scheduler="synchronous")
    xr.testing.assert_equal(lazily, at_once)


def test_a_writer_that_is_slow_stops_the_reader(stack, one_worker, tmp_path, monkeypatch):
    read, written = Counter(), Counter()
    write, get = ResultStore.write_tile, LazyVariable.read
    ahead = []

    def write_slowly(*given):
        time.sleep(0.2)
        ahead.append(read.begun - written.begun)
        return write(*given)

    def read_one(piece):
        return read.around(get, piece) if piece.what.startswith("unwrapped_phase") else get(piece)

    monkeypatch.setattr(ResultStore, "write_tile", lambda *given: written.around(write_slowly, *given))
    monkeypatch.setattr(LazyVariable, "read", read_one)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    assert written.most <= 1 + WRITE_BEHIND
    assert max(ahead) <= 1 + READ_AHEAD + WRITE_BEHIND  # one of them may be solved, and not yet written


def test_a_step_that_fails_gives_everything_back(stack, one_worker, tmp_path, monkeypatch):
    invert, write, get = inversion.invert_block, ResultStore.write_tile, LazyVariable.read
    failing = {"read": 3, "solve": 3, "write": 3}
    lock = threading.Lock()

    def fail(step, call, *given):
        with lock:
            failing[step] -= 1
            fails = failing[step] >= 0
        if fails:
            raise OSError(f"{step} fails")
        return call(*given)

    monkeypatch.setattr(inversion, "invert_block", partial(fail, "solve", invert))
    monkeypatch.setattr(ResultStore, "write_tile", lambda *given: fail("write", write, *given))
    monkeypatch.setattr(LazyVariable, "read", lambda *given: fail("read", get, *given))
    policy = FailurePolicy(retries=9)
    summary = fringefleet.run(Run(stack, tmp_path / "a.zarr", chunks=TILE, on_failure=policy))
    assert (summary.n_tile, summary.skipped) == (12, ())
    monkeypatch.undo()
    fringefleet.run(Run(stack, tmp_path / "b.zarr", chunks=TILE))
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "b.zarr")


def files_of(store):
    return {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_memory_that_is_used_again_is_not_seen_in_the_result(stack, one_worker, tmp_path, monkeypatch):
    give_back = WorkerSlots.give_back

    def spoil(slots, buffer):
        buffer._memory.fill(255)
        give_back(slots, buffer)

    monkeypatch.setattr(WorkerSlots, "give_back", spoil)
    fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=TILE))
    lazily = fringefleet.invert(fringefleet.open_stack(stack, chunks=TILE)).compute()
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "result.zarr").compute(), lazily)
