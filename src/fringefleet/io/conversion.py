"""Conversion of a stack under way: a hidden folder beside the output, with which another process can go on.

It holds the store that is being made and, beside that, the marks of its tiles and what it is made from
(:mod:`fringefleet.io.store.origin`), so that the store is the same whether it was made at one go or not. What
a loss of power has left of tiles that are marked is found by the sizes of their files.
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

import dask.array as da
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
from fringefleet.io.store.marks import DONE, IS_DONE, create_marks, find_damaged, read_marks
from fringefleet.io.store.origin import (
    DIGESTS,
    PLACE,
    Origin,
    check_same_origin,
    differences_now,
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
_REPLACES = "replaces"  # attribute: whether an output that is there is to be replaced


@dataclass(frozen=True)
class Conversion:
    """A stack and the output that it is converted to; ``version``: of the files of the stack, if it has any.

    ``accept_touched``: take files whose time alone has changed for the same.
    """

    stack: xr.Dataset
    output: Path
    version: FilesVersion | None
    accept_touched: bool

    @classmethod
    def of(cls, stack: xr.Dataset, output: Path, *, accept_touched: bool) -> "Conversion":
        """Describe the conversion of a stack; nothing is read or written."""
        return cls(stack, real_path(output), stack.encoding.get("version"), accept_touched)

    @property
    def folder(self) -> Path:
        """Where it is until it is complete."""
        return self.output.with_name(f".{self.output.name}.partial")

    @property
    def store(self) -> Path:
        """The store that is being made."""
        return self.folder / "stack"

    def is_there(self) -> bool:
        """Whether it was begun."""
        return (self.folder / _METADATA).is_file() and (self.store / _METADATA).is_file()

    def tile(self) -> Shape | None:
        """Rows and columns of a chunk of what is there, begun or finished; None if nothing is."""
        there = self.store if self.is_there() else self.output
        if not (there / _METADATA).is_file():
            return None
        with readable(f"the store {there}", OutputExistsError):
            array = zarr.open_group(there, mode="r").get(gridded(self.stack)[0])
            return (array.chunks[-2], array.chunks[-1]) if isinstance(array, zarr.Array) else None

    def was_finished(self, tile: Shape) -> bool:
        """Whether the output is there, complete and made from the same stack.

        Raises
        ------
        OptionError
            The stack does not say which files it is read from.
        """
        if self.version is None:
            raise OptionError(
                f"found {option('resume', True)} with a stack in memory; only what open_stack returned, or a "
                "path, tells which files it is read from."
            )
        wanted = self._digests(tile)
        if self.accept_touched:
            del wanted["files_with_times"]
        return not self.is_there() and is_made_from(self.output, wanted)

    @contextmanager
    def opened(self, tile: Shape, *, resume: bool, overwrite: bool) -> Iterator[zarr.Group]:
        """Begin, or go on, and give the group of the marks; what is done is kept whatever happens inside.

        Parameters
        ----------
        tile
            Rows and columns of a chunk.
        resume
            Go on with what is there, if anything is.
        overwrite
            Whether an output that is there will be replaced.

        Raises
        ------
        OutputExistsError
            What is there was begun with something else.
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
                logger.warning("what was converted is kept in %s; --resume goes on", self.folder)
            else:
                self._remove()
            raise

    def finish(self, tile: Shape) -> None:
        """Give the store its name.

        Raises
        ------
        StackChangedError
            The stack was changed meanwhile; nothing is kept.
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
                f"the stack {self.version.path} was changed while it was converted: "
                f"{describe_differences(differences)}. Nothing is kept; repeat the command."
            )

    def _begin(self, tile: Shape, overwrite: bool) -> None:
        if self.is_there():
            logger.warning("%s was begun before, and begins anew: without --resume", self.output)
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
            check_same_origin(group, self._origin(tile), self.output, accept_touched=self.accept_touched)
            for file in self.folder.rglob("*.partial"):
                file.unlink(missing_ok=True)
            files = TileFiles(self.store, gridded(self.stack))
            damaged = find_damaged(group, read_marks(group) == IS_DONE, files.paths)
            for index in damaged:
                array_in(group, DONE)[index] = 0
        if damaged:
            logger.warning("%d tiles that were converted are damaged and are done again", len(damaged))

    def _remove(self) -> None:
        """Remove what was begun, at once and not file by file; refuse what is something else."""
        if not self.folder.exists():
            return
        if not (self.folder / PLACE / _METADATA).is_file():
            raise OutputExistsError(
                f"{self.folder} is there and is no conversion that was begun; remove it yourself."
            )
        with owned_folder(self.folder.parent) as temporary:
            self.folder.rename(temporary / "old")

    def _digests(self, tile: Shape) -> dict[str, str]:
        """Give what is noted in the output of what it is made from; times of files are apart."""
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
    """Write the metadata, and everything without y and x."""
    sizes = {"y": tile[0], "x": tile[1]}
    arrays, encoding = {}, {}
    for name in gridded(stack):
        data = stack[name]
        chunks = tuple(min(sizes.get(str(dim), n), n) for dim, n in data.sizes.items())
        arrays[name] = (data.dims, da.zeros(data.shape, chunks=chunks, dtype=data.dtype), data.attrs)
        compressor = BloscCodec(cname="lz4", shuffle="shuffle", typesize=data.dtype.itemsize)
        encoding[name] = {"chunks": chunks, "compressors": (compressor,), "_FillValue": None}
    with all_chunks_written():
        stack.drop_encoding().assign(arrays).to_zarr(
            path, mode="w", compute=False, consolidated=False, zarr_format=3, encoding=encoding
        )
