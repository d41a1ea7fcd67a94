"""Options of a simulated scene, declared once for Python and the command line. Light to import."""

from dataclasses import dataclass
from typing import Annotated

from fringefleet.arguments.declaration import Declared, Panel, check_fields
from fringefleet.arguments.kinds import check_two_numbers
from fringefleet.arguments.shapes import Shape
from fringefleet.errors import OptionError


@dataclass(frozen=True)
class SceneOptions:
    """Size of a :class:`fringefleet.simulate.Scene`, and what is to be wrong with it."""

    n_date: Annotated[
        int,
        Declared(
            "Number of acquisitions, 12 days apart.", Panel.SCENE, metavar="D", flags=("--dates",), least=2
        ),
    ] = 50
    neighbours: Annotated[
        int,
        Declared(
            "Number of following dates that each date is paired with.", Panel.SCENE, metavar="C", least=1
        ),
    ] = 3
    shape: Annotated[Shape, Declared("Rows and columns.", Panel.SCENE, metavar="Y X", default="256 256")] = (
        256,
        256,
    )
    seed: Annotated[int, Declared("Seed of all random numbers.", Panel.SCENE, metavar="S", least=0)] = 0
    missing: Annotated[
        float,
        Declared("Fraction of the observations without data.", Panel.SCENE, metavar="F", least=0, most=0.999),
    ] = 0.0
    annual: Annotated[bool, Declared("Also pair each date with the one a year later.", Panel.SCENE)] = False
    noise: Annotated[
        float,
        Declared(
            "Factor on the decorrelation noise and on the error of the coherence; 0 gives pairs that agree "
            "with each other.",
            Panel.SCENE,
            metavar="F",
            least=0,
        ),
    ] = 1.0
    unwrapping_errors: Annotated[
        float,
        Declared(
            "Fraction of the pairs that are off by a cycle in a part of the scene.",
            Panel.SCENE,
            metavar="F",
            least=0,
            most=1,
        ),
    ] = 0.0
    dem_error_std: Annotated[
        float,
        Declared("Standard deviation of the DEM error.", Panel.SCENE, metavar="METRES", unit="m", least=0),
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        check_fields(self)
        check_two_numbers("shape", self.shape, "rows and columns")
        if min(self.shape) < 2:
            found = " x ".join(str(length) for length in self.shape)
            raise OptionError(
                f"found shape {found}; a scene has rows and columns, at least 2 of each. "
                "Give a shape such as 256 256."
            )
