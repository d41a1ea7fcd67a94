"""Translation of library exceptions on damaged or malicious input into one message."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENAMETOOLONG
from pathlib import Path

from fringefleet.errors import FringefleetError, InputError, StackFormatError

_MOST_CHARACTERS = 300  # of a library's message


@contextmanager
def readable(what: str, kind: type[InputError] = StackFormatError) -> Iterator[None]:
    """Translate any error inside into one message; our own errors pass unchanged.

    Parameters
    ----------
    what
        Input, as a noun with its path: ``the result /data/out.zarr``.
    kind
        Class of the error.

    Raises
    ------
    InputError
        Of the class ``kind``.
    """
    try:
        yield
    except (FringefleetError, Warning):  # warnings are exceptions only if the program requests that
        raise
    except MemoryError as error:
        raise kind(
            f"{what} requires more memory than available{_quoted(error)}. It may be damaged; copy or create "
            "it "
            "again."
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == ENAMETOOLONG:
            name = Path(str(error.filename)).name
            raise kind(
                f"found a name of {len(name)} characters, {name[:20]}...; the file system takes fewer. Give "
                "a shorter one."
            ) from error
        raise kind(
            f"{what} cannot be read{_quoted(error)}. It may be damaged, or still being written; copy or "
            "create it "
            "again."
        ) from error


def _quoted(error: Exception) -> str:
    """Quote an exception in one line: the words of the system alone, of all others the class, too."""
    text = " ".join(str(error).split())
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} ..."
    if isinstance(error, OSError) and text:
        return f" ({text})"
    return f" ({type(error).__name__}{f': {text}' if text else ''})"
