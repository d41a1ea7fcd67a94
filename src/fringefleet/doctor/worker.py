"""Start of a real worker of this machine, which solves a few pixels and is stopped again."""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from distributed import TimeoutError as DaskTimeoutError

from fringefleet.choices import DeviceName
from fringefleet.cluster import ClusterOptions, connect
from fringefleet.doctor.finding import Finding, note, ok, problem
from fringefleet.engine.solver_choice import why_eager
from fringefleet.errors import FringefleetError
from fringefleet.options import Options
from fringefleet.processes.gpus import count_by_driver

_SECONDS_OF_SILENCE = 60.0  # of a worker that starts
_SECONDS_TO_COMPUTE = 180.0  # with the solver compiled before
_SLOW = 30.0  # seconds to start
_ADVICE = "See the message, and the problems above. --workers 0 computes in threads, without workers."


def examine_worker() -> Iterator[Finding]:
    """Start one worker, on a GPU if this process sees one, try out its solver, and stop it.

    All of a GPU is left to the worker: this process may not be allowed to share it.
    """
    device: DeviceName = "cuda" if count_by_driver() else "cpu"
    options = ClusterOptions("local", 1, device=device, wait_seconds=_SECONDS_OF_SILENCE)
    start = perf_counter()
    try:
        with connect(options) as workers:
            seconds = perf_counter() - start
            tried = workers.client.submit(why_eager, Options(device=device), pure=False)
            why = tried.result(timeout=_SECONDS_TO_COMPUTE)
            (record,) = workers.records()
    except DaskTimeoutError:
        text = f"one was started, but solved nothing within {_SECONDS_TO_COMPUTE:g} s"
        yield problem("worker", text, _ADVICE, device=device)
        return
    except (FringefleetError, OSError, ValueError) as error:
        yield problem("worker", f"none could be started: {error}", _ADVICE, device=device)
        return
    yield _describe(seconds, {"device": device, "seconds": round(seconds, 2)} | record)
    yield _check_solver(why)


def _describe(seconds: float, facts: dict[str, Any]) -> Finding:
    where = facts["gpu_name"] or "the CPU"
    text = f"one was started in {seconds:.1f} s, solved a few pixels on {where}, and was stopped"
    if seconds > _SLOW:
        advice = "Look at the load of the machine, and at the disk that Python is installed on."
        return note("worker", f"{text}; that is slow", advice, **facts)
    return ok("worker", text, **facts)


def _check_solver(why: str) -> Finding:
    if why:
        advice = "Install what it lacks; until then runs give the same results, several times slower."
        return note("solver", f"the one made for this device does not run: {why}", advice)
    return ok("solver", "compiled for this device")
