"""How batches come to the device, and what happens where memory runs out."""

import pickle

import numpy as np
import pytest
import torch

from fringefleet.engine import device as devices
from fringefleet.engine import footprint
from fringefleet.engine import solver_choice as solvers
from fringefleet.engine import torch_block as loads
from fringefleet.engine.batch_solver import BatchSolver
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, FlatBlock, InversionContext
from fringefleet.engine.device import is_out_of_memory
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.transfer import part_of, send
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import DeviceError
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.processes.worker_info import GpuUsers
from fringefleet.solver.fused import solver as fused

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in (1, 4, 8, 15))
NETWORK = Network(DATES, ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)))
SCENE = InversionContext(NETWORK, 0, (0.0,) * 5, 0.0555, 8)
OPTIONS = Options(weight_func="no", std=True, diagnose=True)


def phases(y, x, seed=0):
    return np.random.default_rng(seed).normal(0, 3, (5, y, x)).astype("f4")


@pytest.fixture
def small_memory(monkeypatch):
    """Batches of more than 300 pixels do not fit, each with another library's error."""
    tried = []
    errors = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("std::bad_alloc: out_of_memory: RMM failure"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ]
    whole = BatchSolver.invert

    def invert(self, raw, *, n_done=0):
        tried.append(self.n_pixel)
        if self.n_pixel > 300:
            raise errors[len(tried) % len(errors)]
        return whole(self, raw, n_done=n_done)

    monkeypatch.setattr(BatchSolver, "invert", invert)
    return tried


def test_batches_that_do_not_fit_are_halved_until_they_do(small_memory, caplog):
    block = Block(phases(40, 50))
    series = invert_block(block, SCENE, OPTIONS)
    assert small_memory[:4] == [2000, 1000, 500, 256]
    assert set(small_memory[4:]) == {256}
    assert "continuing with half as many" in caplog.text
    small_memory.clear()
    alone = invert_block(Block(block.observed[:, :, 30:35]), SCENE, OPTIONS)
    np.testing.assert_allclose(series.displacement[..., 30:35], alone.displacement, atol=1e-7)


def test_memory_that_runs_out_in_the_middle_loses_and_repeats_nothing(monkeypatch):
    block = Block(phases(30, 50))
    expected = invert_block(block, SCENE, OPTIONS)
    monkeypatch.setattr(footprint, "CPU_BATCH", 600)
    whole, calls = BatchSolver.invert, []

    def invert(self, raw, *, n_done=0):
        calls.append(self.n_pixel)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self, raw, n_done=n_done)

    monkeypatch.setattr(BatchSolver, "invert", invert)
    found = invert_block(block, SCENE, OPTIONS)
    assert calls == [512, 512, 256, 256, 256, 256]
    for name, values in expected.variables.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.pair_sums, expected.pair_sums, rtol=1e-5)


def test_memory_that_is_never_enough_is_an_error(small_memory, monkeypatch):
    monkeypatch.setattr(loads, "SMALLEST_BATCH", 400)
    with pytest.raises((MemoryError, RuntimeError)):
        invert_block(Block(phases(40, 50)), SCENE, OPTIONS)
    assert min(small_memory) == 400


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def invert(self, raw, *, n_done=0):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(BatchSolver, "invert", invert)
    with pytest.raises(RuntimeError, match="illegal"):
        invert_block(Block(phases(40, 50)), SCENE, OPTIONS)
    assert not is_out_of_memory(ValueError("found 3 batches"))


@pytest.fixture(params=["views", "copies"])
def own_memory(request, monkeypatch):
    """Whether the device has memory of its own, as one pretends here that is none."""
    is_own = request.param == "copies"
    monkeypatch.setattr(devices, "has_own_memory", lambda _: is_own)
    return is_own


