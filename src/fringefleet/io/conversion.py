"""Conversion of a stack in progress: a hidden folder next to the output, which another process can continue.

It contains the store being written and, next to that, the marks of its tiles and its origin
(:mod:`fringefleet.io.store.origin`), so that an interrupted conversion yields the same store as an
uninterrupted one. Damage to finished tiles by a power failure is detected by the sizes of their files.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from fringefleet.arguments.paths import make_folder, real_path
from fringefleet.arguments.shapes import Shape
from fringefleet.errors import OptionError, OutputExistsError, StackChangedError
from fringefleet.io.checks.door import readable
from fringefleet.io.copying import TileFiles, gridded
from fringefleet.io.files.listing import Listing, describe_differences
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.placeholders import placeholder
from fringefleet.io.store.marks import DONE, IS_DONE, create_marks, find_damaged, read_marks
from fringefleet.io.store.origin import (
    DIGESTS,
    PLACE,
    Origin,
    SourceChange,
    check_same_origin,
    differences_now,
    write_listing,
    write_origin,
)
from fringefleet.io.store.owned import owned_folder
from fringefleet.io.store.staging import check_replaceable, consolidate_metadata, staged_store
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.complete import all_chunks_written, is_made_from, note_all_chunks
from fringefleet.option_words import option
from fringefleet.processes.dask_defaults import with_graph_defaults

logger = logging.getLogger(__name__)

_METADATA = "zarr.json"
_REPLACES = "replaces"  # attribute: whether an existing output is to be replaced


@dataclass(frozen=True)
class Conversion:
    """Stack and the output that it is converted to.

    ``version``: of the files of the stack, if it has any. ``accept_touched``: whether files that differ only
    in their modification time count as unchanged. ``is_whole``: whether the pixels of the stack are those of
    its files, and not a part of them.
    """

    stack: xr.Dataset
    output: Path
    version: FilesVersion | None
    accept_touched: bool
    is_whole: bool

    @classmethod
    def of(cls, stack: xr.Dataset, output: Path, *, accept_touched: bool, is_whole: bool) -> "Conversion":
        """Describe the conversion of a stack, without reading or writing anything."""
        return cls(stack, real_path(output), stack.encoding.get("version"), accept_touched, is_whole)

    @property
    def folder(self) -> Path:
        """Folder of the conversion until it is complete."""
        return self.output.with_name(f".{self.output.name}.partial")

    @property
    def store(self) -> Path:
        """Store being written."""
        return self.folder / "stack"

    def is_there(self) -> bool:
        """Return whether the conversion was started."""
        return (self.folder / _METADATA).is_file() and (self.store / _METADATA).is_file()

    def tile(self) -> Shape | None:
        """Rows and columns of a chunk of the started or finished conversion; None if there is none."""
        there = self.store if self.is_there() else self.output
        if not (there / _METADATA).is_file():
            return None
        with readable(f"the store {there}", OutputExistsError):
            array = zarr.open_group(there, mode="r").get(gridded(self.stack)[0])
            return (array.chunks[-2], array.chunks[-1]) if isinstance(array, zarr.Array) else None

    def was_finished(self, tile: Shape) -> bool:
        """Return whether the output exists, complete and made from the same stack.

        Raises
        ------
        OptionError
            The stack does not state which files it is read from.
        """
        if self.version is None:
            raise OptionError(
                f"found {option('resume', True)} with a stack in memory; only a stack returned by "
                "open_stack, or a "
                "path, states which files it is read from."
            )
        wanted = self._digests(tile)
        if self.accept_touched:
            del wanted["files_with_times"]
        return not self.is_there() and is_made_from(self.output, wanted)

    @contextmanager
    def opened(self, tile: Shape, *, resume: bool, overwrite: bool) -> Iterator[zarr.Group]:
        """Start or continue, and yield the group of the marks; finished tiles are kept if an error occurs.

        Parameters
        ----------
        tile
            Rows and columns of a chunk.
        resume
            Continue an existing conversion, if there is one.
        overwrite
            Whether an existing output will be replaced.

        Raises
        ------
        OutputExistsError
            The existing conversion was started with another stack or other options.
        """
        if resume and self.is_there():
            self._go_on(tile)
        else:
            self._begin(tile, overwrite)
        group = zarr.open_group(self.folder, mode="r+")
        try:
            with all_chunks_written():
                yield group
        except BaseException:
            if (read_marks(group) == IS_DONE).any():
                logger.warning("converted tiles are kept in %s; continue with --resume", self.folder)
            else:
                self._remove()
            raise

    def finish(self, tile: Shape) -> None:
        """Rename the complete store to the output.

        Raises
        ------
        StackChangedError
            The stack changed meanwhile; nothing is kept.
        RunError
            A chunk is missing.
        """
        self._check_unchanged()
        replaces = bool(zarr.open_group(self.folder, mode="r").attrs.get(_REPLACES))
        note_all_chunks(self.store, None if self.version is None else self._digests(tile))
        consolidate_metadata(self.store)
        check_replaceable(self.output, overwrite=replaces)
        with staged_store(self.output, overwrite=replaces) as temporary:
            self.store.rename(temporary)
        self._remove()

    def _check_unchanged(self) -> None:
        if self.version is None:
            return
        if differences := differences_now(self.version, accept_touched=self.accept_touched):
            self._remove()
            raise StackChangedError(
                f"the stack {self.version.path} changed during its conversion: "
                f"{describe_differences(differences)}. Nothing is kept; repeat the command."
            )

    def _begin(self, tile: Shape, overwrite: bool) -> None:
        if self.is_there():
            logger.warning("an earlier conversion to %s is discarded, without --resume", self.output)
        make_folder(self.folder.parent)
        with owned_folder(self.folder.parent) as temporary:
            new = temporary / "new"
            group = zarr.open_group(new, mode="w", attributes={_REPLACES: overwrite})
            shape = self.stack.sizes["y"], self.stack.sizes["x"]
            create_marks(group, tuple(-(-size // step) for size, step in zip(shape, tile, strict=True)))
            write_origin(group, self._origin(tile))
            _create_store(self.stack, tile, new / self.store.name)
            self._remove()
            new.rename(self.folder)

    def _go_on(self, tile: Shape) -> None:
        with readable(f"the conversion {self.folder}", OutputExistsError):
            group = zarr.open_group(self.folder, mode="r+", use_consolidated=False)
            origin = self._origin(tile)
            counted = tile if self.is_whole else None
            change = check_same_origin(
                group, origin, self.output, accept_touched=self.accept_touched, tile=counted
            )
            if change is SourceChange.UNREAD:
                logger.warning("%s: %s", self.output, change.value)
                write_listing(group, origin.source.listing)
            for file in self.folder.rglob("*.partial"):
                file.unlink(missing_ok=True)
            files = TileFiles(self.store, gridded(self.stack))
            damaged = find_damaged(group, read_marks(group) == IS_DONE, files.paths)
            for index in damaged:
                array_in(group, DONE)[index] = 0
        if damaged:
            logger.warning("%d converted tiles are damaged and are done again", len(damaged))

    def _remove(self) -> None:
        """Remove a started conversion, at once and not file by file; reject anything else."""
        if not self.folder.exists():
            return
        if not (self.folder / PLACE / _METADATA).is_file():
            raise OutputExistsError(f"{self.folder} exists and is not a conversion; remove it yourself.")
        with owned_folder(self.folder.parent) as temporary:
            self.folder.rename(temporary / "old")

    def _digests(self, tile: Shape) -> dict[str, str]:
        """Return the record of the origin of the output; modification times of files are kept separately."""
        origin = self._origin(tile)
        return {"made_from": origin.fingerprint, "files_with_times": origin.source.listing.digest}

    def _origin(self, tile: Shape) -> Origin:
        stack = self.stack
        layout = [(name, str(stack[name].dtype), stack[name].shape) for name in gridded(stack)]
        dates = [stack[name].values for name in ("reference_date", "secondary_date") if name in stack.coords]
        facts = {
            "chunks": tile,
            "number of pairs": stack.sizes["pair"],
            "version of fringefleet": version("fringefleet"),
            DIGESTS: {
                "the names, kinds and sizes of the variables": _digest(layout),
                "the dates of the pairs": _digest([values.tolist() for values in dates]),
                "the attributes": _digest(stack.attrs),
            },
        }
        return Origin(facts, self.version or FilesVersion("", Listing.of([])))


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, default=str).encode()).hexdigest()[:16]


@with_graph_defaults
def _create_store(stack: xr.Dataset, tile: Shape, path: Path) -> None:
    """Write the metadata, and all variables without y and x."""
    sizes = {"y": tile[0], "x": tile[1]}
    arrays, encoding = {}, {}
    for name in gridded(stack):
        data = stack[name]
        chunks = tuple(min(sizes.get(str(dim), n), n) for dim, n in data.sizes.items())
        arrays[name] = (data.dims, placeholder(str(name), data.shape, data.dtype, chunks), data.attrs)
        compressor = BloscCodec(cname="lz4", shuffle="shuffle", typesize=data.dtype.itemsize)
        encoding[name] = {"chunks": chunks, "compressors": (compressor,), "_FillValue": None}
    with all_chunks_written():
        stack.drop_encoding().assign(arrays).to_zarr(
            path, mode="w", compute=False, consolidated=False, zarr_format=3, encoding=encoding
        )
