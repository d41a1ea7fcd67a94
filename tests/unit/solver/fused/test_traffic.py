"""The bytes that the benchmark says the kernel moves are those of its loads and stores, one by one."""

import numpy as np
import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver.fused import solver as fused
from kernel_bytes import moved_bytes, needed_bytes, sizes_of, streamed_bytes
from named_networks import by_gap
from strategies import dated

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="counted in Triton's interpreter")

NETWORKS = {"neighbours": by_gap(9, 1, 2, 3), "filled up": by_gap(9, 1, 2, 5)}


@pytest.fixture
def counted(monkeypatch):
    """Bytes of the loads and stores of blocks of pixels from here on."""
    from triton.runtime.interpreter import InterpreterBuilder

    n_byte = {"load": 0, "store": 0}
    load, store = InterpreterBuilder.create_masked_load, InterpreterBuilder.create_masked_store

    def count(kind, pointers, mask):
        if pointers.data.size > 1:
            n_byte[kind] += int(mask.data.sum()) * (pointers.get_element_ty().primitive_bitwidth // 8)

    def counting_load(self, pointers, mask, *others):
        count("load", pointers, mask)
        return load(self, pointers, mask, *others)

    def counting_store(self, pointers, value, mask, *others):
        count("store", pointers, mask)
        return store(self, pointers, value, mask, *others)

    monkeypatch.setattr(InterpreterBuilder, "create_masked_load", counting_load)
    monkeypatch.setattr(InterpreterBuilder, "create_masked_store", counting_store)
    return n_byte


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("root", [0, 4])
@pytest.mark.parametrize("kept", [{}, {"keeps_rows": True, "keeps_factor": True}])
def test_the_bytes_of_the_benchmark_are_those_that_are_moved(name, root, kept, counted):
    rng = np.random.default_rng(0)
    n_pixel = 50
    plan = plan_elimination(dated(np.array(NETWORKS[name]), rng), root)
    sizes = sizes_of(plan)
    work = fused.Workspace(plan, n_pixel, torch.float32, torch.device("cpu"))
    for keeps, value in kept.items():
        setattr(work, keeps, value)
    phase = torch.tensor(rng.normal(0, 3, (sizes.n_pair, n_pixel)), dtype=torch.float32)
    fused.solve(work, phase, torch.ones_like(phase))
    assert counted["load"] + counted["store"] == n_pixel * moved_bytes(sizes, **kept)
    assert needed_bytes(sizes) < streamed_bytes(sizes) < moved_bytes(sizes)