def test_pixels_of_a_block_come_as_they_are(own_memory):
    rng = np.random.default_rng(0)
    block = FlatBlock(
        phases(1, 90)[:, 0],
        rng.uniform(size=(5, 90)),
        rng.integers(0, 3, (5, 90)).astype("i2"),
        rng.random((1, 90)) < 0.5,
        None,
        rng.uniform(size=(5, 90)).astype("f4"),
    )
    for pixels in (slice(0, 90), slice(20, 90)):
        raw = send(block, pixels, torch.device("cpu"))
        part = part_of(raw, slice(10, 30))
        for values, found, some in zip(block, raw, part, strict=True):
            if values is None:
                assert found is None
            else:
                np.testing.assert_array_equal(found.numpy(), values[:, pixels])
                np.testing.assert_array_equal(some.numpy(), values[:, pixels][:, 10:30])
                assert np.shares_memory(found.numpy(), values) != own_memory


def test_a_block_on_a_device_of_its_own_memory_has_the_same_answer(monkeypatch):
    block = Block(phases(30, 50))
    expected = invert_block(block, SCENE, OPTIONS)
    monkeypatch.setattr(devices, "has_own_memory", lambda _: True)
    watch = Stopwatch()
    found = invert_block(block, SCENE, OPTIONS, watch)
    assert watch.seconds.copy > 0
    for name, values in expected.variables.items():
        np.testing.assert_array_equal(getattr(found, name), values)
        assert getattr(found, name).dtype == values.dtype
    np.testing.assert_array_equal(found.pair_sums, expected.pair_sums)


def test_a_block_that_does_not_fit_on_the_device_comes_in_parts(monkeypatch, caplog):
    block = Block(phases(40, 50))
    expected = invert_block(block, SCENE, OPTIONS)
    sent = []

    def send_few(block, pixels, device):
        sent.append(pixels.stop - pixels.start)
        if sent[-1] > 600:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return send(block, pixels, device)

    monkeypatch.setattr(devices, "has_own_memory", lambda _: True)
    monkeypatch.setattr(loads, "send", send_few)
    place = Watched()
    found = invert_block(block, SCENE, OPTIONS, None, place)
    assert sent == [2000, 1000, 500, 500, 500, 500]
    assert place.steps == ["turn", "answer", "turn", "turn", "arrived", "turn"]
    assert "2000 pixels on the device" in caplog.text
    for name, values in expected.variables.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.pair_sums, expected.pair_sums, rtol=1e-5)


class Spoiling(BlockPlace):
    """Gives the memory of the observations to somebody else as soon as they are on the device."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def arrived(self):
        self.block.observed.fill(255)


@pytest.mark.parametrize("step", ["room_for", "_solve_batch", "bring_back"])
def test_memory_that_runs_out_after_the_copy_needs_no_second_one(monkeypatch, step):
    block = Block(phases(40, 50))
    expected = invert_block(block, SCENE, OPTIONS)
    whole, calls = getattr(loads, step), []

    def run_out_once(*given):
        calls.append(step)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(*given)

    monkeypatch.setattr(devices, "has_own_memory", lambda _: True)
    monkeypatch.setattr(loads, step, run_out_once)
    found = invert_block(block, SCENE, OPTIONS, None, Spoiling(block))
    assert len(calls) > 2
    for name, values in expected.variables.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.pair_sums, expected.pair_sums, rtol=1e-5)


class Watched(BlockPlace):
    """Notes what a block asks of its place, in order; the answer once."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def turn(self):
        self.steps.append("turn")
        return super().turn()

    def arrived(self):
        self.steps.append("arrived")

    def empty(self, shape, dtype):
        if "answer" not in self.steps:
            self.steps.append("answer")
        return super().empty(shape, dtype)


def test_a_block_waits_for_its_turn_only_when_it_is_there_and_answers_after_it(own_memory):
    place = Watched()
    invert_block(Block(phases(4, 5)), SCENE, OPTIONS, None, place)
    on_device, at_home = ["arrived", "turn", "answer"], ["answer", "turn"]
    assert place.steps == (on_device if own_memory else at_home)


