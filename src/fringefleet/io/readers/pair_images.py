"""Images of single pairs - files, bands, variables - as one lazy array (pair, y, x).

The reader of another format (see :mod:`fringefleet.io.readers`) has to find the files, make an
:class:`Image` for each, determine its :class:`~fringefleet.io.readers.grid.Grid`, and pass both
as :class:`Layer` to :func:`~fringefleet.io.readers.assemble.assemble`.

Nothing is read before it is indexed. Each read opens one file after the other, reads the requested window
and closes it: an array pickles as plain values, has the same Dask token in every process, holds no
handle, and needs no more memory than the result and one window. A file that changed since the stack
was opened is an error, so that a result is never made from two versions of a stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.arguments.shapes import Shape
from fringefleet.io.files.version import FileVersion, unchanged
from fringefleet.io.readers.grid import Grid


class Image(Protocol):
    """Image (y, x) of one pair: a frozen dataclass of plain values, which pickles and hashes."""

    @property
    def versions(self) -> tuple[FileVersion, ...]:
        """Versions of all files of the pixels when the stack was opened; the main file first."""

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Open the file, read a window (slices with start and stop, step 1), and close it again.

        In the unit and sign of :func:`fringefleet.open_stack`; NaN where there is no data.

        Raises
        ------
        StackFormatError
            The file cannot be read; the message names it.
        """


@dataclass(frozen=True)
class Layer:
    """Image with the properties found when it was opened."""

    name: str  # by which the user finds it: the file, and the variable in it if there are several
    image: Image
    grid: Grid
    block: Shape | None  # rows and columns that are stored together; None if unknown
    unit: str | None = None  # as spelled in the file; None if it has none
    stored: str = "float32"  # dtype in the file


@dataclass(frozen=True)
class PartImage:
    """Part of a larger image, from a row and a column on."""

    image: Image
    start: tuple[int, int]

    @property
    def versions(self) -> tuple[FileVersion, ...]:
        """Versions of the files of the whole image."""
        return self.image.versions

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window of the part; see :class:`Image`."""
        moved = [
            slice(part.start + start, part.stop + start)
            for part, start in zip((rows, columns), self.start, strict=True)
        ]
        return self.image.read(*moved)


class ImageStack(BackendArray):
    """Images of one variable, one for each pair, read when they are indexed.

    Parameters
    ----------
    images
        Images in the order of the pairs, all of one shape.
    shape
        Rows and columns of each.
    dtype
        Dtype of the result. Missing pixels are NaN, or 0 in integers.
    """

    def __init__(self, images: Sequence[Image], shape: Shape, dtype: Any) -> None:
        self.images = tuple(images)
        self.dtype = np.dtype(dtype)
        self.shape = (len(self.images), *shape)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the identity of the content: the same in every process, another after a file changed."""
        return (type(self).__name__, self.images, self.shape, str(self.dtype))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part; xarray reduces any index to slices, integers and at most one vector."""
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )
        return result

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        pairs, rows, columns = (
            np.atleast_1d(np.arange(size)[part]) for size, part in zip(self.shape, key, strict=True)
        )
        out = np.empty((len(pairs), len(rows), len(columns)), self.dtype)
        if out.size:
            for place, pair in zip(out, pairs, strict=True):
                place[...] = self._read_one(self.images[pair], rows, columns)
        squeeze = tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)
        part: NDArray[Any] = out[squeeze]
        return part

    def _read_one(
        self, image: Image, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Read the window around some rows and columns, and select them from it."""
        top, left = rows.min(), columns.min()
        with unchanged(image.versions):
            window = image.read(slice(top, rows.max() + 1), slice(left, columns.max() + 1))
        if self.dtype.kind in "iu":  # below 0, or NaN: outside all components
            window = np.nan_to_num(window, nan=0).clip(0, np.iinfo(self.dtype).max)
        if window.shape == (len(rows), len(columns)):  # no gaps: xarray's vectors ascend
            return window
        return window[np.ix_(rows - top, columns - left)]
