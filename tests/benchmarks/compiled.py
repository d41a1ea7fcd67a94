"""Measure the solvers of the CPU side by side in one thread: the solver proper, and whole batches.

PYTHONPATH=tests python tests/benchmarks/compiled.py tests/benchmarks/results/compiled-cpu.json
    [--solvers elimination dense] [--networks NAME ...] [--parts solver batch extras] [--rounds 5]
    [--pixels 16384]

CPU seconds of this process, the solvers in turn in each round. *solver*: ``solve`` of phases and weights that
are there, batch after batch of the size that a block takes. *batch*: ``invert_block`` of observations and
coherences, weighed by ``var``, in memory that is used again. Both for five networks, with all observations
and without 2 % of them. *extras*: whole batches of one network with what can be wanted besides. ``dense``
gets fewer pixels, and no extras. Errors are those against a solution in float64 at some pixels; the
displacement is compared with that of ``elimination``. Three minutes in all.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet import Options
from fringefleet.engine import device as devices
from fringefleet.engine.block import batch_size, invert_block
from fringefleet.engine.context import Block, BlockResult, InversionContext
from fringefleet.engine.solver_choice import load_solver
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.io.files.memory import TileBuffer
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.observation.weights import coherence_to_weight
from fringefleet.solver import dense
from fringefleet.solver.solution import Solution
from machine import measured_on
from named_networks import network_by_gap

CPU, LOOKS = torch.device("cpu"), 20
NETWORKS = {  # dates, and gaps between the dates of a pair
    "98 dates, 288 pairs": (98, 1, 2, 3),
    "98 dates, 475 pairs": (98, 1, 2, 3, 4, 5),
    "98 dates, 288 + annual pairs": (98, 1, 2, 3, 30),
    "333 dates, 1322 pairs": (333, 1, 2, 3, 4),
    "30 dates, all 435 pairs": (30, *range(1, 30)),
}
# The fastest first; those that this version has.
ON_CPU = ["compiled", "elimination", "dense"]
REFERENCE = "elimination"
SHARES = {"complete": 0.0, "2 % missing": 0.02}
OF_EXTRAS = "98 dates, 475 pairs"
EXTRAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "--std": {"std": True},
    "--norm huber": {"norm": "huber"},
    "--norm l1": {"norm": "l1"},
    "--diagnose": {"diagnose": True},
}
DENSE_WORK = 2**31  # pairs x dates x dates x pixels: half a second
CHECKED = 32  # pixels that are solved in float64, too
CYCLES_OFF = 0.01  # of the observations

Work = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """Observations of a network: random walks with the noise that their coherence has."""

    network: Network
    n_pixel: int
    missing: float

    @cached_property
    def block(self) -> Block:
        """All pixels in one row."""
        rng, shape = np.random.default_rng(0), (self.network.n_pair, self.n_pixel)
        i, j = self.network.pair_array.T
        coherence = rng.uniform(0.3, 0.95, shape).astype(np.float32)
        walk = np.cumsum(rng.normal(0, 1, (self.network.n_date, self.n_pixel)), axis=0, dtype=np.float32)
        observed = walk[j] - walk[i]
        observed += rng.standard_normal(shape, np.float32) / np.sqrt(weights_of(coherence).numpy())
        observed += np.float32(2 * np.pi) * (rng.random(shape, np.float32) < CYCLES_OFF)
        observed[rng.random(shape, np.float32) < self.missing] = np.nan
        return Block(observed[:, None], coherence[:, None])

    @cached_property
    def scene(self) -> InversionContext:
        """What is known besides."""
        return InversionContext(self.network, 0, (0.0,) * self.network.n_pair, 0.0555, LOOKS)

    def pixels_for(self, solver: str) -> int:
        """As many as there are, fewer for the dense solver."""
        if solver != "dense":
            return self.n_pixel
        per_pixel = self.network.n_pair * self.network.n_date**2
        return min(self.n_pixel, max(CHECKED, DENSE_WORK // per_pixel))

    def first(self, n_pixel: int) -> Block:
        """Some of the pixels, as they come from a file."""
        return Block(*(np.ascontiguousarray(values[..., :n_pixel]) for values in self.block[:2]))

    @cached_property
    def exact(self) -> torch.Tensor:
        """Phases of the first pixels in float64 (date, pixel) [rad]."""
        work = dense.Workspace(plan_elimination(self.network), CHECKED, torch.float64, CPU)
        phase, weight = (values[:, :CHECKED].double() for values in self.phase_and_weight)
        return dense.solve(work, phase, weight).phase

    @cached_property
    def phase_and_weight(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What a solver takes, (pair, pixel)."""
        coherence = self.block.coherence
        assert coherence is not None
        return torch.from_numpy(self.block.observed[:, 0]), weights_of(coherence[:, 0])


def weights_of(coherence: NDArray[np.float32]) -> torch.Tensor:
    """Weigh by ``var``."""
    return coherence_to_weight(torch.from_numpy(coherence), "var", LOOKS)


class Steady(BlockPlace):
    """The place of blocks that come one after the other, whose answers are in the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = TileBuffer()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Make an array for the answer."""
        return self.buffer.take(shape, dtype)


