"""Opening of any supported stack as one lazy Dataset, with immediate checks.

A stack has the dimensions ``pair, y, x``: ``unwrapped_phase`` [rad], ``coherence`` and the other
variables of the source, with the dates of each pair as coordinates. See :func:`open_stack`.
"""

import math
from pathlib import Path
from typing import Literal

import xarray as xr
from dask.base import tokenize

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.kinds import check_two_numbers
from fringefleet.arguments.paths import check_local
from fringefleet.arguments.shapes import Shape
from fringefleet.errors import NetworkError, OptionError, StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.checks.left_out import reported_once
from fringefleet.io.chunking import fit_tile
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.hdf5.layout import ReadMethod
from fringefleet.io.identify import check_exists
from fringefleet.io.lazy.versioned import versioned
from fringefleet.io.recognise import recognise
from fringefleet.io.reference_phases import with_reference_phases
from fringefleet.network.network import Network
from fringefleet.observation.quantity import PHASE, is_observation
from fringefleet.processes.versions import check_assertions

AUTO_BLOCK_BYTES = 64 * 1024**2  # one variable of one dask block


@checked_call
def open_stack(
    path: str | Path,
    *,
    chunks: Shape | Literal["auto"] | None = "auto",
    reader: str | None = None,
    drop_incomplete: bool = False,
) -> xr.Dataset:
    """Open a stack of interferograms lazily, in any supported format.

    Parameters
    ----------
    path
        MintPy's ``ifgramStack.h5`` (without pairs that ``dropIfgram`` drops); a Zarr store that
        ``fringefleet convert`` or ``fringefleet simulate`` wrote, or any Zarr store or NetCDF-4 file with the
        names of :mod:`fringefleet.io.readers.zarr_netcdf`; or a folder of another processor's files, see
        :data:`fringefleet.io.readers.READERS`. All readers are asked, and exactly one has to recognise it.
    chunks
        Rows and columns of a Dask block, which always has all pairs; ``"auto"`` uses whole stored
        chunks, about 64 MB per variable. None: no Dask, xarray reads what is indexed.
    reader
        Name of the reader, for a path that several recognise, or that its own does not: ``aria-tools``,
        ``dolphin`` ...; ``fringefleet info --formats`` lists them. None: the only one that recognises it.
    drop_incomplete
        Omit pairs that lack a file which others have, with a warning that names them, instead of
        rejecting them. Only for folders of pairs.

    Returns
    -------
    xr.Dataset
        Dimensions ``pair, y, x``. ``unwrapped_phase`` [rad] of a pair is ``phase[secondary_date] -
        phase[reference_date]``; NaN and 0 mean no data. The coordinate ``reference_phase`` (pair) is the
        observation at the reference point, read when needed, so that a part without that point can be
        inverted (:mod:`fringefleet.io.reference_phases`). Attributes: all of the source, and
        ``wavelength`` [m], ``looks``, ``reference_point`` (row, column) where the source has them.
        ``unwrapped_phase.encoding["preferred_chunks"]`` has the stored chunks by dimension.

    Raises
    ------
    StackFormatError
        The path does not exist, or contains no stack, or stacks of several formats, or its parts are
        inconsistent.
    NetworkError
        The pairs do not form a network: none kept, duplicates, a date with itself, fewer than two dates.
    OptionError
        ``drop_incomplete`` with a stack that is one file or store, or there is no such reader.

    Examples
    --------
    >>> stack = open_stack("stack.zarr")
    >>> stack.unwrapped_phase.dims, stack.sizes["pair"]
    (('pair', 'y', 'x'), 18)
    """
    check_assertions()
    check_local(path)
    path = Path(path)
    check_exists(path)
    try:
        with reported_once(), readable("the stack"):
            found = recognise(path, reader)
            stack = found.open(path, drop_incomplete=drop_incomplete)
    except (StackFormatError, NetworkError, OptionError) as error:
        raise type(error)(f"{path}: {error.marked}") from error
    version: FilesVersion = stack.encoding["version"]
    folders = stack.encoding.get("pair_folders", ())
    stack = with_reference_phases(versioned(stack, version, is_checked=chunks is not None))
    stack.encoding = {
        "source": str(path.absolute()),
        "version": version,
        "reader": found.reader.name,
        "file_format": found.reader.title,
        "evidence": found.evidence,
        "pair_folders": folders,
    }
    if chunks is None:
        return stack
    return _chunked(stack, _auto_tile(stack) if chunks == "auto" else _checked_tile(chunks))


