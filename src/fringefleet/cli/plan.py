"""The command ``plan``: what ``invert`` would need with the same options."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.config import with_config
from fringefleet.cli.console import echo_json, out
from fringefleet.cli.invert import OF_INVERT, STACK, job_of
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import clock_time, with_prefix
from fringefleet.cli.tables import print_facts
from fringefleet.cli.words import in_words_of_the_command
from fringefleet.importing import without_collection

if TYPE_CHECKING:
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


@command(
    STACK,
    *parameters(PlanOptions),
    *parameters(Common, "json"),
    *OF_INVERT,
    examples=(
        "fringefleet plan inputs/ifgramStack.h5 -t smallbaselineApp.cfg",
        "fringefleet plan stack.zarr /scratch/result.zarr --norm huber --workers 64 --worker-memory 8GB",
        "fringefleet plan stack.zarr --velocity --bbox -99.3 19.2 -99.0 19.5 --start-date 20180101",
        "fringefleet plan stack.zarr --workers 16 --worker-memory 32GB --quick --json",
    ),
)
def plan(given: Any) -> None:
    """Predict what an inversion needs, and refuse what cannot fit: takes the options of invert."""
    with without_collection():  # a second
        from fringefleet.execution.means import check_kept
        from fringefleet.session.fitting import why_here
        from fringefleet.session.planning import plan_session
    job, wanted = job_of(with_config(vars(given)) | {"output": given.output or _NO_OUTPUT})
    check_kept(job)
    is_asked_for = given.performance_report is not None
    session, found = plan_session(job, wanted, is_asked_for=is_asked_for, measures=not given.quick)
    if given.json:
        echo_json(as_plain(found))
    else:
        why = "" if session.insists else in_words_of_the_command(why_here(found.work_seconds))
        print_facts(facts(found, why), out())


def as_plain(found: "Forecast") -> dict[str, Any]:
    """Give a forecast as plain values, with what follows from it."""
    plain = asdict(found) | {"tiles_of_a_worker": found.tiles_of_a_worker}
    if found.seconds is not None:
        plain["seconds"] = _rounded(found.seconds._asdict())
        plain["overhead"] = None if found.overhead is None else _rounded(found.overhead._asdict())
        plain["wall_seconds"] = round(sum(found.seconds) + sum(found.overhead or ()), 3)
    return plain


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in seconds.items()}


def facts(found: "Forecast", why_threads: str = "") -> Iterator[tuple[str, str]]:
    """Describe a forecast for people; ``why_threads``: the reason where threads compute, unless asked for."""
    each = "each worker" if found.n_worker else "this process"
    all_of_them = f"{found.n_worker} workers" if found.n_worker else f"{found.n_thread} threads"
    rows, columns = found.chunks
    yield "Scene", f"{found.shape[0]} x {found.shape[1]} pixels, {found.n_date} dates, {found.n_pair} pairs"
    yield (
        "Tiles",
        f"{found.n_left} of {found.n_tile} to do, {rows} x {columns} pixels; {found.tiles_of_a_worker} for "
        f"each of {all_of_them}",
    )
    if not found.n_worker:
        yield "Workers", f"none: threads of this process compute{why_threads}"
    yield "Threads", f"{found.n_core} of {each}, to read and write"
    yield from _bytes(found, each)
    if found.seconds is not None:
        yield "Time", _time(found)


def _bytes(found: "Forecast", each: str) -> Iterator[tuple[str, str]]:
    yield "Read", _size(found.bytes_read)
    yield "Write", f"{_size(found.bytes_written)}; on disk at most that, of {_size(found.disk_free)} free"
    if found.bytes_unpacked:
        yield "Unpack", f"{_size(found.bytes_unpacked)} once, to the disk of the output; removed at the end"
    yield "Memory", f"at most {_size(found.memory_needed)} for {each}{_which_has(found.memory_available)}"
    if found.gpu_memory_needed is not None:
        needed = f"at most {_size(found.gpu_memory_needed)} of memory for {each}, besides CUDA itself"
        yield "GPU", needed + _which_has(found.gpu_memory)


def _which_has(available: int | None) -> str:
    return "" if available is None else f", which has {_size(available)}"


def _size(n_byte: int) -> str:
    return with_prefix(n_byte, "B")


def _time(found: "Forecast") -> str:
    parts = {} if found.seconds is None else found.seconds._asdict()
    since = "from when the workers are there, "
    if found.overhead is not None:
        parts = {"start": found.overhead.start, **parts, "end": found.overhead.end}
        since = ""
    stages = ", ".join(f"{name} {_seconds(value)}" for name, value in parts.items())
    alike = "all workers are like this machine and" if found.n_worker else "threads"
    total = _seconds(sum(parts.values()), "about ")
    return f"{total} ({stages}) {since}if {alike} do not slow each other down"


def _seconds(value: float, about: str = "") -> str:
    if 0 < value < 0.05:
        return "less than 0.1 s"
    return about + (clock_time(value) if value >= 60 else f"{value:.3g} s")