def measure(works: Mapping[Any, Work], rounds: int) -> dict[Any, list[float]]:
    """CPU seconds of each work, in turn; once before, for what is made only once."""
    seconds: dict[Any, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = process_time()
            work()
            seconds[name].append(process_time() - start)
    return seconds


def speeds(n_pixel: Mapping[str, int], seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Thousands of pixels per CPU second, the median of the rounds."""
    return {
        name: {
            "n_pixel": n_pixel[name],
            "cpu_seconds": [round(value, 4) for value in seconds[name]],
            "kpx_per_cpu_second": float(f"{n_pixel[name] / median(seconds[name]) / 1000:.4g}"),
        }
        for name in seconds
    }


def ratios(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How many times as many pixels per second each solver does as those after it."""
    names = list(found)
    rate = {name: found[name]["kpx_per_cpu_second"] for name in names}
    return {
        f"{one} / {other}": float(f"{rate[one] / rate[other]:.3g}")
        for place, one in enumerate(names)
        for other in names[place + 1 :]
    }


def measure_solver(case: Case, solvers: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure what solves phases and weights, batch after batch."""
    plan, works, n_pixel, errors = plan_elimination(case.network), {}, {}, {}
    for name in solvers:
        size = min(case.pixels_for(name), batch_size(plan, Options(solver=name)))
        n_pixel[name] = case.pixels_for(name) // size * size
        work = load_solver(name).Workspace(plan, size, torch.float32, CPU)
        pieces = [
            tuple(values[:, first : first + size].contiguous() for values in case.phase_and_weight)
            for first in range(0, n_pixel[name], size)
        ]
        works[name] = partial(solve_all, load_solver(name).solve, work, pieces)
        errors[name] = float((works[name]()[0].phase[:, :CHECKED] - case.exact).abs().max())
    found = speeds(n_pixel, measure(works, rounds))
    for name, error in errors.items():
        found[name]["max_error_rad"] = float(f"{error:.2g}")
    return {"of": found, "ratios": ratios(found)}


def solve_all(
    solve: Callable[..., Solution], work: Any, pieces: Sequence[tuple[torch.Tensor, ...]]
) -> list[Solution]:
    """Solve pieces of one shape."""
    return [solve(work, *piece) for piece in pieces]


def batch_work(case: Case, n_pixel: int, options: Options) -> Callable[[], BlockResult]:
    """Make the work of inverting some pixels as a worker does it."""
    block, place = case.first(n_pixel), Steady()

    def work() -> BlockResult:
        place.buffer.begin()
        return invert_block(block, case.scene, options, place=place)

    return work


def measure_batch(case: Case, solvers: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure whole batches, and compare what comes out."""
    n_pixel = {name: case.pixels_for(name) for name in solvers}
    works = {name: batch_work(case, n_pixel[name], Options(solver=name)) for name in solvers}
    found = speeds(n_pixel, measure(works, rounds))
    if REFERENCE in works:
        expected = works[REFERENCE]()
        for name in solvers:
            found[name] |= compare(works[name](), expected)
    return {"of": found, "ratios": ratios(found)}


def compare(series: BlockResult, expected: BlockResult) -> dict[str, Any]:
    """Compare the pixels that both have: largest difference, and whether counts and statuses are equal."""
    n_pixel = series.status.shape[-1]
    apart = np.abs(series.displacement - expected.displacement[..., :n_pixel])
    same = [
        np.array_equal(getattr(series, name), getattr(expected, name)[..., :n_pixel])
        for name in ("pair_count", "n_components", "status")
    ]
    return {"differs_mm": float(f"{1000 * apart.max():.2g}"), "counts_equal": all(same)}


def measure_extras(case: Case, solvers: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure whole batches with what can be wanted besides, against plain ones in the same rounds."""
    names = [name for name in solvers if name != "dense"]
    works = {
        (extra, name): batch_work(case, case.n_pixel, Options(solver=name, **options))
        for extra, options in EXTRAS.items()
        for name in names
    }
    seconds = measure(works, rounds)
    found: dict[str, Any] = {}
    for extra in EXTRAS:
        of = speeds(dict.fromkeys(names, case.n_pixel), {name: seconds[extra, name] for name in names})
        for name in names:
            plain = median(seconds["plain", name])
            of[name]["times_plain"] = float(f"{median(seconds[extra, name]) / plain:.3g}")
        found[extra] = {"of": of, "ratios": ratios(of)}
    return found


def describe(network: Network) -> dict[str, int]:
    """Size of a network and of its elimination."""
    plan = plan_elimination(network)
    return {
        "n_date": network.n_date,
        "n_pair": network.n_pair,
        "n_slot": plan.n_slot,
        "n_update": sum(len(turn.mesh) for turn in plan.turns),
        "bytes_needed": 8 * network.n_pair + 4 * network.n_date,  # of a pixel: what is read and written once
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--solvers", nargs="+", default=ON_CPU, choices=ON_CPU)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parts = ("solver", "batch", "extras")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pixels", type=int, default=2**14)
    given = parser.parse_args(arguments)
    here = measured_on()
    found: dict[str, Any] = {"threads": 1, "networks": {}}
    measures = {"solver": measure_solver, "batch": measure_batch}
    with devices.one_thread(CPU), torch.inference_mode():
        for name in given.networks:
            network = network_by_gap(*NETWORKS[name])
            record: dict[str, Any] = describe(network)
            for share, missing in SHARES.items():
                case = Case(network, given.pixels, missing)
                record[share] = {
                    part: work(case, given.solvers, given.rounds)
                    for part, work in measures.items()
                    if part in given.parts
                }
            found["networks"][name] = record
        if "extras" in given.parts:
            case = Case(network_by_gap(*NETWORKS[OF_EXTRAS]), given.pixels // 2, 0.02)
            found["extras"] = measure_extras(case, given.solvers, max(2, given.rounds // 2))
    given.result.write_text(json.dumps(found | here, indent=1) + "\n")


if __name__ == "__main__":
    main()
