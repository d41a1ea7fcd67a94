"""Time of a command outside its tiles: start-up of workers or threads, and shutdown.

It is measured by a process that starts up as a worker does. That process also makes the other measurements
that need the solver, so that the calling process does not import torch.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from time import monotonic, time
from typing import Any, NamedTuple

import psutil
from dask.system import CPU_COUNT
from distributed.protocol import pickle

from fringefleet.choices import DeviceName
from fringefleet.errors import FringefleetError, RunError

SECONDS_TO_BEGIN = 1.0  # until the first worker process of a command is started: an estimate
_SECONDS_TO_END = 0.5  # after its last tile; measured: tests/benchmarks/results/startup-cpu.json, 0.15
_SECONDS_OF_PATIENCE = 300.0


class Overhead(NamedTuple):
    """Wall time at the start and the end of a command [s]."""

    start: float  # from the start of the command to the first tile
    end: float


class StartMeasurement(NamedTuple):
    """Measurements of a process that starts up as a worker does."""

    to_be_ready: float  # [s] from its start until it could solve a tile
    to_warm_up: float  # [s] of these, the part that remains for a command that has read its stack
    found: Any  # result of the additional work


def measure_elsewhere(device: DeviceName, work: Callable[[], Any]) -> StartMeasurement:
    """Measure the start-up time of a process on this machine, and do additional work in it.

    Parameters
    ----------
    device
        Device that tiles are solved on.
    work
        Work to be done when it is ready; it and its result can be pickled.

    Raises
    ------
    FringefleetError
        An error of ``work``, or the device is not available.
    RunError
        The process failed; the message quotes its output.
    """
    code = "from fringefleet.execution.overhead import _answer; _answer()"
    begin = time()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps((begin, device, work)),
            check=True,
            capture_output=True,
            timeout=_SECONDS_OF_PATIENCE,
        )
        answer: StartMeasurement | FringefleetError = pickle.loads(done.stdout)
    except (subprocess.SubprocessError, EOFError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise RunError(
            f"a process that warms up for {device} failed, as a worker would: {said[-500:] or error}"
        ) from error
    if isinstance(answer, FringefleetError):
        raise answer
    return answer


def _answer() -> None:
    """Do the work requested by :func:`measure_elsewhere`, and end this process without cleaning up."""
    answer_to = os.dup(1)
    os.dup2(2, 1)  # output of libraries is not the answer
    begin, device, work = pickle.loads(sys.stdin.buffer.read())
    from fringefleet.execution.warm_up import warm_up  # noqa: PLC0415 - not needed by the calling process

    loaded = monotonic()
    try:
        warm_up(device)
        to_warm_up, to_be_ready = monotonic() - loaded, time() - begin
        answer: StartMeasurement | FringefleetError = StartMeasurement(to_be_ready, to_warm_up, work())
    except FringefleetError as error:
        answer = error
    with open(answer_to, "wb") as pipe:  # noqa: PTH123 - it has no name
        pipe.write(pickle.dumps(answer))
    os._exit(0)


def predict_overhead(measured: StartMeasurement, n_worker: int, begun: float) -> Overhead:
    """Predict the time of a command outside its tiles.

    Parameters
    ----------
    measured
        Measurement on this machine.
    n_worker
        Number of processes, on this machine; 0 for threads of the command's own.
    begun
        Seconds until the last worker is started, or until threads of the command could start to get ready.
    """
    if n_worker == 0:
        return Overhead(begun + measured.to_warm_up, _SECONDS_TO_END)
    return Overhead(begun + measured.to_be_ready * max(1.0, n_worker / CPU_COUNT), _SECONDS_TO_END)


def seconds_lived() -> float:
    """Return the age of this process [s]."""
    return time() - float(psutil.Process().create_time())
