"""Time of a command besides that of its tiles: startup of workers or threads, and shutdown.

It is measured by a process that gets ready as a worker does. That also does what else has to be measured with
the solver, so that the process that asks for it imports no torch.
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

SECONDS_TO_BEGIN = 1.0  # until the first worker process of a command is begun: an estimate
_SECONDS_TO_END = 0.5  # from its last tile; measured: tests/benchmarks/results/startup-cpu.json, 0.15
_SECONDS_OF_PATIENCE = 300.0


class Overhead(NamedTuple):
    """Seconds of wall time."""

    start: float  # from the beginning of the command to the first tile
    end: float


class StartMeasurement(NamedTuple):
    """What a process has measured that got ready as a worker does."""

    to_be_ready: float  # [s] from its beginning until it could solve a tile
    to_warm_up: float  # [s] of these, those that a command takes that has read its stack
    found: Any  # what it was asked for besides


def measure_elsewhere(device: DeviceName, work: Callable[[], Any]) -> StartMeasurement:
    """Measure on this machine how long a process takes until it could solve a tile, and what it is asked for.

    Parameters
    ----------
    device
        What tiles are solved on.
    work
        What is to be done when it is ready; it and what it returns can be pickled.

    Raises
    ------
    FringefleetError
        One that ``work`` raised, or the device is not there.
    RunError
        The process failed; says what it said.
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
    """Do what :func:`measure_elsewhere` asks a process for, and end it without taking all modules apart."""
    answer_to = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    begin, device, work = pickle.loads(sys.stdin.buffer.read())
    from fringefleet.execution.warm_up import warm_up  # noqa: PLC0415 - the process that asks needs none of it

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
    """Work out what a command takes besides its tiles.

    Parameters
    ----------
    measured
        On this machine.
    n_worker
        Processes, of this machine; 0 for threads of the command's own.
    begun
        Seconds until the last worker is begun, or until threads of the command could begin to get ready.
    """
    if n_worker == 0:
        return Overhead(begun + measured.to_warm_up, _SECONDS_TO_END)
    return Overhead(begun + measured.to_be_ready * max(1.0, n_worker / CPU_COUNT), _SECONDS_TO_END)


def seconds_lived() -> float:
    """Tell how long this process has lived [s]."""
    return time() - float(psutil.Process().create_time())
