"""Several things that are wrong with a command line, said at once."""

from collections.abc import Callable, Sequence
from typing import Any

from fringefleet.errors import OptionError


class SeveralErrors(OptionError):
    """More than one option cannot be meant so."""

    def __init__(self, text: str = "", errors: Sequence[OptionError] = ()) -> None:
        """Take the text, and what it was made of."""
        super().__init__(text)
        self.errors = tuple(errors)


def together(*makers: Callable[[], Any]) -> list[Any]:
    """Make several things; if some of them cannot be made, say of all of them why not.

    Raises
    ------
    OptionError
        What one of them raised, or what all of them did.

    Examples
    --------
    >>> together(lambda: 1, lambda: "two")
    [1, 'two']
    """
    made: list[Any] = []
    errors: list[OptionError] = []
    for make in makers:
        try:
            made.append(make())
        except SeveralErrors as error:
            errors += error.errors
        except OptionError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        numbered = (f"({number}) {error.marked}" for number, error in enumerate(errors, start=1))
        raise SeveralErrors(" ".join(numbered), errors)
    return made
