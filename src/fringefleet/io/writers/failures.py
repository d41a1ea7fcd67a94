"""Failures of writing files for other programs, as errors that state what is kept and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fringefleet.errors import InputError, ProductsNotWrittenError

REMEDY = "Remove the cause and repeat the command."


@contextmanager
def failures_explained(directory: Path, to_go_on: str) -> Iterator[None]:
    """Translate errors of the system or of HDF5 into ours.

    Parameters
    ----------
    directory
        Folder that files are written to.
    to_go_on
        What is kept, and advice to the user, as a sentence.

    Raises
    ------
    ProductsNotWrittenError
        States why they could not be written.
    """
    try:
        yield
    except InputError:  # some are errors of the system, too
        raise
    except (OSError, RuntimeError) as error:  # h5py raises both
        reason = str(error).replace("\n", " ")
        raise ProductsNotWrittenError(
            f"the products could not be written to {directory.absolute()} ({reason}); existing ones "
            f"are intact. {to_go_on}"
        ) from error
