"""Sizes that a file declares, held against the bytes that it has: nothing is allocated for a bare promise."""

import math
from collections.abc import Sequence
from pathlib import Path

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import is_litter

_MOST_PIXELS = 10_000_000  # rows, or columns
_MOST_PAIRS = 1_000_000
TRUSTED_BYTES = 16 * 1024**3  # what is declared below that needs no comparison
MOST_COMPRESSION = 10_000  # times, of all that is declared
_MOST_BLOCK = 4 * 1024**3  # [byte]
_MOST_EAGER = 256 * 1024**2  # [byte] of what is read when a stack is opened: coordinates


def check_declared_scene(sizes: Sequence[int], n_pair: int = 1) -> None:
    """Refuse rows and columns, or pairs, that no scene has.

    Raises
    ------
    StackFormatError
        Says how many there are.
    """
    if max(sizes) > _MOST_PIXELS or n_pair > _MOST_PAIRS:
        raise StackFormatError(
            f"found {n_pair:,} pairs of {' x '.join(f'{size:,}' for size in sizes)} pixels; at most "
            f"{_MOST_PAIRS:,} pairs of {_MOST_PIXELS:,} rows and columns can be read. The sizes are damaged: "
            "copy or make it again."
        )


def check_declared_bytes(name: str, shape: Sequence[int], itemsize: int, stored: int) -> None:
    """Refuse an array that declares far more than can be in the bytes that are stored of it.

    Parameters
    ----------
    name
        Of the array, for the message.
    shape, itemsize
        What it declares, and the bytes of a number.
    stored
        Bytes on disk.

    Raises
    ------
    StackFormatError
        Says what is declared and what is there.
    """
    declared = math.prod(shape) * itemsize
    if declared > TRUSTED_BYTES and declared > MOST_COMPRESSION * stored:
        raise StackFormatError(
            f"{name} declares {' x '.join(f'{size:,}' for size in shape)} numbers, {declared:,} bytes, and "
            f"{stored:,} bytes are stored. Its header is damaged, or its data are not there: copy or make it "
            "again."
        )


def check_block(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Refuse what is stored as one piece, and so is read as one, if no memory would hold it.

    Raises
    ------
    StackFormatError
        Says how large it is.
    """
    if (n_byte := math.prod(shape) * itemsize) > _MOST_BLOCK:
        raise StackFormatError(
            f"found chunks of {n_byte:,} bytes in {name}, which are read as a whole; at most {_MOST_BLOCK:,} "
            "are possible. Write it in smaller chunks."
        )


def check_read_whole(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Refuse an array, to be read as a whole when a stack is opened, that is larger than any such array.

    Raises
    ------
    StackFormatError
        Says how large it is.
    """
    if (declared := math.prod(shape) * itemsize) > _MOST_EAGER:
        raise StackFormatError(
            f"found {' x '.join(f'{size:,}' for size in shape)} values, {declared:,} bytes, in {name}; at "
            f"most {_MOST_EAGER:,} bytes are read of it. Its header is damaged: copy or make it again."
        )


def bytes_below(folder: Path, enough: int) -> int:
    """Add up the sizes of the files below a folder, until they are enough."""
    total = 0
    for path in folder.rglob("*"):
        if not is_litter(path.name) and path.is_file():
            total += path.stat().st_size
        if total >= enough:
            break
    return total
