"""Type checks of arguments given from Python, with readable messages."""

from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from fringefleet.errors import KindError
from fringefleet.option_words import option

PATH = (str, Path)
TRUTH = (bool, np.bool_)
NAMES = {Integral: "a whole number", Real: "a number", Path: "a path", str: "text", bool: "True or False"}
_LEFT_OUT = {np.bool_}  # goes without saying


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Refuse a value of another kind; True and False are no numbers.

    Parameters
    ----------
    name
        Of the argument.
    value
        Its value.
    *kinds
        What it may be.

    Raises
    ------
    KindError
        Says what was found, and what is needed.

    Examples
    --------
    >>> check_kind("looks", 9, Integral)
    >>> check_kind("looks", "9", Integral)
    Traceback (most recent call last):
    fringefleet.errors.KindError: found looks = '9' of the type str; give a whole number.
    """
    if isinstance(value, kinds) and (not isinstance(value, TRUTH) or bool in kinds):
        return
    wanted = " or ".join(NAMES.get(kind, f"a {kind.__name__}") for kind in kinds if kind not in _LEFT_OUT)
    shown = repr(value)
    found = option(name, shown) if len(shown) <= 40 else option(name)
    raise KindError(f"found {found} of the type {type(value).__name__}; give {wanted}.")


def check_kinds(values: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Refuse the first value of another kind than the one under its name; None says nothing.

    Raises
    ------
    KindError
        As :func:`check_kind`.
    """
    for name, of_name in kinds.items():
        if values[name] is not None:
            check_kind(name, values[name], *of_name)


def check_two_numbers(name: str, value: Any, meant: str) -> None:
    """Refuse what is no two whole numbers, such as rows and columns.

    Raises
    ------
    KindError
        Says what they are.
    """
    is_pair = isinstance(value, tuple | list | np.ndarray) and np.shape(value) == (2,)
    if not is_pair or not all(isinstance(n, Integral) and not isinstance(n, TRUTH) for n in value):
        raise KindError(f"found {option(name, repr(value)[:40])}; give {meant}: two whole numbers.")
