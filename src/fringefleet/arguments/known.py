"""Names by which values are given, of which some may be unknown."""

from collections.abc import Callable, Collection, Iterable
from inspect import signature

from fringefleet.errors import OptionError
from fringefleet.option_words import suggest

_MOST_LISTED = 20  # of so many names all are listed, even beside the nearest one


class UnknownNameError(OptionError):
    """A name is unknown: which, the sentence that says so, and the known names."""

    def __init__(self, text: str = "", name: str = "", found: str = "", names: tuple[str, ...] = ()) -> None:
        """Take the text, and what it was made of."""
        super().__init__(text)
        self.name, self.found, self.names = name, found, names


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
    UnknownNameError
        A name is unknown.

    Examples
    --------
    >>> check_known(["lok"], ["looks", "norm"], lambda name: f"no option {name}.")
    Traceback (most recent call last):
    fringefleet.arguments.known.UnknownNameError: no option lok. Did you mean looks? There are looks, norm.
    """
    for name in given:
        if name not in names:
            hint = suggest(name, names)
            there = "" if hint and len(names) > _MOST_LISTED else f" There are {', '.join(names)}."
            raise UnknownNameError(f"{describe(name)}{hint}{there}", name, describe(name), tuple(names))


def check_all_known(given: Iterable[str], names: Iterable[str], what: str) -> None:
    """Reject unknown names, as :func:`check_known` does, in alphabetical order."""
    check_known(given, sorted(names), lambda name: f"unknown {what} {name!r}.")


def known_keywords(*classes: type) -> list[str]:
    """List the keyword parameters of classes of a library."""
    names = {name for part in classes for name in signature(part).parameters}
    return sorted(names - {"self", "args", "kwargs"})
