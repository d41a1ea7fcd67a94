"""Names by which values are given, of which some may be unknown."""

from collections.abc import Callable, Collection, Iterable

from fringefleet.errors import OptionError
from fringefleet.option_words import suggest


def check_known(given: Iterable[str], names: Collection[str], describe: Callable[[str], str]) -> None:
    """Reject an unknown name, and suggest the nearest known one.

    Parameters
    ----------
    given
        Names that were given.
    names
        Known names, in the order in which they are listed.
    describe
        Function that says in a sentence what was found.

    Raises
    ------
    OptionError
        A name is unknown.

    Examples
    --------
    >>> check_known(["lok"], ["looks", "norm"], lambda name: f"unknown option {name}.")
    Traceback (most recent call last):
    fringefleet.errors.OptionError: unknown option lok. Did you mean looks? There are looks, norm.
    """
    for name in given:
        if name not in names:
            raise OptionError(f"{describe(name)}{suggest(name, names)} There are {', '.join(names)}.")
