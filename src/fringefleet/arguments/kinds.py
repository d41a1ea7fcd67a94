"""Type checks of arguments given from Python, with readable messages."""

from numbers import Integral, Real
from pathlib import Path
from typing import Any

from fringefleet.errors import KindError
from fringefleet.option_words import option

PATH = (str, Path)
_NAMES = {Integral: "a whole number", Real: "a number", Path: "a path", str: "text", bool: "True or False"}


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Reject a value of another type; True and False do not count as numbers.

    Parameters
    ----------
    name
        Name of the argument.
    value
        Its value.
    *kinds
        Types that are accepted.

    Raises
    ------
    KindError
        States what was found, and what is needed.

    Examples
    --------
    >>> check_kind("looks", 9, Integral)
    >>> check_kind("looks", "9", Integral)
    Traceback (most recent call last):
    fringefleet.errors.KindError: found looks = '9' of the type str; give a whole number.
    """
    if (bool in kinds) if is_truth(value) else isinstance(value, kinds):
        return
    wanted = " or ".join(_NAMES.get(kind, f"a {kind.__name__}") for kind in kinds)
    shown = repr(value)
    found = option(name, shown) if len(shown) <= 40 else option(name)
    raise KindError(f"found {found} of the type {type(value).__name__}; give {wanted}.")


def is_truth(value: object) -> bool:
    """Return whether a value is True or False, of Python or of NumPy."""
    return isinstance(value, bool) or (
        getattr(value, "shape", None) == () and str(getattr(value, "dtype", "")) == "bool"
    )


def check_two_numbers(name: str, value: Any, meant: str) -> None:
    """Reject anything other than two whole numbers, such as rows and columns.

    Raises
    ------
    KindError
        States what they stand for.
    """
    is_pair = getattr(value, "shape", (len(value),) if isinstance(value, tuple | list) else ()) == (2,)
    if not is_pair or not all(isinstance(n, Integral) and not is_truth(n) for n in value):
        raise KindError(f"found {option(name, repr(value)[:40])}; give {meant}: two whole numbers.")
