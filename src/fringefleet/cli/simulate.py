"""The command ``simulate``: write a stack of known motion."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.parameters import Common, parameters
from fringefleet.cli.progress import show_progress
from fringefleet.execution.job import Run
from fringefleet.simulate.options import SceneOptions

_OF_SCENE = tuple(item for item in parameters(SceneOptions) if item.name != "noise")


@command(
    *parameters(Run, "output"),
    *_OF_SCENE,
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

    values = {item.name: getattr(given, item.name) for item in _OF_SCENE}
    scene = Scene(**{name: value for name, value in values.items() if value is not None})
    with show_progress(notes(), "Simulating") as report:
        truth = simulate_stack(
            scene,
            given.output,
            overwrite=given.overwrite,
            progress=lambda done, total: report(done / total, done),
        )
    for path in (given.output, truth):
        echo(path)
