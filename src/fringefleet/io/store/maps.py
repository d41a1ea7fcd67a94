"""A store of maps that many tasks write at once, and that gets its name when it is complete.

It is made in a hidden folder beside its place, as maps are small and soon made again: what was killed leaves
nothing under the name, and the next run begins anew, with the same bytes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import TileIndex
from fringefleet.io.files.threads import each
from fringefleet.io.store.conventions import with_conventions
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.store.durable import sync_tree
from fringefleet.io.store.marks import files_in
from fringefleet.io.store.result import encoding_of, in_one_chunk
from fringefleet.io.store.staging import consolidate_metadata, staged_store
from fringefleet.io.zarr.chunk_files import ChunkFiles

_TITLE = "Functions of time fitted to displacement time series"


@contextmanager
def staged_maps(template: xr.Dataset, output: Path, *, overwrite: bool) -> Iterator[Path]:
    """Make a store without numbers under a temporary path; it takes its place when all went well.

    Parameters
    ----------
    template
        Its variables, coordinates and attributes; their chunks become the chunks of the store.
    output
        The store.
    overwrite
        Whether a Zarr store that is there is replaced.

    Raises
    ------
    OutputExistsError
        Something is there and may not, or can not, be overwritten.
    """
    with (
        translate_disk_full(output, lambda: template.nbytes),
        staged_store(output, overwrite=overwrite) as temporary,
    ):
        with_conventions(in_one_chunk(template), _TITLE).to_zarr(
            temporary, compute=False, zarr_format=3, consolidated=False, encoding=encoding_of(template)
        )
        yield temporary
        consolidate_metadata(temporary)
        sync_tree(temporary)


def write_maps(store: Path, index: TileIndex, maps: Mapping[str, NDArray[Any]]) -> None:
    """Write the maps of a tile, which are whole chunks.

    Parameters
    ----------
    store
        Made by :func:`staged_maps`.
    index
        Of the tile.
    maps
        Arrays (y, x) by name.
    """
    files = _files_of(store, tuple(maps))
    each(lambda name: files[name].write(index, maps[name]), maps)


@lru_cache(maxsize=4)
def _files_of(store: Path, names: tuple[str, ...]) -> dict[str, ChunkFiles]:
    """Look the files of a store up, once in a process: another store has another temporary path."""
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    return {name: files_in(group, name) for name in names}
