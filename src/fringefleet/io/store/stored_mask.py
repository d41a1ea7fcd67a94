"""Mask of a result: a map in its store that says which pixels are kept, for all that reads the result.

It belongs to the tiles as they were when it was made, which it notes: where tiles are computed again, a run
that is resumed removes it, and whoever reads a result refuses one of other tiles.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError
from fringefleet.io.store.marks import DONE, N_BYTE
from fringefleet.io.store.open_result import open_result_group
from fringefleet.io.store.owned import owned_folder
from fringefleet.io.store.staging import consolidate_metadata
from fringefleet.io.zarr.arrays import array_in

logger = logging.getLogger(__name__)

MASK = "mask"
RULE, _OF_TILES = "rule", "of_tiles"  # attributes: the expression; digest of the tiles that it was made of
_ATTRIBUTES: dict[str, Any] = {
    "long_name": "whether a pixel is kept",
    "flag_values": [0, 1],
    "flag_meanings": "left_out kept",
}


def where_kept(data: xr.DataArray, result: xr.Dataset) -> xr.DataArray:
    """Take the values of pixels that the mask of a result leaves out; all stay where it has no mask."""
    return data.where(result[MASK] == 1) if MASK in result else data


def check_mask_current(path: Path) -> None:
    """Refuse a result whose mask was made of other tiles than it has now.

    Raises
    ------
    InputError
        Says what to do.
    """
    group = open_result_group(path)
    if MASK in group and array_in(group, MASK).attrs.get(_OF_TILES) != digest_of_tiles(path):
        raise InputError(
            f"the mask of {path} was made before some of its tiles were computed again. Repeat `fringefleet "
            "mask`, or remove it with `fringefleet mask --remove`."
        )


def digest_of_tiles(path: Path) -> str:
    """Digest of which tiles are done, and of the bytes that they have."""
    group = open_result_group(path)
    found = hashlib.sha256()
    for name in (DONE, N_BYTE):
        if name in group:
            found.update(np.asarray(array_in(group, name)[:]).tobytes())
    return found.hexdigest()[:16]


@contextmanager
def replaced_mask(path: Path, shape: Shape, tile: Shape, rule: str) -> Iterator["zarr.Array[Any]"]:
    """Give an array to write a mask to, 1 where a pixel is kept; it takes its place when it is complete.

    Parameters
    ----------
    path
        The result; nobody else writes to it.
    shape, tile
        Rows and columns of it, and of its tiles.
    rule
        The expression that the mask follows.
    """
    attributes = _ATTRIBUTES | {RULE: rule, _OF_TILES: digest_of_tiles(path)}
    with owned_folder(path.parent) as folder:
        array = zarr.create_array(
            folder / MASK,
            shape=shape,
            chunks=tile,
            dtype="u1",
            fill_value=0,
            dimension_names=("y", "x"),
            attributes=attributes,
        )
        yield array
        _move_away(path, folder)
        (folder / MASK).rename(path / MASK)
        consolidate_metadata(path)


def remove_mask(path: Path) -> bool:
    """Remove the mask of a result; returns whether there was one."""
    if not (path / MASK).is_dir():
        return False
    with owned_folder(path.parent) as folder:
        _move_away(path, folder)
        consolidate_metadata(path)
    return True


def forget_mask(path: Path) -> None:
    """Remove the mask of a result of which tiles are computed again, and say so."""
    if remove_mask(path):
        logger.warning(
            "%s: its mask is removed, as tiles are computed again; repeat `fringefleet mask`", path
        )


def _move_away(path: Path, folder: Path) -> None:
    if (path / MASK).exists():
        (path / MASK).rename(folder / f"{MASK}.old")  # removed with the folder
