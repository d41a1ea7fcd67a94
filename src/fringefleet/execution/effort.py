"""Predicted work of a run, and the decision whether it is too little for workers.

A run needs no workers where all of these hold: none were requested, which the caller knows; it runs on a
CPU; its work, as predicted here, is less than the cost of starting one worker; and threads of this process
have enough memory.

The work is counted, not measured: the most that each pixel, pair and tile takes on a core like that of the
benchmarks. The start-up time of a worker refers to the same core, so only the ratio matters, and a slow
machine decides as a fast one does. ``plan`` makes the same prediction, and measures in addition.
"""

from dataclasses import replace

from dask.system import CPU_COUNT

from fringefleet.execution.check import Checked, packed_variables
from fringefleet.execution.unpack import bytes_unpacked
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.options import Options
from fringefleet.processes.cores import own_cores
from fringefleet.products.registry import bytes_of_result

# CPU-seconds on one core. Another worker costs, by tests/benchmarks/results/small-cpu.json, 1.7 of them.
SECONDS_TO_START = 1.7  # a worker process: its imports, warm-up, nanny and certificates
SECONDS_OF_TILE = 0.05  # regardless of size: its graph, files and mark
_SECONDS_OF_OBSERVATION = 4e-8  # reading, checks, weight, residual
_SECONDS_OF_UPDATE = 2e-9  # of an edge of the network, when a date is eliminated
_SECONDS_OF_BYTE = 1e-8  # of a result, compressed and written; of a stack that is unpacked beforehand
# Factors on the time to solve a pixel
_TIMES_NORM = {"l2": 1, "huber": 30, "l1": 20}  # iterative norms; most iterations run in torch
_TIMES_DENSE = 60
_TIMES_DEM_ERROR = 10
_TIMES_EXTRA = 2  # each of: uncertainty, closure of triplets, float64


def predicted_work(checked: Checked) -> float:
    """Predict the maximum CPU-seconds of the remaining tiles of a run, on one core.

    Parameters
    ----------
    checked
        A run that passed :func:`fringefleet.pipeline.check`.
    """
    options, network = checked.job.options, checked.prepared.scene.network
    sizes = checked.prepared.stack.sizes
    n_pixel = sizes["y"] * sizes["x"] * checked.n_left / checked.n_tile
    read = network.n_pair * _SECONDS_OF_OBSERVATION
    solve = (read + count_updates(plan_elimination(network)) * _SECONDS_OF_UPDATE) * _times(options)
    write = bytes_of_result(options, network.n_date) * _SECONDS_OF_BYTE
    unpacked = bytes_unpacked(checked.prepared.stack, packed_variables(checked)) * _SECONDS_OF_BYTE
    return unpacked + checked.n_left * SECONDS_OF_TILE + n_pixel * (read + solve + write)


def needs_no_workers(checked: Checked, memory: int) -> bool:
    """Return whether a run without requested workers is done by threads of this process.

    Parameters
    ----------
    checked
        A run that passed its check.
    memory
        Memory that it may use here [byte].
    """
    return (
        checked.job.options.device == "cpu"
        and predicted_work(checked) < SECONDS_TO_START
        and in_threads(checked).memory_needed <= memory
    )


def in_threads(checked: Checked) -> Checked:
    """Assign a run to threads of this process: one per core, as far as there are tiles."""
    n_thread = max(1, min(CPU_COUNT, checked.n_left))
    n_core = max(n_thread, own_cores().number)
    return replace(checked, means=replace(checked.means, n_worker=1, n_thread=n_thread, n_core=n_core))


def count_updates(plan: EliminationPlan) -> int:
    """Count the edges that are updated when all dates of a network are eliminated.

    Examples
    --------
    >>> from fringefleet.network.network import Network
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> count_updates(plan_elimination(Network(tuple(days), ((0, 1), (1, 2), (0, 2)))))
    1
    """
    ties = (turn.slots.stop - turn.slots.start for turn in plan.turns)
    return sum(n_tie * (n_tie - 1) // 2 for n_tie in ties)


def _times(options: Options) -> float:
    times = float(_TIMES_NORM[options.norm])
    times *= _TIMES_DENSE if options.solver == "dense" else 1
    times *= _TIMES_DEM_ERROR if options.dem_error else 1
    extras = options.std, options.covariance, options.diagnose, options.dtype == "float64"
    return times * float(_TIMES_EXTRA ** sum(extras))
