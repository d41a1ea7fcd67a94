"""The command ``simulate``: write a stack of known motion."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.arguments.shapes import Shape
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, err
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_progress
from fringefleet.execution.job import Run


@dataclass(frozen=True)
class SceneOptions:
    """Fields of a ``simulate.Scene`` that have an option."""

    n_date: Annotated[
        int | None,
        Declared("Number of acquisitions, 12 days apart.", metavar="D", default="50", flags=("--dates",)),
    ] = None
    neighbours: Annotated[
        int | None,
        Declared("Number of following dates that each date is paired with.", metavar="C", default="3"),
    ] = None
    shape: Annotated[Shape | None, Declared("Rows and columns.", metavar="Y X", default="256 256")] = None
    seed: Annotated[int | None, Declared("Seed of all random numbers.", metavar="S", default="0")] = None
    missing: Annotated[
        float | None, Declared("Fraction of the observations without data.", metavar="F", default="0")
    ] = None
    annual: Annotated[bool, Declared("Also pair each date with the one a year later.")] = False
    unwrapping_errors: Annotated[
        float | None,
        Declared(
            "Fraction of the pairs that are off by a cycle in a part of the scene.", metavar="F", default="0"
        ),
    ] = None
    dem_error_std: Annotated[
        float | None, Declared("Standard deviation of the DEM error.", metavar="METRES", default="0")
    ] = None


@command(
    *parameters(Run, "output"),
    *parameters(SceneOptions),
    *parameters(Common, "overwrite"),
    examples=(
        "fringefleet simulate scene.zarr",
        "fringefleet simulate large.zarr --dates 98 --shape 1000 1000 --missing 0.02",
        "fringefleet simulate wrong.zarr --unwrapping-errors 0.1 --dem-error-std 20",
    ),
)
def simulate(given: Any) -> None:
    """Simulate a stack of known motion, of any size; the truth is written to OUT_truth.zarr."""
    from fringefleet.simulate import Scene, simulate_stack

    said = ((field.name, getattr(given, field.name)) for field in fields(SceneOptions))
    scene = Scene(**{name: value for name, value in said if value is not None})
    with show_progress(err(), "Simulating") as report:
        truth = simulate_stack(
            scene,
            given.output,
            overwrite=given.overwrite,
            progress=lambda done, total: report(done / total, done),
        )
    for path in (given.output, truth):
        echo(path)
