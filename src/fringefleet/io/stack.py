"""Open any stack that we support as one lazy Dataset, and say at once what is wrong with it.

A stack has the dimensions ``pair, y, x``: ``unwrapped_phase`` [rad], ``coherence`` and whatever
else the source carried, with the dates of each pair as coordinates. See :func:`open_stack`.
"""

from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import xarray as xr
from dask.base import tokenize

from fringefleet.errors import NetworkError, OptionError, StackFormatError
from fringefleet.io.hdf5 import FileVersion
from fringefleet.io.mintpy import open_mintpy
from fringefleet.io.tiles import fit_tile
from fringefleet.io.whole_chunks import WholeChunks
from fringefleet.network import Network
from fringefleet.observation import PHASE, is_observation

AUTO_BLOCK_BYTES = 64 * 1024**2  # one variable of one dask block


def open_stack(path: str | Path, *, chunks: tuple[int, int] | Literal["auto"] | None = "auto") -> xr.Dataset:
    """Open a stack of interferograms lazily, whatever it is stored as.

    Parameters
    ----------
    path
        MintPy's ``ifgramStack.h5`` (pairs that ``dropIfgram`` drops are left out), or the Zarr
        store that ``fringefleet convert`` or ``fringefleet simulate`` wrote.
    chunks
        Rows and columns of a Dask block, which always has all pairs; ``"auto"`` takes whole stored
        chunks, about 64 MB a variable. None: no Dask, xarray reads what is indexed.

    Returns
    -------
    xr.Dataset
        Dimensions ``pair, y, x``. ``unwrapped_phase`` [rad] of a pair is ``phase[secondary_date] -
        phase[reference_date]``; NaN and 0 are no data. Attributes: all of the source, and
        ``wavelength`` [m], ``looks``, ``reference_point`` (row, column) where the source has them.
        ``unwrapped_phase.encoding["preferred_chunks"]`` has the stored chunks by dimension.

    Raises
    ------
    StackFormatError
        There is no such path, or it holds no stack, or its parts do not fit together.
    NetworkError
        The pairs are no network: none kept, duplicates, a date with itself, fewer than two dates.
    """
    path = Path(path)
    try:
        stack = _open_any(path)
        stack_network(stack)
    except (StackFormatError, NetworkError) as error:
        raise type(error)(f"{path}: {error}") from error
    stack.encoding = {"source": str(path.absolute())}
    if chunks is None:
        return stack
    return _chunked(stack, _auto_tile(stack) if chunks == "auto" else _checked_tile(chunks))


def stack_network(stack: xr.Dataset) -> Network:
    """Make the network of a stack's pairs from its coordinates."""
    return Network.from_dates(stack["reference_date"].values, stack["secondary_date"].values)


def stored_tile(stack: xr.Dataset) -> tuple[int, int] | None:
    """Rows and columns of the stored chunks of the observations; None where they are not known."""
    preferred = observed(stack).encoding.get("preferred_chunks")
    return (preferred["y"], preferred["x"]) if preferred else None


def observed(stack: xr.Dataset) -> xr.DataArray:
    """Give what a stack observes: the phase, or what it has instead."""
    names = [str(name) for name in stack.data_vars if is_observation(str(name))]
    return stack[min(names, key=lambda name: name != PHASE)]


def source_version(path: Path) -> FileVersion:
    """Describe the file, or the metadata of the store, as it is now; another version differs."""
    return FileVersion.of(path / "zarr.json" if path.is_dir() else path)


def _open_any(path: Path) -> xr.Dataset:
    if not path.exists():
        raise StackFormatError(
            "found nothing there; give the path of a MintPy ifgramStack.h5 or of a Zarr stack."
        )
    if path.is_dir():
        return _open_zarr(path)
    if h5py.is_hdf5(path):
        return open_mintpy(path)
    raise StackFormatError(
        "found a file that is not HDF5; give a MintPy ifgramStack.h5 or the folder of a Zarr stack."
    )


def _open_zarr(path: Path) -> xr.Dataset:
    if not (path / "zarr.json").is_file():
        raise StackFormatError(
            "found a folder that is no Zarr v3 store (it has no zarr.json); "
            "give a MintPy ifgramStack.h5 or the folder of a Zarr stack."
        )
    try:
        stored = xr.open_zarr(WholeChunks(path, read_only=True), chunks=None, consolidated=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackFormatError(
            f"found a Zarr store that cannot be opened ({error}); copy or make it again."
        ) from error
    _check_zarr(stored)
    stack: xr.Dataset = stored.drop_encoding()
    for name, variable in stored.variables.items():
        whole = variable.encoding.get("shards") or variable.encoding.get("chunks")
        if whole:
            preferred = dict(zip(variable.dims, whole, strict=True))
            stack.variables[name].encoding = {"preferred_chunks": preferred}
    for coordinate in stack.coords.values():
        coordinate.load()
    return stack


def _check_zarr(stack: xr.Dataset) -> None:
    for name in ("unwrapped_phase", "reference_date", "secondary_date"):
        if name not in stack.variables:
            hint = "It is a result, not a stack. " if "displacement" in stack else ""
            raise StackFormatError(
                f"found no variable {name!r} in this Zarr store; it has "
                f"{', '.join(map(str, stack.variables)) or 'none'}. {hint}Give the store that "
                "`fringefleet convert` or `fringefleet simulate` wrote."
            )
    phase = stack["unwrapped_phase"]
    if phase.dims != ("pair", "y", "x") or 0 in phase.shape or phase.dtype != np.float32:
        raise StackFormatError(
            f"found unwrapped_phase with the dimensions {dict(phase.sizes)} and the type "
            f"{phase.dtype}; float32 over (pair, y, x) is needed. "
            "Make the store with `fringefleet convert`."
        )
    for name in ("reference_date", "secondary_date"):
        if stack[name].dims != ("pair",) or stack[name].dtype.kind != "M":
            raise StackFormatError(
                f"found {name} with the dimensions {stack[name].dims} and the type "
                f"{stack[name].dtype}; a date for each pair is needed."
            )


def _auto_tile(stack: xr.Dataset) -> tuple[int, int]:
    phase = observed(stack)
    n_pixel = AUTO_BLOCK_BYTES / (phase.sizes["pair"] * phase.dtype.itemsize)
    return fit_tile((phase.sizes["y"], phase.sizes["x"]), stored_tile(stack), n_pixel)


def _checked_tile(chunks: tuple[int, int]) -> tuple[int, int]:
    if len(chunks) != 2 or any(size < 1 for size in chunks):
        raise OptionError(f"found chunks = {chunks}; rows and columns are needed, each at least 1.")
    return chunks


def _chunked(stack: xr.Dataset, tile: tuple[int, int]) -> xr.Dataset:
    """Cut the gridded variables in y and x; the same file has the same task names everywhere."""
    blocks = {"y": tile[0], "x": tile[1]}
    version = source_version(Path(stack.encoding["source"]))
    chunked = {}
    for name, data in stack.data_vars.items():
        if {"y", "x"} <= set(data.dims):
            sizes = {dim: blocks.get(str(dim), -1) for dim in data.dims}
            token = tokenize(version, name, sizes, data.shape)
            chunked[name] = data.variable.chunk(sizes, name=f"open_stack-{name}-{token}")
    return stack.assign(chunked)