def test_a_workspace_is_kept_for_blocks_of_the_same_shape_and_no_other(monkeypatch):
    made, begin = [], BatchSolver.__init__

    def note(self, *given):
        begin(self, *given)
        made.append(self.n_pixel)

    monkeypatch.setattr(BatchSolver, "__init__", note)
    place = BlockPlace()
    for shape in ((4, 5), (4, 5), (4, 3), (4, 3), (4, 5)):
        invert_block(Block(phases(*shape)), SCENE, OPTIONS, None, place)
    assert made == [20, 12, 20]
    place.workspaces.clear()
    invert_block(Block(phases(4, 5)), SCENE, OPTIONS, None, place)
    assert made == [20, 12, 20, 20]
    # Each task has a scene of its own, in which NaN stands for what there is none of.
    assert np.isnan(SCENE.range_sine)
    invert_block(Block(phases(4, 5)), pickle.loads(pickle.dumps(SCENE)), OPTIONS, None, place)
    assert made == [20, 12, 20, 20]


def test_fewer_pixels_at_once_are_remembered_for_the_next_block(monkeypatch):
    place, tried, whole = BlockPlace(), [], BatchSolver.invert

    def invert(self, raw, *, n_done=0):
        tried.append(self.n_pixel)
        if self.n_pixel > 600:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self, raw, n_done=n_done)

    monkeypatch.setattr(BatchSolver, "invert", invert)
    for _ in range(2):
        invert_block(Block(phases(40, 50)), SCENE, OPTIONS, None, place)
    assert tried == [2000, 1000] + [500] * 8


def test_a_workspace_in_which_something_failed_is_not_kept(monkeypatch):
    place, block = BlockPlace(), Block(phases(4, 5))
    with monkeypatch.context() as patch:
        patch.setattr(BatchSolver, "invert", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            invert_block(block, SCENE, OPTIONS, None, place)
    assert place.workspaces._idle == []


def test_the_fused_solver_runs_a_block(device):
    options = Options(weight_func="no", solver="fused", device=device.type, std=True, norm="huber")
    block = Block(phases(3, 4))
    found = invert_block(block, SCENE, options)
    expected = invert_block(block, SCENE, Options(weight_func="no", std=True, norm="huber"))
    for name, values in expected.variables.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-3, atol=1e-5)


@pytest.fixture
def pretended_gpu(monkeypatch):
    """A GPU whose work is done here."""
    monkeypatch.setattr(devices, "select", lambda _: torch.device("cpu"))
    solvers._try_out_fused.cache_clear()
    yield
    solvers._try_out_fused.cache_clear()


def test_a_gpu_has_the_fused_solver_where_its_kernel_can_be_made(pretended_gpu):
    assert solvers.choose_solver(Options(device="cuda")) == "fused"
    assert solvers.why_eager(Options(device="cuda")) == ""


def test_a_gpu_whose_kernel_cannot_be_made_has_the_elimination_and_who_runs_is_told(
    pretended_gpu, monkeypatch, caplog
):
    def no_compiler(_):
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

    monkeypatch.setattr(fused, "try_out", no_compiler)
    assert solvers.choose_solver(Options(device="cuda")) == "elimination"
    assert solvers.choose_solver(Options(device="cuda", solver="fused")) == "fused"
    users = GpuUsers()
    record = {"gpu": "GPU-1", "address": "a", "solver": "elimination"}
    for _ in range(2):
        users.note(record | {"why_eager": solvers.why_eager(Options(device="cuda"))})
    assert (
        caplog.text.count(
            "the elimination is not fused on a GPU, and several times slower: RuntimeError: Fail"
        )
        == 1
    )


def test_a_gpu_that_breaks_when_the_kernel_is_tried_is_no_reason_for_another_solver(
    pretended_gpu, monkeypatch
):
    def break_down(_):
        raise RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered")

    monkeypatch.setattr(fused, "try_out", break_down)
    with pytest.raises(RuntimeError, match="illegal"):
        solvers.choose_solver(Options(device="cuda"))


def test_a_solver_that_the_device_lacks_is_refused_before_any_work(monkeypatch):
    from fringefleet.solver.fused import kernel as fused_kernel

    monkeypatch.setattr(fused_kernel, "INTERPRETED", False)
    with pytest.raises(DeviceError, match="needs a CUDA device"):
        solvers.check_solver(Options(solver="fused"))
