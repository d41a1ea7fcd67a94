"""Settings of a scene: facts that the inversion needs and the stack does not contain. Light to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented, needs_of
from fringefleet.arguments.kinds import PATH, check_kind, check_numbers, check_two_numbers
from fringefleet.arguments.needs import check_needs, defaults_of, only_with
from fringefleet.choices import ReferenceChoice
from fringefleet.errors import OptionError
from fringefleet.observation.units import check_wavelength
from fringefleet.option_words import option
from fringefleet.options import OF_PHASE, Options

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_NOT_SKIPPED = only_with("skip_reference", False)


@documented
@dataclass(frozen=True)
class Setting:
    """Facts about the scene that are missing from the stack, or wrong in it.

    A map is a file, or an array (y, x): a water mask, nonzero where pixels are inverted, or for the geometry
    the slant range times the sine of the incidence angle [m].

    Raises
    ------
    OptionError
        A value is invalid, or has no effect in combination with the others.

    Examples
    --------
    >>> Setting(reference_point=(120, 80), wavelength=0.0555).reference_point
    (120, 80)
    """

    reference_point: Annotated[
        tuple[int, int] | None,
        Declared(
            "Row and column of the reference pixel, whose displacement is zero.",
            Panel.SCENE,
            metavar="Y X",
            default="as in the stack",
            needs=(_NOT_SKIPPED,),
        ),
    ] = None
    reference: Annotated[
        ReferenceChoice,
        Declared(
            "stack: the reference pixel that the stack or an option names; auto: the centre of the largest "
            "connected area of high mean coherence.",
            Panel.SCENE,
            needs=(_NOT_SKIPPED,),
        ),
    ] = "stack"
    reference_lalo: Annotated[
        tuple[float, float] | None,
        Declared(
            "Latitude and longitude of the reference pixel, in degrees on WGS 84.",
            Panel.SCENE,
            metavar="LAT LON",
            unit="degree",
            default="as in the stack",
            needs=(_NOT_SKIPPED,),
        ),
    ] = None
    reference_window: Annotated[
        int,
        Declared(
            "Take the mean of the valid phases of a pair in a square of so many rows and columns around the "
            "reference pixel, an odd number; with more than 1 that pixel is inverted as all others.",
            Panel.SCENE,
            metavar="N",
            unit="pixels",
            least=1,
            needs=(_NOT_SKIPPED,),
        ),
    ] = 1
    reference_date: Annotated[
        str | None,
        Declared(
            "Date at which the displacement is zero; with its time, YYYYMMDDTHHMMSS, if a day has several.",
            Panel.SCENE,
            metavar="YYYYMMDD",
            default="the first",
        ),
    ] = None
    water_mask: Annotated[
        "Path | str | NDArray[Any] | xr.DataArray | None",
        Declared(
            "Invert only pixels that are not zero in this map, such as MintPy's waterMask.h5; 'no' for none, "
            "whatever the template says.",
            Panel.SCENE,
            metavar="FILE",
            default="none",
            kind=str,
        ),
    ] = None
    average_coherence: Annotated[
        Path | str | None,
        Declared(
            "Invert only pixels that are not zero in MintPy's avgSpatialCoh.h5 (avgSpatialSNR.h5 for "
            "offsets).",
            Panel.SCENE,
            metavar="FILE",
            default="none",
            kind=Path,
        ),
    ] = None
    wavelength: Annotated[
        float | None,
        Declared(
            "Radar wavelength.",
            Panel.SCENE,
            metavar="METRES",
            unit="m",
            default="as in the stack",
            needs=(OF_PHASE,),
        ),
    ] = None
    looks: Annotated[
        int | None,
        Declared(
            "Number of independent looks of the coherence.",
            Panel.SCENE,
            metavar="L",
            default="as in the stack",
            least=1,
            needs=(OF_PHASE, only_with("weight_func", "var", "fim")),
        ),
    ] = None
    geometry: Annotated[
        "Path | str | NDArray[Any] | xr.DataArray | None",
        Declared(
            "MintPy's geometryRadar.h5 or geometryGeo.h5, for the DEM error.",
            Panel.ADDITIONAL,
            metavar="FILE",
            kind=Path,
            default="the scene centre, from the attributes",
            needs=(only_with("dem_error", True),),
        ),
    ] = None
    skip_reference: Annotated[
        bool, Declared("Take the phases as they are: they are relative to a point already.", Panel.SCENE)
    ] = False
    drop_unreferenced: Annotated[
        bool,
        Declared("Omit pairs that have no data at the reference point.", Panel.SCENE, needs=(_NOT_SKIPPED,)),
    ] = False

    def __post_init__(self) -> None:
        """Check every value, and the combination of all."""
        check_fields(self)
        for name in ("water_mask", "geometry"):
            value = getattr(self, name)
            if value is not None and not hasattr(value, "__array__"):
                check_kind(name, value, *PATH)
        if self.reference_point is not None:
            check_two_numbers("reference_point", self.reference_point, "row and column")
        if self.wavelength is not None:
            check_wavelength(self.wavelength, "wavelength")
        self._check_reference()
        needs = [need for need in needs_of(Setting) if need.other in vars(self)]
        check_needs(vars(self), defaults_of(Setting), needs)

    def _check_reference(self) -> None:
        if self.reference_lalo is not None:
            check_numbers("reference_lalo", self.reference_lalo, 2, "latitude and longitude in degrees")
            if not abs(self.reference_lalo[0]) <= 90:
                raise OptionError(
                    f"found {option('reference_lalo', tuple(self.reference_lalo))}; give the latitude, at "
                    "most 90, and then the longitude."
                )
        given = [name for name in ("reference_point", "reference_lalo") if getattr(self, name) is not None]
        named = [*map(option, given), *[option("reference", "auto")] * (self.reference == "auto")]
        if len(named) > 1:
            raise OptionError(f"found both {' and '.join(named)}; give one of them.")
        if self.reference_window % 2 == 0:
            raise OptionError(
                f"found {option('reference_window', self.reference_window)}; give an odd number, so that the "
                "reference pixel is in the middle."
            )


def check_setting(setting: Setting, options: Options) -> None:
    """Reject settings without effect on an inversion with these options.

    Raises
    ------
    OptionError
        States what each needs.
    """
    check_needs(vars(options) | vars(setting), defaults_of(Setting), needs_of(Setting))
