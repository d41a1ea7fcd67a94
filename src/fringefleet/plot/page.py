"""Page of a finished run: options, pictures, times and failures in one file of HTML that needs no other."""

import tomllib
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from rich.filesize import decimal

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.declaration import declared_fields
from fringefleet.errors import InputError
from fringefleet.execution.report import ReportRecord, report_path
from fringefleet.execution.report_reader import load_report
from fringefleet.execution.run_file import TABLES, run_file_path
from fringefleet.io import open_stack
from fringefleet.io.describe import check_finished
from fringefleet.io.store.atomic_files import staged_files
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.pair_table import RESIDUAL_RMS
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.writers.failures import REMEDY, failures_explained
from fringefleet.io.writers.selected import rule_of
from fringefleet.plot.canvas import rendered
from fringefleet.plot.colours import STAGE_COLOURS
from fringefleet.plot.figures import (
    histograms_figure,
    maps_figure,
    matrix_figure,
    network_figure,
    series_figure,
)
from fringefleet.status import Status

_MOST_TILES = 10


@checked_call
def write_page(result: Path | str, page: Path | str | None = None) -> Path:
    """Write the page of a finished run.

    Parameters
    ----------
    result
        Result of :func:`fringefleet.run`, with its report beside it.
    page
        File to write, which is replaced; None: ``OUT.zarr.report.html`` beside the result.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        There is no finished result, it has no report, or the file cannot be written.

    Examples
    --------
    >>> write_page("result.zarr").name
    'result.zarr.report.html'
    """
    result = Path(result)
    page = Path(page) if page is not None else result.with_name(f"{result.name}.report.html")
    check_output_name(page, "HTML", "report.html")
    opened = open_result(result)
    check_apart(page, result)
    check_finished(result)
    report = load_report(report_path(result))
    check_writable(page)
    if page.is_dir():
        raise InputError(f"found a folder where the page needs a file: {page}. Give another name.")
    with opened:
        pictures, absent = _pictures(opened, Path(report["stack"]))
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(files("fringefleet.plot").joinpath("page.html").read_text())
    text = template.render(**_contents(result, report), pictures=pictures, absent=absent)
    with failures_explained(page.parent, REMEDY), staged_files([page]) as (part,):
        part.write_text(text)
    return page


def _contents(result: Path, report: ReportRecord) -> dict[str, Any]:
    """Put the numbers of a report into words."""
    totals = report["totals"]
    done = [tile for tile in report["tiles"] if "seconds" in tile]
    slowest = sorted(done, key=lambda tile: -sum(tile["seconds"].values()))[:_MOST_TILES]
    options = _options_of(result, report)
    defaults = _defaults()
    changed = {name: value for name, value in options.items() if value != defaults.get(name)}
    return {
        "title": f"Inversion {result.name}",
        "facts": [
            ("Stack", report["stack"]),
            ("Result", report["output"]),
            ("Dates and pairs", f"{report['n_date']} and {report['n_pair']}"),
            ("State", report["state"]),
            ("Tiles", f"{totals['n_done']} of {totals['n_tile']}, {totals['n_failed']} failed"),
            ("Rows and columns of a tile", " and ".join(map(str, report["chunks"]))),
            ("Read and written", f"{decimal(totals['bytes_read'])} and {decimal(totals['bytes_written'])}"),
            ("Time", f"{totals['wall_seconds']:,.1f} s, {totals['pixels_per_second']:,.0f} pixels/s"),
        ],
        "statuses": _statuses(totals),
        "options": list(_in_words(options)),
        "changed": list(_in_words(changed)),
        "stages": [
            (name, round(100 * share, 1), STAGE_COLOURS.get(name, "#444444"))
            for name, share in totals["share"].items()
            if share > 0
        ],
        "runs": [
            (
                run["began"],
                run["host"],
                run["state"],
                f"{run['wall_seconds']:,.1f}",
                run.get("computed_by", ""),
            )
            for run in report["runs"]
        ],
        "worker_header": ("Worker", "Host", "GPU", "Tiles", "Seconds", *STAGE_COLOURS),
        "workers": list(_workers(done)),
        "slowest": [
            (*_place(tile), f"{sum(tile['seconds'].values()):,.2f}", _largest(tile), tile["attempts"])
            for tile in slowest
        ],
        "failures": [
            (*_place(tile), tile["attempts"], tile["error"])
            for tile in report["tiles"]
            if tile["state"] == "failed"
        ],
        "versions": list(report["versions"].items()),
    }


def _options_of(result: Path, report: ReportRecord) -> dict[str, Any]:
    """Return all options of a run, from the file that it left; of an older one, what its report has."""
    path = run_file_path(result)
    if not path.is_file():
        return {**report["options"], **report["setting"], **report["selection"]}
    tables = tomllib.loads(path.read_text())
    said = {name: value for table in TABLES for name, value in tables.get(table, {}).items()}
    return {name: value for name, value in said.items() if name not in ("stack", "output")}


def _defaults() -> dict[str, Any]:
    found = {}
    for owner in TABLES.values():
        for field, _, _ in declared_fields(owner):
            found[field.name] = list(field.default) if isinstance(field.default, tuple) else field.default
    return found


def _statuses(totals: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    n_pixel = max(1, sum(totals["pixels"].values()))
    return [
        (Status[name.upper()].words, f"{number:,}", f"{100 * number / n_pixel:.2f} %")
        for name, number in totals["pixels"].items()
    ]


def _in_words(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        yield name, " ".join(map(str, value)) if is_list else str(value)


def _workers(tiles: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Add up the tiles of every worker."""
    whose = defaultdict(list)
    for tile in tiles:
        who = tile.get("address") or "this process", tile.get("host", ""), tile.get("gpu") or "none"
        whose[who].append(tile)
    for who, own in whose.items():
        of_stage = [sum(tile["seconds"].get(name, 0) for tile in own) for name in STAGE_COLOURS]
        yield (*who, len(own), f"{sum(of_stage):,.1f}", *(f"{value:,.1f}" for value in of_stage))


def _place(tile: Mapping[str, Any]) -> tuple[str, str, str]:
    rows, columns = (f"{first} to {stop - 1}" for first, stop in (tile["rows"], tile["columns"]))
    return ", ".join(map(str, tile["tile"])), rows, columns


def _largest(tile: Mapping[str, Any]) -> str:
    name, value = max(tile["seconds"].items(), key=lambda item: item[1])
    return f"{name} {value:,.2f}"


def _pictures(result: xr.Dataset, stack: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Draw what there are data for, as base64; and say why what is absent is."""
    rule = rule_of(result, None)
    draw: dict[str, Callable[[], Figure]] = {
        "maps": lambda: maps_figure(result, rule=rule),
        "histograms": lambda: histograms_figure(result, rule=rule),
        "series": lambda: series_figure(result, rule=rule),
        "network": lambda: network_figure(_pairs_of(result, stack)),
        "matrix": lambda: matrix_figure(_pairs_of(result, stack)),
    }
    found, absent = {}, {}
    for name, make in draw.items():
        try:
            found[name] = b64encode(rendered(make(), "png")).decode()
        except InputError as error:
            absent[name] = str(error)
    return found, absent


def _pairs_of(result: xr.Dataset, stack: Path) -> xr.Dataset:
    """Return what has the pairs: the result with its table of them, else the stack."""
    if RESIDUAL_RMS in result:
        return result
    return open_stack(stack, chunks=None)
