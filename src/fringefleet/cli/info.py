"""The command ``info``: describe a stack or a result, as tables for people or as JSON for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo_json, out
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.printable import printable
from fringefleet.cli.progress import with_prefix
from fringefleet.cli.tables import plain_table, print_facts, print_status, worst_pairs_table
from fringefleet.errors import InputError
from fringefleet.execution.job import Run
from fringefleet.importing import without_collection

if TYPE_CHECKING:
    from fringefleet.io.describe import Description, PixelPlace
    from fringefleet.network.connectivity import Connectivity

_Facts = Iterator[tuple[str, str]]
_MOST_NAMES = 6  # of dates or pairs in one line


@dataclass(frozen=True)
class InfoOptions:
    """Parameters of the command."""

    path: Annotated[
        Path | None, Declared("Stack of any format, or result.", metavar="PATH", is_argument=True)
    ] = None
    formats: Annotated[bool, Declared("List the formats that can be read.")] = False


@command(
    *parameters(InfoOptions),
    *parameters(Common, "json"),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet info inputs/ifgramStack.h5",
        "fringefleet info --formats",
        "fringefleet info result.zarr --json | jq .status",
    ),
)
def info(given: Any) -> None:
    """Describe a stack or a result, without reading the phase."""
    if given.formats:
        print_formats(as_json=given.json)
        return
    if given.path is None:
        raise InputError("found no path; give that of a stack or a result, or --formats to list formats.")
    with without_collection():
        from fringefleet.io.describe import describe
    description = describe(given.path, reader=given.reader, drop_incomplete=given.drop_incomplete)
    if given.json:
        echo_json(asdict(description))
    else:
        print_description(description, out())


def print_formats(*, as_json: bool) -> None:
    """Print what can be read, and what to give."""
    from fringefleet.io.readers import READERS

    if as_json:
        echo_json([{"reader": one.name, "format": one.title, "give": one.layout} for one in READERS])
        return
    table = plain_table("Reader")
    for name, width in {"Format": 24, "Give": 30}.items():
        table.add_column(name, min_width=width, overflow="fold")
    for reader in READERS:
        table.add_row(reader.name, reader.title, reader.layout)
    out().print(table)


def print_description(description: "Description", console: Console) -> None:
    """Print what matters, for people."""
    from fringefleet.io.attribute_facts import KINDS

    path = escape(printable(description.path))
    console.print(f"[bold]{path}[/]: {KINDS[description.kind]}, {description.file_format}\n")
    print_facts(_facts(description), console)
    console.print()
    console.print(_variable_table(description))
    if description.status is not None:
        console.print()
        least = float(description.attributes.get("min_redundancy", 1))
        print_status(list(description.status.values()), least, console)
    if description.worst_pairs:
        console.print()
        console.print(worst_pairs_table(description.worst_pairs))


def _facts(found: "Description") -> _Facts:
    from fringefleet.io.attribute_facts import attribute_facts

    if found.reader is not None:
        yield "Recognised", f"by the reader {found.reader}, because of {found.evidence}"
    yield from _place_facts(found.place)
    if found.dates:
        yield "Dates", f"{len(found.dates)}, {found.dates[0]} to {found.dates[-1]}"
    if found.network is not None:
        yield from _network_facts(found.network)
    if found.tiles is not None:
        done, total = found.tiles
        rest = "" if done == total else f"; {total - done} missing, to be done with invert --resume"
        yield "Tiles done", f"{done} of {total}{rest}"
    yield "On disk", f"{with_prefix(found.bytes_on_disk, 'B')}, {found.n_file} file(s)"
    if found.reading is not None:
        yield "Read", found.reading
    yield "In memory", with_prefix(sum(variable.n_byte for variable in found.variables), "B")
    yield from attribute_facts(found)


def _place_facts(place: "PixelPlace") -> _Facts:
    from fringefleet.io.georeference import DEGREES, axis_unit

    rows, columns = place.shape
    yield "Scene", f"{rows} x {columns} pixels (rows x columns), {with_prefix(rows * columns, 'px')}"
    if place.unit == "1":
        yield "Grid", "radar geometry"
        return
    unit = "°" if axis_unit(place.unit) == DEGREES else f" {place.unit}".rstrip()
    y, x = _range_of(place.y, rows, unit), _range_of(place.x, columns, unit)
    yield "Grid", f"y {y}, x {x}" + ("" if place.unit else " (unit not known)")
    yield "CRS", place.crs or "not known"


def _range_of(ends: tuple[float, float], size: int, unit: str) -> str:
    first, last = ends
    return f"{first:.6g} to {last:.6g}{unit} by {(last - first) / max(1, size - 1):.4g}{unit}"


def _network_facts(network: "Connectivity") -> _Facts:
    from fringefleet.network.network import shorten

    dropped = f"; {network.n_dropped} more are dropped (dropIfgram)" if network.n_dropped else ""
    yield "Pairs", f"{network.n_pair}, spanning {network.shortest:.4g} to {network.longest:.4g} days{dropped}"
    parts = [f"{dates[0]} to {dates[-1]} ({len(dates)})" for dates in network.components]
    yield "Network", "connected" if len(parts) == 1 else f"in {len(parts)} parts: {', '.join(parts)}"
    bridges = shorten(network.bridges, at_most=_MOST_NAMES)
    yield "Bridges", bridges or "no pair alone holds the network together"
    single = shorten(network.single_pair_dates, at_most=_MOST_NAMES)
    yield "Single pair", single or "every date has two pairs or more"


def _variable_table(description: "Description") -> Table:
    table = plain_table("Variable", "Dimensions", "Type", "Chunk", "In memory", "Unit")
    for variable in description.variables:
        sizes = ", ".join(f"{dim} {size}" for dim, size in variable.sizes.items())
        chunk = " x ".join(map(str, variable.chunks)) if variable.chunks else "whole"
        memory = with_prefix(variable.n_byte, "B")
        cells = (variable.name, sizes, variable.dtype, chunk, memory, variable.unit)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    return table
