"""The command ``plan``: what ``invert`` would need with the same options."""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, out
from fringefleet.cli.invert import OF_INVERT, STACK, job_of
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import clock_time, with_prefix
from fringefleet.cli.words import in_words_of_the_command
from fringefleet.errors import DeviceError
from fringefleet.importing import without_collection

if TYPE_CHECKING:
    from fringefleet.execution.check import Checked
    from fringefleet.execution.estimate import Forecast

_NO_OUTPUT = Path(".fringefleet-plan.zarr")  # nobody has an output of that name


@dataclass(frozen=True)
class PlanOptions:
    """Parameters of the command besides those of ``invert``."""

    output: Annotated[
        Path | None,
        Declared(
            "Zarr store that would be written.",
            metavar="OUT.zarr",
            default="one in the current folder",
            is_argument=True,
        ),
    ] = None
    quick: Annotated[bool, Declared("Do not measure: no times, and the stack is not read.")] = False
    json: Annotated[bool, Declared("Print everything as JSON, for programs.")] = False


@command(
    STACK,
    *parameters(PlanOptions),
    *OF_INVERT,
    examples=(
        "fringefleet plan inputs/ifgramStack.h5 -t smallbaselineApp.cfg",
        "fringefleet plan stack.zarr /scratch/result.zarr --norm huber --workers 64 --worker-memory 8GB",
        "fringefleet plan stack.zarr --workers 16 --worker-memory 32GB --quick --json",
    ),
)
def plan(parameters: Any) -> None:
    """Predict what an inversion needs, and refuse what cannot fit: takes the options of invert."""
    given = vars(parameters)
    with without_collection():  # a second
        from fringefleet.cli.early import needs_of_workers
        from fringefleet.cluster import expected_memory
        from fringefleet.execution.estimate import forecast
        from fringefleet.execution.means import check_kept
        from fringefleet.session.early import begins_early
        from fringefleet.session.fitting import fit_to_tiles, prepare_session
    job, wanted = job_of(given | {"output": given["output"] or _NO_OUTPUT})
    check_kept(job)
    needs = needs_of_workers(given)
    session = prepare_session(job, wanted, is_asked_for=needs["is_asked_for"], needs_device=False)
    checked, workers = session.checked, session.workers
    n_worker = 0 if workers.n_worker == 0 else min(checked.n_worker, max(1, checked.n_left))
    memory = checked.job.total_memory if n_worker == 0 else None
    memory = memory or expected_memory(fit_to_tiles(workers, checked), n_worker)
    found = forecast(checked, n_worker, memory)
    if not given["quick"]:
        is_here = workers.kind in ("local", "local-cuda")
        found = _measured(found, checked, begins_early(wanted, given["stack"], **needs) if is_here else None)
    if given["json"]:
        echo(json.dumps(as_plain(found)))
    else:
        for line in lines(found, insists=session.insists):
            out().print(line, markup=False, soft_wrap=True)


def _measured(found: "Forecast", checked: "Checked", begins_early: bool | None) -> "Forecast":
    """Add what is measured, in another process: this one does without torch.

    ``begins_early``: whether the first worker is begun before the stack is opened; None: the workers are not
    of this machine, or are there already.
    """
    from fringefleet.execution.estimate import for_other_machines, seconds_per_pixel, with_seconds
    from fringefleet.execution.overhead import (
        SECONDS_TO_BEGIN,
        measure_elsewhere,
        predict_overhead,
        seconds_lived,
    )

    if not found.n_left:
        return with_seconds(found, checked)
    lived = seconds_lived()
    try:
        measured = measure_elsewhere(checked.job.options.device, partial(seconds_per_pixel, checked))
    except DeviceError as error:
        raise error if "--quick" in str(error) else for_other_machines(error) from error
    found = with_seconds(found, checked, measured.found)
    if begins_early is None:
        return found
    begun = SECONDS_TO_BEGIN if begins_early and found.n_worker == 1 else lived
    return replace(found, overhead=predict_overhead(measured, found.n_worker, begun))


def as_plain(found: "Forecast") -> dict[str, Any]:
    """Give a forecast as plain values, with what follows from it."""
    plain = asdict(found) | {"tiles_of_a_worker": found.tiles_of_a_worker}
    if found.seconds is not None:
        plain["seconds"] = {name: round(value, 3) for name, value in found.seconds._asdict().items()}
        plain["overhead"] = {name: round(value, 3) for name, value in _overhead(found).items()} or None
        plain["wall_seconds"] = round(sum(found.seconds) + sum(_overhead(found).values()), 3)
    return plain


