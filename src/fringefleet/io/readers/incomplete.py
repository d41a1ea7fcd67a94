"""Pairs that lack a file: rejected by name, or omitted on request."""

import logging
from collections.abc import Sequence

from fringefleet.errors import StackFormatError
from fringefleet.network.network import shorten

logger = logging.getLogger(__name__)


def check_complete(
    lacking: Sequence[str], n_pair: int, what: str, *, drop_incomplete: bool, are_folders: bool = False
) -> None:
    """Reject pairs that lack a file, or log that they are omitted.

    Parameters
    ----------
    lacking
        Names of the pairs; empty if there are none.
    n_pair
        Total number of pairs.
    what
        Description of the missing file.
    drop_incomplete
        Whether such pairs are to be omitted.
    are_folders
        Whether they are folders of pairs without any data, for the message.

    Raises
    ------
    StackFormatError
        Some pairs lack it and are not to be omitted, or all lack it.
    """
    if not lacking:
        return
    places = f"in {len(lacking)} folders of pairs" if are_folders else f"for {len(lacking)} of {n_pair} pairs"
    found = f"found no {what} {places}: {shorten(lacking)}"
    if not drop_incomplete:
        raise StackFormatError(
            f"{found}. Create or fetch the missing files, move these pairs elsewhere, or omit them: "
            "--drop-incomplete."
        )
    if len(lacking) >= n_pair:
        raise StackFormatError(f"{found}; none is left. Create or fetch the missing files.")
    logger.warning("%s; they are omitted", found)
