"""Messages in place of the exceptions that libraries raise on a damaged or malicious input."""

from collections.abc import Iterator
from contextlib import contextmanager

from fringefleet.errors import FringefleetError, InputError, StackFormatError

_MOST_CHARACTERS = 300  # of what a library says


@contextmanager
def readable(what: str, kind: type[InputError] = StackFormatError) -> Iterator[None]:
    """Turn whatever goes wrong inside into one message; ours pass as they are.

    Parameters
    ----------
    what
        The input, as a noun with its path: ``the result /data/out.zarr``.
    kind
        Class of the error.

    Raises
    ------
    InputError
        Of the class ``kind``.
    """
    try:
        yield
    except (FringefleetError, Warning):  # warnings are exceptions only where somebody asks for that
        raise
    except MemoryError as error:
        raise kind(
            f"{what} asks for more memory than there is{_said(error)}. It may be damaged; copy or make it "
            "again."
        ) from error
    except Exception as error:
        raise kind(
            f"{what} cannot be read{_said(error)}. It may be damaged, or still be written; copy or make it "
            "again."
        ) from error


def _said(error: Exception) -> str:
    """Quote an exception in one line: the words of the system alone, of all others the class, too."""
    text = " ".join(str(error).split())
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} ..."
    if isinstance(error, OSError) and text:
        return f" ({text})"
    return f" ({type(error).__name__}{f': {text}' if text else ''})"
