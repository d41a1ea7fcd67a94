"""The time of a command besides that of its tiles: until its workers are ready, and to end."""

import subprocess
import sys
from time import monotonic, time
from typing import NamedTuple

import psutil
from dask.system import CPU_COUNT

from fringefleet.choices import DeviceName
from fringefleet.errors import RunError

SECONDS_TO_BEGIN = 1.0  # until the first worker process of a command is begun: an estimate
SECONDS_TO_END = 0.5  # from its last tile; measured: tests/benchmarks/results/startup-cpu.json, 0.15
SECONDS_OF_PATIENCE = 300.0


class Overhead(NamedTuple):
    """Seconds of wall time."""

    start: float  # from the beginning of the command to the first tile
    end: float


def measure_overhead(device: DeviceName, n_worker: int) -> Overhead:
    """Measure how long a process of this machine takes until it could solve a tile, and add what is besides.

    To be called when the stack of the run has been checked: the first worker is begun before that, the others
    are begun then, so how long this process has lived by now counts, too.

    Parameters
    ----------
    device
        What tiles are solved on.
    n_worker
        Processes, of this machine.

    Raises
    ------
    RunError
        The process failed; says what it said.
    """
    lived = time() - psutil.Process().create_time()
    code = f"import distributed; from fringefleet.warm_up import warm_up; warm_up({device!r})"
    code += "; import os; os._exit(0)"
    begin = monotonic()
    try:
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, timeout=SECONDS_OF_PATIENCE
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise RunError(
            f"a process that warms up for {device} failed, as a worker would: {said[-500:] or error}"
        ) from error
    of_worker = (monotonic() - begin) * max(1.0, n_worker / CPU_COUNT)
    return Overhead((lived if n_worker > 1 else SECONDS_TO_BEGIN) + of_worker, SECONDS_TO_END)
