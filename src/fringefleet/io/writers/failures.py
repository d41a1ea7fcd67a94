"""Failures of writing files for other programs, as an error that says what is kept and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fringefleet.errors import ProductsNotWrittenError


@contextmanager
def failures_explained(directory: Path, to_go_on: str) -> Iterator[None]:
    """Turn what the system or HDF5 raises into an error of ours.

    Parameters
    ----------
    directory
        Where files are written.
    to_go_on
        What is kept, and what the user has to do, as a sentence.

    Raises
    ------
    ProductsNotWrittenError
        Says why they could not be written.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises both
        reason = str(error).replace("\n", " ")
        raise ProductsNotWrittenError(
            f"the products could not be written to {directory.absolute()} ({reason}); those that were there "
            f"are whole. {to_go_on}"
        ) from error
