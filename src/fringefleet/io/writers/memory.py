"""Memory model of an export: the process, tiles in it, and what a format needs besides; an upper bound."""

from collections.abc import Iterable, Sequence

from fringefleet.io.stack import largest_chunk
from fringefleet.io.writers.selected import Selected

_MIB = 1024**2
_PROCESS = 160 * _MIB  # that has imported everything but what a format needs
_IN_USE = 56 * _MIB  # what decoding and malloc keep, however small the tiles are
_COPIES = 4  # of a tile: as decoded, with its mask and unit, in the order of the file, packed


def bytes_of_export(
    selected: Selected, files: Iterable[Sequence[str]], *, whole_series: bool = False, beside: int = 0
) -> int:
    """Return the memory that an export takes at most [byte].

    Parameters
    ----------
    selected
        What is written.
    files
        Variables of each file; those of one are in memory together.
    whole_series
        Whether a tile has all dates, however they are stored.
    beside
        What the format needs besides [byte].
    """
    tile = max(selected.tiles(names, whole_series=whole_series).n_byte for names in files)
    chunk = largest_chunk(selected.result[list(selected.names)])
    return _PROCESS + _IN_USE + _COPIES * max(tile, chunk) + beside