def lines(found: "Forecast", *, insists: bool = False) -> list[str]:
    r"""Say it to people; ``insists``: threads were asked for, so it is not said why they compute.

    Examples
    --------
    >>> from fringefleet.execution.estimate import Forecast
    >>> gb = 10**9
    >>> needs = {"bytes_read": 2 * gb, "bytes_written": gb, "memory_needed": gb, "memory_available": 4 * gb}
    >>> needs |= {"disk_needed": gb, "disk_free": 9 * gb, "work_seconds": 60.0}
    >>> found = Forecast((90, 60), 5, 9, (30, 30), 6, 4, 3, 1, 8, 3600, **needs)
    >>> print(*lines(found), sep="\n")
    Scene    90 x 60 pixels, 5 dates, 9 pairs
    Tiles    4 of 6 to do, 30 x 30 pixels; 2 for each of 3 workers
    Threads  8 of each worker, to read and write
    Read     2.00 GB
    Write    1.00 GB; on disk at most that, of 9.00 GB free
    Memory   at most 1.00 GB for each worker, which has 4.00 GB
    """
    read, written, needed, disk_free = (
        with_prefix(value, "B")
        for value in (found.bytes_read, found.bytes_written, found.memory_needed, found.disk_free)
    )
    has, unpacked = "", {}
    who = _who(found, insists)
    if found.bytes_unpacked:
        size = with_prefix(found.bytes_unpacked, "B")
        unpacked["Unpack"] = f"{size} once, to the disk of the output; removed at the end"
    if found.memory_available is not None:
        has = f", which has {with_prefix(found.memory_available, 'B')}"
    said = {
        "Scene": f"{found.shape[0]} x {found.shape[1]} pixels, {found.n_date} dates, {found.n_pair} pairs",
        "Tiles": f"{found.n_left} of {found.n_tile} to do, {found.chunks[0]} x {found.chunks[1]} pixels; "
        f"{found.tiles_of_a_worker} for each of {who.all_of_them}",
        **who.said,
        "Threads": f"{found.n_core} of {who.each}, to read and write",
        "Read": read,
        "Write": f"{written}; on disk at most that, of {disk_free} free",
        **unpacked,
        "Memory": f"at most {needed} for {who.each}{has}",
    }
    if found.gpu_memory_needed is not None:
        has = ""
        if found.gpu_memory is not None:
            has = f", which has {with_prefix(found.gpu_memory, 'B')}"
        needed = with_prefix(found.gpu_memory_needed, "B")
        said["GPU"] = f"at most {needed} of memory for {who.each}, besides CUDA itself{has}"
    if found.seconds is not None:
        overhead = _overhead(found)
        before, after = ({name: overhead[name]} if overhead else {} for name in ("start", "end"))
        parts = before | found.seconds._asdict() | after
        stages = ", ".join(f"{name} {_seconds(value)}" for name, value in parts.items())
        since = "from when the workers are there, " if found.overhead is None else ""
        slow = "all workers are like this machine and" if found.n_worker else "threads"
        said["Time"] = (
            f"{_seconds(sum(parts.values()), 'about ')} ({stages}) {since}if {slow} do not slow each other "
            "down"
        )
    return [f"{name:<8} {text}" for name, text in said.items()]


class _Who(NamedTuple):
    """Who computes, in words."""

    all_of_them: str
    each: str
    said: dict[str, str]


def _who(found: "Forecast", insists: bool) -> _Who:
    if found.n_worker:
        return _Who(f"{found.n_worker} workers", "each worker", {})
    from fringefleet.session.fitting import why_here

    threads = f"{found.n_thread} threads"
    why = "" if insists else in_words_of_the_command(why_here(found.work_seconds))
    said = {"Workers": f"none: threads of this process compute{why}"}
    return _Who(threads, "this process", said)


def _overhead(found: "Forecast") -> dict[str, float]:
    return {} if found.overhead is None else found.overhead._asdict()


def _seconds(value: float, about: str = "") -> str:
    if 0 < value < 0.05:
        return "less than 0.1 s"
    return about + (clock_time(value) if value >= 60 else f"{value:.1f} s" if value else "0 s")
