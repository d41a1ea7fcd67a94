"""Description of a tile: its position, its input, and its report when it is finished."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import TileIndex
from fringefleet.choices import DeviceName
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import FringefleetError, StackFormatError
from fringefleet.execution.statistics import TileStatistics
from fringefleet.observation.oddities import Oddities
from fringefleet.status import Status


class Tile(NamedTuple):
    """Position of a tile: its index in the grid of tiles, and its pixels."""

    number: TileIndex
    y: slice
    x: slice

    def __str__(self) -> str:
        """Return the name of the tile for a message."""
        return f"tile {self.number} (rows {self.y.start}-{self.y.stop}, columns {self.x.start}-{self.x.stop})"


class TileReport(NamedTuple):
    """Report of a finished tile to its scheduler."""

    tile: TileIndex
    numbers: TileStatistics
    odd: Oddities = Oddities()  # values that cannot be observations
    rows: tuple[int, int] = (0, 0)  # first, and one past the last
    columns: tuple[int, int] = (0, 0)
    worker: Mapping[str, Any] = {}  # record of its worker, in plain values


Arrays = Mapping[str, NDArray[Any]]  # those of a tile, (..., y, x), by name
Write = Callable[[Tile, BlockResult], None]  # of a tile and its result


def _nothing_odd(_arrays: Arrays, _tile: Tile) -> Oddities:
    return Oddities()


def _of_nobody() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class BlockFunction:
    """Function of the arrays of each tile of a stack, or of a result; it is sent to the workers.

    Attributes
    ----------
    name
        Name of its tasks on Dask's dashboard.
    compute
        Computes the result of a tile from its arrays, in the turn of the tile
        (:meth:`~fringefleet.engine.workspaces.BlockPlace.turn`).
    check
        Counts values that cannot be observations, and rejects unusable arrays.
    device
        Device that it computes on.
    describe
        Describes its computation, for the report.
    """

    name: str
    compute: Callable[[Arrays, Tile, Stopwatch, BlockPlace], BlockResult]
    check: Callable[[Arrays, Tile], Oddities] = _nothing_odd
    device: DeviceName = "cpu"
    describe: Callable[[], Mapping[str, Any]] = _of_nobody


@dataclass(frozen=True)
class LazyVariable:
    """Variable of a stack, or a piece of one, that is read where it is needed."""

    variable: xr.Variable
    what: str = "a variable"  # for messages

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.variable.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.variable.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values read."""
        dtype: np.dtype[Any] = self.variable.dtype
        return dtype

    def __getitem__(self, key: Any) -> "LazyVariable":
        """Return a piece, unread."""
        return LazyVariable(self.variable[key], self.what)

    def read(self) -> NDArray[Any]:
        """Read the values now.

        Raises
        ------
        StackFormatError
            It cannot be read; states the cause.
        """
        try:
            return np.asarray(self.variable.values)
        except (FringefleetError, MemoryError):
            raise
        except Exception as error:  # any error of a decoder
            raise StackFormatError(
                f"{self.what} cannot be read here ({type(error).__name__}: {error}). The file may be "
                "damaged; copy or create it again."
            ) from error


@dataclass(frozen=True)
class WorkerRules:
    """Requirements of all tiles of a run on a worker.

    Attributes
    ----------
    software
        Versions that it must have.
    accept_touched
        Whether files that differ only in their modification time count as unchanged.
    n_on_cores
        Number of workers by name of their cores.
    """

    software: Mapping[str, str]
    accept_touched: bool = False
    n_on_cores: Mapping[str, int] = field(default_factory=dict)


def count_statuses(status: NDArray[np.uint8]) -> tuple[int, ...]:
    """Count the pixels of each status, by code."""
    return tuple(np.bincount(status.ravel(), minlength=len(Status)).tolist())
