"""The command ``plan``: the options of ``invert``, and what it would need with them."""

import inspect
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fringefleet.cli.application import app, examples
from fringefleet.cli.commands import invert
from fringefleet.cli.console import err, exit_codes, out, start_logging
from fringefleet.cli.progress import clock_time, with_prefix
from fringefleet.importing import without_collection

if TYPE_CHECKING:
    from fringefleet.forecast import Forecast

NO_OUTPUT = Path(".fringefleet-plan.zarr")  # nobody has an output of that name

Output = Annotated[
    Path | None,
    typer.Argument(
        metavar="[OUT.zarr]", help="Where it would be written; here if not given.", show_default=False
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", metavar="", help="Measure nothing: no seconds, and the stack is not read.")
]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="For programs: everything, as JSON.")]


def plan(**given: Any) -> None:
    """Predict what an inversion will need, and refuse what cannot fit: give it the options of invert."""
    quick, as_json = given.pop("quick"), given.pop("as_json")
    start_logging(err(), verbose=given["verbose"])
    with without_collection():  # a second
        from fringefleet.cli.invert import fit_to_tiles, fit_to_workers, understand  # noqa: PLC0415
        from fringefleet.cluster import expected_memory  # noqa: PLC0415
        from fringefleet.forecast import forecast, with_seconds  # noqa: PLC0415
        from fringefleet.overhead import measure_overhead  # noqa: PLC0415
        from fringefleet.pipeline import check  # noqa: PLC0415
    job, workers = fit_to_workers(*understand(given | {"output": given["output"] or NO_OUTPUT}))
    checked = check(job)
    n_worker = min(checked.n_worker, max(1, checked.n_left))
    found = forecast(checked, n_worker, expected_memory(fit_to_tiles(workers, checked), n_worker))
    if not quick:
        is_here = workers.kind in ("local", "local-cuda")
        overhead = measure_overhead(job.options.device, n_worker) if is_here and checked.n_left else None
        found = replace(with_seconds(found, checked), overhead=overhead)
    if as_json:
        typer.echo(json.dumps(as_plain(found)))
    else:
        for line in lines(found):
            out().print(line, markup=False, soft_wrap=True)


def as_plain(found: "Forecast") -> dict[str, Any]:
    """Give a forecast as plain values, with what follows from it."""
    plain = asdict(found) | {"tiles_of_a_worker": found.tiles_of_a_worker}
    if found.seconds is not None:
        plain["seconds"] = {name: round(value, 3) for name, value in found.seconds._asdict().items()}
        plain["overhead"] = {name: round(value, 3) for name, value in _overhead(found).items()} or None
        plain["wall_seconds"] = round(sum(found.seconds) + sum(_overhead(found).values()), 3)
    return plain


def lines(found: "Forecast") -> list[str]:
    r"""Say it to people.

    Examples
    --------
    >>> from fringefleet.forecast import Forecast
    >>> gb = 10**9
    >>> needs = {"bytes_read": 2 * gb, "bytes_written": gb, "memory_needed": gb, "memory_available": 4 * gb}
    >>> needs |= {"disk_needed": gb, "disk_free": 9 * gb}
    >>> found = Forecast((90, 60), 5, 9, (30, 30), 6, 4, 3, 8, 3600, **needs)
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
    if found.bytes_unpacked:
        size = with_prefix(found.bytes_unpacked, "B")
        unpacked["Unpack"] = f"{size} once, to the disk of the output; removed at the end"
    if found.memory_available is not None:
        has = f", which has {with_prefix(found.memory_available, 'B')}"
    said = {
        "Scene": f"{found.shape[0]} x {found.shape[1]} pixels, {found.n_date} dates, {found.n_pair} pairs",
        "Tiles": f"{found.n_left} of {found.n_tile} to do, {found.chunks[0]} x {found.chunks[1]} pixels; "
        f"{found.tiles_of_a_worker} for each of {found.n_worker} workers",
        "Threads": f"{found.n_core} of each worker, to read and write",
        "Read": read,
        "Write": f"{written}; on disk at most that, of {disk_free} free",
        **unpacked,
        "Memory": f"at most {needed} for each worker{has}",
    }
    if found.gpu_memory_needed is not None:
        has = ""
        if found.gpu_memory is not None:
            has = f", which has {with_prefix(found.gpu_memory, 'B')}"
        needed = with_prefix(found.gpu_memory_needed, "B")
        said["GPU"] = f"at most {needed} of memory for each worker, besides CUDA itself{has}"
    if found.seconds is not None:
        overhead = _overhead(found)
        before, after = ({name: overhead[name]} if overhead else {} for name in ("start", "end"))
        parts = before | found.seconds._asdict() | after
        stages = ", ".join(f"{name} {_seconds(value)}" for name, value in parts.items())
        since = "from when the workers are there, " if found.overhead is None else ""
        said["Time"] = (
            f"{_seconds(sum(parts.values()), 'about ')} ({stages}) {since}if all workers are like this "
            "machine and do not slow each other down"
        )
    return [f"{name:<8} {text}" for name, text in said.items()]


def _overhead(found: "Forecast") -> dict[str, float]:
    return {} if found.overhead is None else found.overhead._asdict()


def _seconds(value: float, about: str = "") -> str:
    if 0 < value < 0.05:
        return "less than 0.1 s"
    return about + (clock_time(value) if value >= 60 else f"{value:.1f} s" if value else "0 s")


def _signature() -> inspect.Signature:
    """Take over the options of ``invert``, so that one command line fits both."""
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quick", Quick), ("as_json", AsJson))
    ]
    taken = [
        parameter.replace(annotation=Output, default=None) if name == "output" else parameter
        for name, parameter in inspect.signature(invert).parameters.items()
    ]
    return inspect.Signature([*taken, *own])


plan.__signature__ = _signature()  # type: ignore[attr-defined]
app.command(
    epilog=examples(
        "fringefleet plan inputs/ifgramStack.h5 -t smallbaselineApp.cfg",
        "fringefleet plan stack.zarr /scratch/result.zarr --norm huber --workers 64 --worker-memory 8GB",
        "fringefleet plan stack.zarr --workers 16 --worker-memory 32GB --quick --json",
    )
)(exit_codes()(plan))
