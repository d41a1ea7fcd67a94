"""How batches come to the device, and what happens where memory runs out."""

import numpy as np
import pytest
import torch

from fringefleet import block as block_module
from fringefleet import footprint
from fringefleet.batch import Batches, check_device
from fringefleet.block import invert_block
from fringefleet.device import is_out_of_memory
from fringefleet.errors import DeviceError
from fringefleet.feed import feed
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.scene import Block, FlatBlock, Scene
from fringefleet.stopwatch import Stopwatch

DATES = tuple(f"2018-01-{day:02d}T00:00:00" for day in (1, 4, 8, 15))
NETWORK = Network(DATES, ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)))
SCENE = Scene(NETWORK, 0, (0.0,) * 5, 0.0555, 8)
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
    whole = Batches.invert

    def invert(self, raw, *, n_done=0):
        tried.append(self.n_pixel)
        if self.n_pixel > 300:
            raise errors[len(tried) % len(errors)]
        return whole(self, raw, n_done=n_done)

    monkeypatch.setattr(Batches, "invert", invert)
    return tried


def test_batches_that_do_not_fit_are_halved_until_they_do(small_memory, caplog):
    block = Block(phases(40, 50))
    series = invert_block(block, SCENE, OPTIONS)
    assert small_memory[:4] == [2000, 1000, 500, 256]
    assert set(small_memory[4:]) == {256}
    assert "going on with half as many" in caplog.text
    small_memory.clear()
    alone = invert_block(Block(block.observed[:, :, 30:35]), SCENE, OPTIONS)
    np.testing.assert_allclose(series.displacement[..., 30:35], alone.displacement, atol=1e-7)


def test_memory_that_runs_out_in_the_middle_loses_and_repeats_nothing(monkeypatch):
    block = Block(phases(30, 50))
    expected = invert_block(block, SCENE, OPTIONS)
    monkeypatch.setattr(footprint, "CPU_BATCH", 600)
    whole, calls = Batches.invert, []

    def invert(self, raw, *, n_done=0):
        calls.append(self.n_pixel)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self, raw, n_done=n_done)

    monkeypatch.setattr(Batches, "invert", invert)
    found = invert_block(block, SCENE, OPTIONS)
    assert calls == [600, 600, 300, 300, 300]
    for name, values in expected.variables().items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.pair_sums, expected.pair_sums, rtol=1e-5)


def test_memory_that_is_never_enough_is_an_error(small_memory, monkeypatch):
    monkeypatch.setattr(block_module, "SMALLEST_BATCH", 400)
    with pytest.raises((MemoryError, RuntimeError)):
        invert_block(Block(phases(40, 50)), SCENE, OPTIONS)
    assert min(small_memory) == 400


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def invert(self, raw, *, n_done=0):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Batches, "invert", invert)
    with pytest.raises(RuntimeError, match="illegal"):
        invert_block(Block(phases(40, 50)), SCENE, OPTIONS)
    assert not is_out_of_memory(ValueError("found 3 batches"))


def test_batches_of_a_block_come_in_order_and_as_they_are(device):
    rng = np.random.default_rng(0)
    block = FlatBlock(
        phases(1, 90)[:, 0],
        rng.uniform(size=(5, 90)),
        rng.integers(0, 3, (5, 90)).astype("i2"),
        rng.random((1, 90)) < 0.5,
        None,
        rng.uniform(size=(5, 90)).astype("f4"),
    )
    pieces = [slice(0, 20), slice(20, 40), slice(40, 60), slice(60, 80), slice(70, 90)]
    watch = Stopwatch()
    for pixels, raw in zip(pieces, feed(block, pieces, device, watch), strict=True):
        for values, found in zip(block, raw, strict=True):
            if values is None:
                assert found is None
            else:
                assert found.device.type == device.type
                np.testing.assert_array_equal(found.cpu().numpy(), values[:, pixels])
    assert (watch.seconds.copy > 0) == (device.type == "cuda")


def test_the_fused_solver_runs_a_block(device):
    options = Options(weight_func="no", solver="fused", device=device.type, std=True, norm="huber")
    block = Block(phases(3, 4))
    found = invert_block(block, SCENE, options)
    expected = invert_block(block, SCENE, Options(weight_func="no", std=True, norm="huber"))
    for name, values in expected.variables().items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-3, atol=1e-5)


def test_a_solver_that_the_device_lacks_is_refused_before_any_work(monkeypatch):
    from fringefleet.solver import fused_kernel

    monkeypatch.setattr(fused_kernel, "INTERPRETED", False)
    with pytest.raises(DeviceError, match="needs a CUDA device"):
        check_device(Options(solver="fused"))
