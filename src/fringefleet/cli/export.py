"""The command ``export``: write a result in the format of another program."""

from dataclasses import fields
from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_progress
from fringefleet.cli.tables import print_plan
from fringefleet.io.writers import WRITERS
from fringefleet.io.writers.options import ExportFiles
from fringefleet.io.writers.selection import ExportSelection, mask_of

(_OVERWRITE,) = parameters(Common, "overwrite")


@command(
    *parameters(Common, "result"),
    *parameters(ExportFiles),
    *parameters(ExportSelection),
    *parameters(Common, "no_mask"),
    _OVERWRITE.respelled(help="Replace files that are there; others in the folder are kept."),
    *parameters(Common, "dry_run"),
    examples=(
        "fringefleet export result.zarr mintpy/ --format mintpy",
        "fringefleet export result.zarr maps/ --format cog --mask 'temporal_coherence > 0.7' --unit mm",
        "fringefleet export result.zarr points.csv --format csv --variables displacement --dates 20180106",
        "fringefleet export velocity.zarr velocity.kmz --format kmz --unit mm",
    ),
)
def export(given: Any) -> None:
    """Write a result, or a part of it, in the format of other programs."""
    from fringefleet.io.writers.export import export_result, plan_export
    from fringefleet.io.writers.failures import REMEDY, failures_explained
    from fringefleet.network.network import shorten

    selection = {field.name: getattr(given, field.name) for field in fields(ExportSelection)}
    selection["mask"] = mask_of(given.mask, no_mask=given.no_mask)
    what = given.result, given.output, given.format or WRITERS[0].name
    selection["overwrite"] = given.overwrite
    if given.dry_run:
        found = plan_export(*what, **selection)
        files = shorten(list(map(str, found.paths)))
        print_plan([("Files", files)], found.n_byte, found.memory, "in all processes")
        return
    explained = failures_explained(given.output, REMEDY)
    with show_progress(notes(), "Writing") as report, explained:
        paths = export_result(*what, progress=lambda done, total: report(done / total, 0), **selection)
    for path in paths:
        echo(path)
