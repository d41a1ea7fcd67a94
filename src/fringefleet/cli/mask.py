"""The command ``mask``: say which pixels of a result are to be relied on."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared, Panel
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_progress
from fringefleet.io.mask_limits import MaskLimits


@dataclass(frozen=True)
class MaskOptions:
    """Parameters of the command."""

    remove: Annotated[bool, Declared("Remove the mask that is there.", Panel.OUTPUT)] = False


@command(
    *parameters(Common, "result"),
    *parameters(MaskLimits),
    *parameters(MaskOptions),
    examples=(
        "fringefleet mask result.zarr --min-temporal-coherence 0.7 --status ok,minimum_norm",
        "fringefleet mask result.zarr --rule 'residual_rms < 1 or temporal_coherence > 0.9'",
        "fringefleet mask result.zarr --remove",
    ),
)
def mask(given: Any) -> None:
    """Write a mask into a result, which export, plot and velocity honour."""
    from fringefleet.io.masking import mask_result, unmask_result

    limits = {field.name: getattr(given, field.name) for field in fields(MaskLimits)}
    if given.remove:
        unmask_result(given.result, **limits)
        echo(f"{given.result}: no mask")
        return
    with show_progress(notes(), "Masking") as report:
        made = mask_result(given.result, progress=lambda done, total: report(done / total, 0), **limits)
    share = 100 * made.n_kept / made.n_pixel
    echo(f"{given.result}: {made.n_kept:,} of {made.n_pixel:,} pixels are kept ({share:.1f} %): {made.rule}")
