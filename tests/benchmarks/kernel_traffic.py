"""Count the bytes that the fused kernel moves for each pixel, and on a GPU measure how fast.

PYTHONPATH=tests python tests/benchmarks/kernel_traffic.py RESULT.json

For three networks: bytes needed (every observation once, the series once) and moved, before (observations
weighed by torch, a kernel that adds to what it has stored) and now; all loads and stores, and each row once a
pass, which is what comes from memory where a cache holds the rows of a few dates. With a CUDA device also
pixels and bytes per second, of the kernel with everything around it and of a copy on the device. The result
is kept in results/kernel-traffic.json.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.weights import weight_table
from fringefleet.solver.fused import solver as fused
from fringefleet.solver.raw import Raw, Rules
from kernel_bytes import first_form_bytes, moved_bytes, needed_bytes, sizes_of, streamed_bytes
from machine import commit, cpu_model

NETWORKS = {  # dates, gaps between the dates of a pair (the longest cut short), pairs
    "98 dates, 288 pairs": (98, (1, 2, 3), 288),
    "98 dates, 475 pairs": (98, (1, 2, 3, 4, 5), 475),
    "333 dates, 1297 pairs": (333, (1, 2, 3, 4), 1297),
}
N_PIXEL = 2**20  # fewer where the card's memory is smaller
MOST_MEMORY = 0.6
ROUNDS = 7
LOOKS = 10


def network_of(n_date: int, gaps: tuple[int, ...], n_pair: int) -> Network:
    """Pair neighbours; what is too many is cut from the end of the longest gap."""
    days = np.datetime64("2015-01-01", "s") + np.arange(n_date) * np.timedelta64(12 * 86400, "s")
    pairs = np.array([(i, i + gap) for gap in gaps for i in range(n_date - gap)])[:n_pair]
    return Network.from_dates(days[pairs[:, 0]], days[pairs[:, 1]])


def count(plan: EliminationPlan) -> dict[str, Any]:
    """Bytes a pixel."""
    sizes = sizes_of(plan)
    before = first_form_bytes(sizes)
    needed, moved, streamed = needed_bytes(sizes), moved_bytes(sizes), streamed_bytes(sizes)
    total = sum(before.values())
    return {
        "needed": needed,
        "before": before | {"moved": total, "over_needed": round(total / needed, 1)},
        "now": {
            "moved": moved,
            "over_needed": round(moved / needed, 1),
            "once_a_pass": streamed,
            "once_a_pass_over_needed": round(streamed / needed, 1),
        },
    }


def measure(plan: EliminationPlan, counted: dict[str, Any]) -> dict[str, Any]:
    """Time batches on the GPU, observations in its memory: by phase variance, as the default is."""
    cuda = torch.device("cuda:0")
    sizes = sizes_of(plan)
    per_pixel = 8 * sizes.n_pair + 4 * sizes.n_slot + 28 * sizes.n_date + 64
    room = int(MOST_MEMORY * torch.cuda.mem_get_info(cuda)[0]) // per_pixel
    n_pixel = min(N_PIXEL, room // 1024 * 1024)
    random = torch.Generator(cuda).manual_seed(0)
    shape = (sizes.n_pair, n_pixel)
    phase = torch.empty(shape, device=cuda).normal_(generator=random)
    coherence = torch.empty(shape, device=cuda).uniform_(0.1, 0.95, generator=random)
    work = fused.Workspace(plan, n_pixel, torch.float32, cuda)
    reference = torch.zeros(sizes.n_pair, device=cuda)
    rules = Rules("var", reference=reference, table=weight_table(LOOKS).to(cuda, torch.float32))

    def none_needed(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise ValueError(f"{len(pixels)} pixels need float64")

    seconds = best_seconds(lambda: fused.solve_raw(work, Raw(phase, coherence), rules, none_needed))
    copy = best_seconds(lambda: phase.copy_(coherence))
    copied = 2 * phase.nbytes / copy / 1e9
    rate = n_pixel / seconds
    return {
        "n_pixel": n_pixel,
        "seconds": round(seconds, 5),
        "megapixels_per_second": round(rate / 1e6, 1),
        "gigabytes_per_second_needed": round(rate * counted["needed"] / 1e9),
        "gigabytes_per_second_once_a_pass": round(rate * counted["now"]["once_a_pass"] / 1e9),
        "gigabytes_per_second_moved": round(rate * counted["now"]["moved"] / 1e9),
        "gigabytes_per_second_of_a_copy_on_the_device": round(copied),
    }


def best_seconds(work: Any) -> float:
    """Least time of some rounds on the GPU, after two that warm up."""
    times = []
    for _ in range(ROUNDS + 2):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
        work()
        events[1].record()
        events[1].synchronize()
        times.append(events[0].elapsed_time(events[1]) / 1e3)
    return min(times[2:])


def main(path: Path) -> None:
    """Write the record."""
    record: dict[str, Any] = {"unit": "bytes a pixel", "networks": {}}
    has_gpu = torch.cuda.is_available()
    for name, numbers in NETWORKS.items():
        plan = plan_elimination(network_of(*numbers))
        counted = count(plan)
        with torch.inference_mode():
            measured = measure(plan, counted) if has_gpu else "waits for a CUDA device"
        record["networks"][name] = counted | {"measured": measured}
    record["machine"] = torch.cuda.get_device_name(0) if has_gpu else cpu_model()
    record |= {"torch": torch.__version__, "commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
