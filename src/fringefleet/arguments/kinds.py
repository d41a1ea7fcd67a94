"""Type checks of arguments given from Python, with readable messages."""

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from fringefleet.errors import KindError
from fringefleet.option_words import option

PATH = (str, Path)
_NAMES: dict[type, str] = {Integral: "a whole number", Real: "a number", Path: "a path", str: "text"}
_NAMES |= {bool: "True or False", int: "a whole number", float: "a number", type(None): "None"}
_NAMES |= {Mapping: "a dictionary", list: "a list", tuple: "a tuple"}


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
    wanted = " or ".join(dict.fromkeys(_named(kind) for kind in kinds if kind is not type(None)))
    shown = repr(value)
    found = option(name, shown) if len(shown) <= 40 else option(name)
    raise KindError(f"found {found} of the type {type(value).__name__}; give {wanted}.")


def _named(kind: type) -> str:
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    return _NAMES.get(kind, f"{article} {kind.__name__}")


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


def check_numbers(name: str, value: Any, n: int, meant: str) -> None:
    """Refuse what is no tuple or list of so many finite numbers.

    Raises
    ------
    KindError
        Says what they are.
    """
    is_long_enough = isinstance(value, tuple | list) and len(value) == n
    if not is_long_enough or not all(
        isinstance(number, Real) and not is_truth(number) and isfinite(number) for number in value
    ):
        raise KindError(f"found {option(name, repr(value)[:40])}; give {meant}: {n} numbers.")
