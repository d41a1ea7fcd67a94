"""Checks that a stack does not change during a run: for every tile, and for all files at the end.

Before a run all files of the stack are listed. A tile checks the chunks that it has read, each chunk file
once in a run; readers of single files check these themselves. At the end all files are listed again. A change
is an error, and affected tiles are marked, so that no result of two versions of a stack is taken for a valid
one.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fringefleet.arguments.shapes import Pixel
from fringefleet.engine.context import BlockResult
from fringefleet.errors import StackChangedError, StackFormatError
from fringefleet.execution.tile import Tile
from fringefleet.io.files.listing import Listing, describe_differences, only_touched
from fringefleet.io.files.version import TOUCHED, FilesVersion, accepting_touched
from fringefleet.io.store.origin import differences_now
from fringefleet.io.store.result import ResultStore
from fringefleet.io.zarr.files import ZarrFiles, windows_of_changes


@dataclass(frozen=True)
class StackCheck:
    """Data that a worker needs to check a tile; the listing, which may be long, is stored in the result."""

    files: ZarrFiles
    digest: str  # of the listing
    accept_touched: bool
    corner: Pixel = (0, 0)  # row and column in the stack of the first pixel of the result

    @classmethod
    def of(cls, source: FilesVersion, *, accept_touched: bool, corner: Pixel = (0, 0)) -> "StackCheck":
        """Make the check for workers from the version of a stack."""
        return cls(ZarrFiles(source.path, source.arrays), source.listing.digest, accept_touched, corner)

    def check_tile(self, tile: Tile, store: ResultStore) -> None:
        """Reject a tile that has been read from chunks which differ from the listing.

        Raises
        ------
        RunError
            Names the chunks, and how they differ.
        """
        if self.files.arrays:
            rows, columns = (_moved(part, by) for part, by in zip((tile.y, tile.x), self.corner, strict=True))
            # The chunks at the begin of a part have their first pixel in no tile.
            is_begin = any(
                part.start == 0 < by for part, by in zip((tile.y, tile.x), self.corner, strict=True)
            )
            with accepting_touched(self.accept_touched):
                self.files.check(_listing(store.path, self.digest), (rows, columns), once=not is_begin)


def write_if_unchanged(store: ResultStore, check: StackCheck, tile: Tile, result: BlockResult) -> None:
    """Write a tile if its input is unchanged: missing Zarr chunks would read as no data.

    Raises
    ------
    RunError
        It has changed; nothing is written.
    """
    check.check_tile(tile, store)
    store.write_tile(tile.number, result.variables, result.pair_sums)


@lru_cache(maxsize=4)
def _listing(path: Path, digest: str) -> Listing:
    """Read the listing in a result, once per process."""
    found = ResultStore(path, (1, 1), "").listing()
    if found.digest != digest:  # a network file system may show an old one
        raise StackFormatError(f"the listing of the stack's files in {path} is not that of this run.")
    return found


def check_stack_at_end(
    source: FilesVersion, store: ResultStore, *, accept_touched: bool, corner: Pixel = (0, 0)
) -> None:
    """List the files of a stack again; mark the tiles affected by changes since the first listing.

    Raises
    ------
    StackChangedError
        States what changed, and what to do.
    """
    differences = differences_now(source, accept_touched=accept_touched)
    if not differences:
        return
    windows, is_touched = windows_of_changes(differences, source.arrays, corner), only_touched(differences)
    n_doubted = store.doubt(windows, is_touched=is_touched)
    if is_touched:
        advice = f"{TOUCHED} With --resume all tiles are then kept."
    elif windows is None:
        advice = StackChangedError.to_go_on
    else:
        advice = (
            "To go on with the stack as it is, repeat the command, invert with --resume: they are done again."
        )
    raise StackChangedError(
        f"the stack {source.path} changed during the run: {describe_differences(differences)}. "
        f"{n_doubted} tiles are marked as not done in {store.path}, as they may be from either version. "
        f"{advice}"
    )


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)
