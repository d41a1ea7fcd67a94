"""One fit of functions of time to the series of a result. Light to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented, needs_of
from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.arguments.needs import check_needs, defaults_of, only_with
from fringefleet.arguments.paths import check_local
from fringefleet.choices import Uncertainty
from fringefleet.solver.time_functions import TimeFunctions, read_dates_of

_BOOTSTRAP = only_with("uncertainty", "bootstrap")


@documented
@dataclass(frozen=True)
class FitOptions:
    """Choose the dates of a fit, and the standard errors that it gives.

    Raises
    ------
    OptionError
        A value cannot be used, or has no effect with the others.

    Examples
    --------
    >>> FitOptions(start_date="20180101", uncertainty="bootstrap", seed=3).seed
    3
    """

    start_date: Annotated[
        str | None,
        Declared("First date that is used.", Panel.DATES, metavar="DATE", default="the first"),
    ] = None
    end_date: Annotated[
        str | None,
        Declared("Last date that is used.", Panel.DATES, metavar="DATE", default="the last"),
    ] = None
    exclude_dates: Annotated[
        tuple[str, ...],
        Declared("Dates that are not used.", Panel.DATES, metavar="DATE ...", default="none", kind=list[str]),
    ] = ()
    include_gap_filled: Annotated[
        bool,
        Declared(
            "Use dates whose step from the date before follows from a rule and not from observations, too.",
            Panel.DATES,
        ),
    ] = False
    no_mask: Annotated[
        bool, Declared("Fit all pixels, whatever mask is stored in the result.", Panel.SELECTION)
    ] = False
    uncertainty: Annotated[
        Uncertainty,
        Declared(
            "Standard errors: from the residuals of the fit; from the covariance of the displacements, which "
            "invert --covariance stores; by bootstrap over the dates; or none.",
            Panel.VELOCITY,
        ),
    ] = "residual"
    bootstrap_count: Annotated[
        int,
        Declared(
            "Number of times that dates are drawn.", Panel.VELOCITY, metavar="N", least=2, needs=(_BOOTSTRAP,)
        ),
    ] = 400
    seed: Annotated[
        int,
        Declared(
            "Seed of the random numbers by which dates are drawn.",
            Panel.VELOCITY,
            metavar="S",
            least=0,
            needs=(_BOOTSTRAP,),
        ),
    ] = 0

    def __post_init__(self) -> None:
        """Take dates in any form, and check all values."""
        for name in ("start_date", "end_date"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        object.__setattr__(self, "exclude_dates", read_dates_of("exclude_dates", self.exclude_dates))
        check_fields(self)
        check_needs(vars(self), defaults_of(FitOptions), needs_of(FitOptions))


PARTS_OF_FIT: dict[str, Any] = {"functions": TimeFunctions, "options": FitOptions}


@documented
@dataclass(frozen=True)
class VelocityRun:
    """Specify one fit: which result, where to write, which functions of time.

    ``overwrite``: replace maps that are there.

    Raises
    ------
    OptionError
        A path or a part is none.

    Examples
    --------
    >>> VelocityRun("result.zarr", "velocity.zarr", TimeFunctions(periodic=(1, 0.5))).output.name
    'velocity.zarr'
    """

    result: Annotated[Path, Declared("Result of invert or rereference.", metavar="RESULT", is_argument=True)]
    output: Annotated[Path, Declared("Zarr store to write.", metavar="OUT.zarr", is_argument=True)]
    functions: TimeFunctions = TimeFunctions()  # noqa: RUF009 - frozen
    options: FitOptions = FitOptions()
    overwrite: bool = False

    if TYPE_CHECKING:  # a path may be text; the fields are paths

        def __init__(
            self,
            result: str | Path,
            output: str | Path,
            functions: TimeFunctions = ...,
            options: FitOptions = ...,
            overwrite: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Take paths as text, too."""
        for name in ("result", "output"):
            path: Any = getattr(self, name)
            check_kind(name, path, *PATH)
            check_local(path)
            object.__setattr__(self, name, Path(path))
        check_kind("functions", self.functions, TimeFunctions)
        check_kind("options", self.options, FitOptions)
        check_kind("overwrite", self.overwrite, bool)
