"""Report of all errors of a command line at once."""

from collections.abc import Callable, Sequence
from typing import Any

from fringefleet.errors import OptionError


class SeveralOptionsError(OptionError):
    """Several options of a command line are invalid."""

    def __init__(self, text: str = "", errors: Sequence[OptionError] = ()) -> None:
        """Take the text, and the errors that it was made from."""
        super().__init__(text)
        self.errors = tuple(errors)


def together(*makers: Callable[[], Any]) -> list[Any]:
    """Call several functions; if any fail, report the errors of all of them.

    Raises
    ------
    OptionError
        The error of the only one that failed, or a :class:`SeveralOptionsError`.

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
        except SeveralOptionsError as error:
            errors += error.errors
        except OptionError as error:
            errors.append(error)
    different = list({error.marked: error for error in errors}.values())
    if len(different) > 1:
        numbered = (f"({number}) {error.marked}" for number, error in enumerate(different, start=1))
        raise SeveralOptionsError(" ".join(numbered), different)
    if errors:
        raise errors[0]
    return made