def stack_network(stack: xr.Dataset) -> Network:
    """Return the network of a stack's pairs, from its coordinates."""
    return Network.from_dates(stack["reference_date"].values, stack["secondary_date"].values)


def stored_tile(stack: xr.Dataset) -> Shape | None:
    """Return rows and columns of the stored chunks of the observations; None where unknown."""
    preferred = observed(stack).encoding.get("preferred_chunks")
    return (preferred["y"], preferred["x"]) if preferred else None


def largest_chunk(stack: xr.Dataset) -> int:
    """Return the size in memory of the largest stored chunk of a stack [byte]; 0 where unknown."""
    sizes = [0]
    for variable in stack.data_vars.values():
        if preferred := variable.encoding.get("preferred_chunks"):
            n_value = math.prod(min(preferred.get(dim, 1), size) for dim, size in variable.sizes.items())
            sizes.append(n_value * variable.dtype.itemsize)
    return max(sizes)


def read_step(stack: xr.Dataset) -> Shape | None:
    """Return the smallest rows and columns of the observations that can be read; None where unknown."""
    reading = reading_of(stack)
    return stored_tile(stack) if reading is None else (reading.steps["y"], reading.steps["x"])


def reading_of(stack: xr.Dataset) -> ReadMethod | None:
    """Return how the observations of an HDF5 file are read; None for other formats."""
    found: ReadMethod | None = observed(stack).encoding.get("reading")
    return found


def observed(stack: xr.Dataset) -> xr.DataArray:
    """Return the observation of a stack: the phase, or what it has instead."""
    names = [str(name) for name in stack.data_vars if is_observation(str(name))]
    return stack[min(names, key=lambda name: name != PHASE)]


def source_version(stack: xr.Dataset) -> FilesVersion:
    """Return the version of the files of a stack, taken when :func:`open_stack` opened it."""
    version: FilesVersion = stack.encoding["version"]
    return version


def pair_folders(stack: xr.Dataset) -> tuple[str, ...]:
    """Return the folders of single pairs of a stack that :func:`open_stack` opened."""
    return tuple(stack.encoding.get("pair_folders", ()))


def file_format(stack: xr.Dataset) -> str:
    """Return the name of the format of a stack that :func:`open_stack` opened."""
    return str(stack.encoding["file_format"])


def reader_of(stack: xr.Dataset) -> tuple[str, str]:
    """Return the reader of a stack that :func:`open_stack` opened, and its evidence."""
    return str(stack.encoding["reader"]), str(stack.encoding["evidence"])


def _auto_tile(stack: xr.Dataset) -> Shape:
    phase = observed(stack)
    n_pixel = AUTO_BLOCK_BYTES / (phase.sizes["pair"] * phase.dtype.itemsize)
    return fit_tile((phase.sizes["y"], phase.sizes["x"]), read_step(stack), n_pixel)


def _checked_tile(chunks: Shape) -> Shape:
    check_two_numbers("chunks", chunks, "rows and columns of a block")
    if any(size < 1 for size in chunks):
        raise OptionError(f"found chunks = {chunks}; rows and columns are needed, each at least 1.")
    return chunks


def _chunked(stack: xr.Dataset, tile: Shape) -> xr.Dataset:
    """Chunk the gridded variables in y and x; the same file has the same task names everywhere."""
    blocks = {"y": tile[0], "x": tile[1]}
    version = source_version(stack)
    chunked = {}
    for name, data in stack.data_vars.items():
        if {"y", "x"} <= set(data.dims):
            sizes = {dim: blocks.get(str(dim), -1) for dim in data.dims}
            token = tokenize(version, name, sizes, data.shape)
            chunked[name] = data.variable.chunk(sizes, name=f"open_stack-{name}-{token}")
    return stack.assign(chunked)
