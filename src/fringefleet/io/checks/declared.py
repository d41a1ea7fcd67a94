"""Check of declared sizes against the bytes in a file, before anything is allocated."""

import math
from collections.abc import Sequence
from pathlib import Path

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import is_litter

_MOST_PIXELS = 10_000_000  # rows, or columns
_MOST_PAIRS = 1_000_000
TRUSTED_BYTES = 16 * 1024**3  # declared sizes below need no comparison
MOST_COMPRESSION = 10_000  # ratio to all declared bytes
_MOST_BLOCK = 4 * 1024**3  # [byte]
_MOST_EAGER = 256 * 1024**2  # [byte] of data that are read when a stack is opened: coordinates


def check_declared_scene(sizes: Sequence[int], n_pair: int = 1) -> None:
    """Reject implausible numbers of rows, columns or pairs.

    Raises
    ------
    StackFormatError
        States the numbers.
    """
    if max(sizes) > _MOST_PIXELS or n_pair > _MOST_PAIRS:
        raise StackFormatError(
            f"found {n_pair:,} pairs of {' x '.join(f'{size:,}' for size in sizes)} pixels; at most "
            f"{_MOST_PAIRS:,} pairs of {_MOST_PIXELS:,} rows and columns can be read. The sizes are damaged: "
            "copy or create it again."
        )


def check_declared_bytes(name: str, shape: Sequence[int], itemsize: int, stored: int) -> None:
    """Reject an array that declares far more data than its stored bytes can contain.

    Parameters
    ----------
    name
        Name of the array, for the message.
    shape, itemsize
        Declared shape, and bytes per value.
    stored
        Bytes on disk.

    Raises
    ------
    StackFormatError
        States what is declared and what is stored.
    """
    declared = math.prod(shape) * itemsize
    if declared > TRUSTED_BYTES and declared > MOST_COMPRESSION * stored:
        raise StackFormatError(
            f"{name} declares {' x '.join(f'{size:,}' for size in shape)} numbers, {declared:,} bytes, but "
            f"{stored:,} bytes are stored. Its header is damaged, or its data are missing: copy or create it "
            "again."
        )


def check_block(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Reject a chunk, which is read as a whole, that is too large for memory.

    Raises
    ------
    StackFormatError
        States its size.
    """
    if (n_byte := math.prod(shape) * itemsize) > _MOST_BLOCK:
        raise StackFormatError(
            f"found chunks of {n_byte:,} bytes in {name}, which are read as a whole; at most {_MOST_BLOCK:,} "
            "are possible. Write it in smaller chunks."
        )


def check_read_whole(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Reject an array to be read as a whole when a stack is opened, if it is implausibly large.

    Raises
    ------
    StackFormatError
        States its size.
    """
    if (declared := math.prod(shape) * itemsize) > _MOST_EAGER:
        raise StackFormatError(
            f"found {' x '.join(f'{size:,}' for size in shape)} values, {declared:,} bytes, in {name}; at "
            f"most {_MOST_EAGER:,} bytes are read of it. Its header is damaged: copy or create it again."
        )


def bytes_below(folder: Path, enough: int) -> int:
    """Add up the sizes of the files below a folder, until they suffice."""
    total = 0
    for path in folder.rglob("*"):
        if not is_litter(path.name) and path.is_file():
            total += path.stat().st_size
        if total >= enough:
            break
    return total
