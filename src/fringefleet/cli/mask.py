"""The command ``mask``: say which pixels of a result are to be relied on."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import show_progress
from fringefleet.io.mask_limits import MaskLimits


@dataclass(frozen=True)
class MaskOptions:
    """Parameters of the command."""

    result: Annotated[Path, Declared("Result of invert.", metavar="RESULT", is_argument=True)]
    remove: Annotated[bool, Declared("Remove the mask that is there.")] = False


@command(
    *parameters(MaskOptions),
    *parameters(MaskLimits),
    examples=(
        "fringefleet mask result.zarr --min-temporal-coherence 0.7 --status ok,minimum_norm",
        "fringefleet mask result.zarr --rule 'residual_rms < 1 or temporal_coherence > 0.9'",
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
