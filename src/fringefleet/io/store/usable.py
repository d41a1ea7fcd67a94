"""Check of an output before any work: whether it may be written, resumed or replaced."""

from pathlib import Path

from fringefleet.choices import Existing
from fringefleet.errors import OutputExistsError
from fringefleet.io.store.lock import check_not_in_use
from fringefleet.io.store.place import check_writable
from fringefleet.io.store.result import check_result_of_ours
from fringefleet.option_words import option


def check_output_usable(output: Path, existing: Existing) -> None:
    """Check that a result can be written to a path.

    Parameters
    ----------
    output
        The result.
    existing
        What to do with one that exists.

    Raises
    ------
    InputError
        One of its subclasses: it cannot be written there, exists and may not be replaced, or is in use.
    """
    check_writable(output)
    if existing == "refuse" and output.exists():
        raise OutputExistsError(
            f"{output} exists; give --resume to finish it, {option('existing', 'overwrite')} to replace it, "
            "or another name."
        )
    if existing == "overwrite" and output.exists():
        check_result_of_ours(output)
    check_not_in_use(output)
