"""Pairs that lack a file: refused by name, or left out where the user said so."""

import logging
from collections.abc import Sequence

from fringefleet.errors import StackFormatError
from fringefleet.network.network import shorten

logger = logging.getLogger(__name__)


def check_complete(
    lacking: Sequence[str], n_pair: int, what: str, *, drop_incomplete: bool, are_folders: bool = False
) -> None:
    """Refuse pairs that lack a file, or say that they are left out.

    Parameters
    ----------
    lacking
        Their names; none is fine.
    n_pair
        How many pairs there are in all.
    what
        What they lack.
    drop_incomplete
        Whether the user said that such pairs be left out.
    are_folders
        Whether they are folders of pairs without anything to read, for the message.

    Raises
    ------
    StackFormatError
        Some lack it and are not to be left out, or all do.
    """
    if not lacking:
        return
    places = f"in {len(lacking)} folders of pairs" if are_folders else f"for {len(lacking)} of {n_pair} pairs"
    found = f"found no {what} {places}: {shorten(lacking)}"
    if not drop_incomplete:
        raise StackFormatError(
            f"{found}. Make or fetch the missing files, move these pairs elsewhere, or leave them out: "
            "--drop-incomplete."
        )
    if len(lacking) >= n_pair:
        raise StackFormatError(f"{found}; none is left. Make or fetch the missing files.")
    logger.warning("%s; they are left out", found)
