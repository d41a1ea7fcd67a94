"""Predicted work of a run, and whether it is too little for workers: the one place where that is decided.

A run needs no workers where all of these hold. Nobody has asked for any, which the caller knows. It is on a
CPU. Its work, as predicted here, is less than what one worker costs to start. And threads of this process
have the memory for it.

The work is counted, not measured: what each pixel, pair and tile takes at most, on a core like that of the
benchmarks. How long a worker takes to start is of the same core, so only their ratio matters, and a slow
machine decides as a fast one does. ``plan`` predicts the same, and measures besides.
"""

from dataclasses import replace

from dask.system import CPU_COUNT

from fringefleet.execution.check import Checked, packed_variables
from fringefleet.execution.unpack import bytes_unpacked
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.options import Options
from fringefleet.processes.cores import own_cores
from fringefleet.products.registry import bytes_of_result

# CPU-seconds of one core. One more worker costs, in tests/benchmarks/results/small-cpu.json, 1.7 of them.
SECONDS_TO_START = 1.7  # a worker process: its imports, its warming up, its nanny and certificates
SECONDS_OF_TILE = 0.05  # whatever its size: its graph, its files, its mark
_SECONDS_OF_OBSERVATION = 4e-8  # read, looked at, weighed, its residual
_SECONDS_OF_UPDATE = 2e-9  # of an edge of the network, when a date is eliminated
_SECONDS_OF_BYTE = 1e-8  # of a result, packed and written; of a stack that is unpacked before
# How much more a pixel takes to solve
_TIMES_NORM = {"l2": 1, "huber": 30, "l1": 20}  # which are iterated; most in torch
_TIMES_DENSE = 60
_TIMES_DEM_ERROR = 10
_TIMES_EXTRA = 2  # each of: uncertainty, closure of triplets, float64


def predicted_work(checked: Checked) -> float:
    """Predict the CPU-seconds of the tiles that are left of a run, on one core, at most.

    Parameters
    ----------
    checked
        A run that :func:`fringefleet.pipeline.check` found good.
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
    """Tell whether a run that nobody has asked workers for is done by threads of this process.

    Parameters
    ----------
    checked
        A run that was found good.
    memory
        What it may take here [byte].
    """
    return (
        checked.job.options.device == "cpu"
        and predicted_work(checked) < SECONDS_TO_START
        and in_threads(checked).memory_needed <= memory
    )


def in_threads(checked: Checked) -> Checked:
    """Say of a run that threads of this process do it: one for each core, as far as there are tiles."""
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
