"""Phase [rad], displacement [m] and the wavelengths of radars [m].

The sign convention is MintPy's: line-of-sight displacement is positive towards the satellite, and the
unwrapped phase of the pair (i, j) is phase[j] - phase[i], so that ``displacement = -wavelength / (4 pi) *
phase``.

References
----------
IEEE Std 521-2019, letter designations for radar-frequency bands: imaging radars operate from UHF (P band),
which begins at 300 MHz, to the Ka band, which ends at 40 GHz.
"""

import math

from fringefleet.errors import InputError, OptionError
from fringefleet.option_words import option

SHORTEST_WAVELENGTH, LONGEST_WAVELENGTH = 0.0075, 1.0  # [m]: 40 GHz and 300 MHz, see References
_SPEED_OF_LIGHT = 299_792_458.0  # [m/s]
_HERTZ = {"Hz": 1.0, "MHz": 1e6, "GHz": 1e9}


def metres_per_radian(wavelength: float) -> float:
    """Return the line-of-sight displacement [m] per radian of phase for a radar wavelength [m].

    Examples
    --------
    >>> round(metres_per_radian(0.0555) * 2 * math.pi, 5)  # one fringe away from the satellite
    -0.02775
    """
    return -wavelength / (4 * math.pi)


def check_wavelength(
    wavelength: float,
    name: str,
    *,
    advice: str = "Give it in metres.",
    error: type[InputError] = OptionError,
) -> None:
    """Reject a wavelength [m] that no imaging radar has; most often it is in another unit.

    Parameters
    ----------
    wavelength
        Value given, taken as metres.
    name
        Name of the attribute or argument that it comes from, for the message.
    advice
        Advice at the end of the message.
    error
        Class of the error.

    Raises
    ------
    InputError
        Outside the bands P to Ka, or not a number.

    Examples
    --------
    >>> check_wavelength(0.0555, "wavelength")
    """
    if SHORTEST_WAVELENGTH <= wavelength <= LONGEST_WAVELENGTH:
        return
    number = f"{wavelength:.10g}"
    shown = option(name, number) if name.isidentifier() else f"{name} = {number}"
    raise error(
        f"found {shown}, which is not the wavelength of an imaging radar in metres: "
        "these range from "
        f"{SHORTEST_WAVELENGTH} (Ka band, 40 GHz) to {LONGEST_WAVELENGTH:g} (P band, 300 MHz; IEEE Std 521), "
        f"that of C band is about 0.0555.{_guess(wavelength)} {advice}"
    )


def _guess(wavelength: float) -> str:
    """Return the wavelength that the value would be in other units, or as a frequency."""
    values = {"cm": wavelength * 1e-2, "mm": wavelength * 1e-3}
    if 0 < wavelength < math.inf:
        values |= {unit: _SPEED_OF_LIGHT / wavelength / hertz for unit, hertz in _HERTZ.items()}
    likely = [
        f"{value:.4g} m if that is in {unit}"
        for unit, value in values.items()
        if SHORTEST_WAVELENGTH <= value <= LONGEST_WAVELENGTH
    ]
    return f" It is {', or '.join(likely)}." if likely else ""
