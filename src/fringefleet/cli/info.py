"""The command ``info``: describe a stack or a result, as tables for people or as JSON for programs."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import out
from fringefleet.cli.parameters import parameters
from fringefleet.cli.printable import printable
from fringefleet.cli.progress import with_prefix
from fringefleet.cli.tables import plain_table, redundancy_note, status_table, worst_pairs_table
from fringefleet.cli.usage import WORDS
from fringefleet.execution.job import Run
from fringefleet.importing import without_collection

if TYPE_CHECKING:
    from fringefleet.io.describe import Description, PixelPlace
    from fringefleet.network.connectivity import Connectivity

_MOST_NAMES = 6  # of dates or pairs in one line


@dataclass(frozen=True)
class InfoOptions:
    """Parameters of the command."""

    path: Annotated[Path, Declared("Stack of any format, or result.", metavar="PATH", is_argument=True)]
    json: Annotated[bool, Declared("Print everything as JSON, for programs.")] = False
    formats: Annotated[bool, Declared("List the formats that can be read.")] = False


def print_formats_and_exit(context: typer.Context, is_given: bool) -> None:
    """Print the formats and end; a path is not asked for."""
    if is_given:
        print_formats(out(), as_json="--json" in context.meta[WORDS])
        raise typer.Exit


_PATH, _JSON, _FORMATS = parameters(InfoOptions)


@command(
    _PATH,
    _JSON,
    replace(_FORMATS, callback=print_formats_and_exit),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet info inputs/ifgramStack.h5",
        "fringefleet info --formats",
        "fringefleet info result.zarr --json | jq .status",
    ),
)
def info(given: Any) -> None:
    """Describe a stack or a result, without reading the phase."""
    with without_collection():
        from fringefleet.io.describe import describe
    show = print_json if given.json else print_description
    show(describe(given.path, reader=given.reader, drop_incomplete=given.drop_incomplete), out())


def print_formats(console: Console, *, as_json: bool = False) -> None:
    """Print what can be read, and what to point at."""
    from fringefleet.io.readers import READERS

    if as_json:
        formats = [{"reader": one.name, "format": one.title, "give": one.layout} for one in READERS]
        console.print(json.dumps(formats, indent=2), markup=False, soft_wrap=True)
        return
    table = plain_table("Reader", "Format", "Give")
    for column, least in zip(
        table.columns, (max(len(reader.name) for reader in READERS), 24, 30), strict=True
    ):
        column.min_width, column.no_wrap, column.overflow = least, False, "fold"
    for reader in READERS:
        table.add_row(reader.name, reader.title, reader.layout)
    console.print(table)


def print_json(description: "Description", console: Console) -> None:
    """Print everything, for programs."""
    text = json.dumps(asdict(description), indent=2, default=_plain).replace("\x7f", "\\u007f")
    console.print(text, markup=False, soft_wrap=True)


def print_description(description: "Description", console: Console) -> None:
    """Print what matters, for people."""
    path = escape(printable(description.path))
    console.print(f"[bold]{path}[/]: {description.kind}, {description.file_format}\n")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="cyan", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(description):
        facts.add_row(name, escape(printable(text)))
    console.print(facts)
    console.print()
    console.print(_variable_table(description))
    if description.status is not None:
        console.print()
        console.print(status_table(description.status))
        least = float(description.attributes.get("min_redundancy", 1))
        if note := redundancy_note(description.status, least):
            console.print(note, soft_wrap=True)
    if description.worst_pairs:
        console.print()
        console.print(worst_pairs_table(description.worst_pairs))


def _facts(description: "Description") -> Iterator[tuple[str, str]]:
    if description.reader is not None:
        yield "Recognised", f"by the reader {description.reader}, because of {description.evidence}"
    yield from _place_facts(description.place)
    yield "Dates", _dates(description.dates)
    if description.network is not None:
        yield from _network_facts(description.network)
    if description.tiles is not None:
        done, total = description.tiles
        rest = "" if done == total else f"; {total - done} missing, to be done with invert --resume"
        yield "Tiles done", f"{done} of {total}{rest}"
    files = "1 file" if description.n_file == 1 else f"{description.n_file} files"
    yield "On disk", f"{with_prefix(description.bytes_on_disk, 'B')} in {files}"
    if description.reading is not None:
        yield "Read", description.reading
    yield "In memory", with_prefix(sum(variable.n_byte for variable in description.variables), "B")
    yield from _attribute_facts(description)


def _place_facts(place: "PixelPlace") -> Iterator[tuple[str, str]]:
    from fringefleet.io.georeference import DEGREES, axis_unit

    rows, columns = place.shape
    yield "Scene", f"{rows} x {columns} pixels (rows x columns), {with_prefix(rows * columns, 'px')}"
    if place.unit == "1":
        yield "Grid", "radar geometry"
        return
    unit = "°" if axis_unit(place.unit) == DEGREES else f" {place.unit}".rstrip()
    ranges = [
        f"{axis} {first:.6g} to {last:.6g}{unit}"
        + (f" by {(last - first) / (size - 1):.4g}{unit}" if size > 1 else "")
        for axis, (first, last), size in zip("yx", (place.y, place.x), place.shape, strict=True)
    ]
    yield "Grid", ", ".join(ranges) + ("" if place.unit else " (unit not known)")
    yield "CRS", place.crs or "not known"


def _dates(dates: tuple[str, ...]) -> str:
    if len(dates) < 2:
        return ", ".join(dates) or "none"
    return f"{len(dates)}, {dates[0]} to {dates[-1]}"


def _network_facts(network: "Connectivity") -> Iterator[tuple[str, str]]:
    dropped = f"; {network.n_dropped} more are dropped (dropIfgram)" if network.n_dropped else ""
    spans = f"{network.shortest:.4g} to {network.longest:.4g} days"
    yield "Pairs", f"{network.n_pair}, spanning {spans}{dropped}"
    parts = len(network.components)
    if parts == 1:
        yield "Network", "connected"
    else:
        sizes = ", ".join(f"{dates[0]} to {dates[-1]} ({len(dates)})" for dates in network.components)
        yield "Network", f"in {parts} parts: {sizes}"
    yield "Bridges", _names(network.bridges, "no pair alone holds the network together")
    yield "Single pair", _names(network.single_pair_dates, "every date has two pairs or more")


def _names(names: tuple[str, ...], otherwise: str) -> str:
    from fringefleet.network.network import shorten

    return shorten(names, at_most=_MOST_NAMES) if names else otherwise


def _attribute_facts(description: "Description") -> Iterator[tuple[str, str]]:
    from fringefleet.network.network import date_name

    attributes = dict(description.attributes)
    coordinates = attributes.pop("reference_coordinates", None)
    point = attributes.pop("reference_point", None)
    if point is not None:
        where = "" if coordinates is None else f" (y {coordinates[0]:.6g}, x {coordinates[1]:.6g})"
        is_one = isinstance(point, list) and len(point) == 2
        yield "Reference point", f"row {point[0]}, column {point[1]}{where}" if is_one else repr(point)
    elif description.kind == "stack":
        yield "Reference point", "none; invert needs --reference-point Y X"
    if "reference_date" in attributes:
        yield "Reference date", date_name(str(attributes.pop("reference_date")))
    if "wavelength" in attributes:
        length = attributes.pop("wavelength")
        yield "Wavelength", f"{length:.8g} m" if isinstance(length, int | float) else repr(length)
    if "looks" in attributes:
        yield "Looks", str(attributes.pop("looks"))
    if attributes:
        yield "Made with", ", ".join(f"{name} {value}" for name, value in attributes.items())
    yield "Attributes", f"{description.n_attribute} in all"


def _variable_table(description: "Description") -> Table:
    table = plain_table("Variable", "Dimensions", "Type", "Chunk", "In memory", "Unit")
    for variable in description.variables:
        sizes = ", ".join(f"{dim} {size}" for dim, size in variable.sizes.items())
        chunk = " x ".join(map(str, variable.chunks)) if variable.chunks else "whole"
        memory = with_prefix(variable.n_byte, "B")
        cells = (variable.name, sizes, variable.dtype, chunk, memory, variable.unit)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    return table


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
