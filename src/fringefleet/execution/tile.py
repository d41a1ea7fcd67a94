"""Description of a tile: its position, its input, and its report when it is finished."""

import math
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
    """Where a tile is: its number in the grid of tiles, and its pixels."""

    number: TileIndex
    y: slice
    x: slice

    def __str__(self) -> str:
        """Name the tile for a message."""
        return f"tile {self.number} (rows {self.y.start}-{self.y.stop}, columns {self.x.start}-{self.x.stop})"


class TileReport(NamedTuple):
    """What a finished tile tells the one who asked for it."""

    tile: TileIndex
    numbers: TileStatistics
    odd: Oddities = Oddities()  # what cannot be an observation
    rows: tuple[int, int] = (0, 0)  # first and one past the last
    columns: tuple[int, int] = (0, 0)
    worker: Mapping[str, Any] = {}  # who did it, as plain values


Arrays = Mapping[str, NDArray[Any]]  # those of a tile, (..., y, x), by name
Write = Callable[[Tile, BlockResult], None]  # a tile and its answer


def _nothing_odd(_arrays: Arrays, _tile: Tile) -> Oddities:
    return Oddities()


def _needs_reading(_pieces: "Mapping[str, Piece]", _tile: Tile) -> BlockResult | None:
    return None


def _of_nobody() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class BlockFunction:
    """What is done with the arrays of each tile of a stack, or of a result; it travels to the workers.

    Attributes
    ----------
    name
        Of its tasks, on Dask's dashboard.
    compute
        Computes the result of a tile from its arrays, in the turn of the tile
        (:meth:`~fringefleet.engine.workspaces.BlockPlace.turn`).
    check
        Counts what cannot be an observation, and refuses arrays that nothing can be made of.
    device
        Where it computes.
    describe
        Tells how it computed, for the report.
    without_reading
        Gives the result of a tile of which nothing needs to be read, from its maps in memory; None of others.
    """

    name: str
    compute: Callable[[Arrays, Tile, Stopwatch, BlockPlace], BlockResult]
    check: Callable[[Arrays, Tile], Oddities] = _nothing_odd
    device: DeviceName = "cpu"
    describe: Callable[[], Mapping[str, Any]] = _of_nobody
    without_reading: Callable[["Mapping[str, Piece]", Tile], BlockResult | None] = _needs_reading


@dataclass(frozen=True)
class LazyVariable:
    """A variable of a stack, or a piece of one, to be read by whom it is handed to."""

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
        """What is read."""
        dtype: np.dtype[Any] = self.variable.dtype
        return dtype

    def __getitem__(self, key: Any) -> "LazyVariable":
        """Cut a piece out, unread."""
        return LazyVariable(self.variable[key], self.what)

    def read(self) -> NDArray[Any]:
        """Read it now.

        Raises
        ------
        StackFormatError
            It cannot be read; says what.
        """
        try:
            return np.asarray(self.variable.values)
        except (FringefleetError, MemoryError):
            raise
        except Exception as error:  # whatever a decoder raises
            raise StackFormatError(
                f"{self.what} cannot be read here ({type(error).__name__}: {error}). The file may be "
                "damaged; copy or make it again."
            ) from error


@dataclass(frozen=True)
class FoldedVariable(LazyVariable):
    """A variable with more axes than tiles are cut by: those before y and x are one, until it is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, of which there are three."""
        *leading, y, x = self.variable.shape
        return math.prod(leading), y, x

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> "FoldedVariable":
        """Cut a piece out, unread: rows and columns of all that is before them."""
        return FoldedVariable(self.variable[(..., *key[-2:])], self.what)


Piece = NDArray[Any] | LazyVariable  # of a variable, for a tile: in memory, or unread


@dataclass(frozen=True)
class WorkerRules:
    """What all tiles of a run ask of a worker.

    Attributes
    ----------
    software
        Versions that it must have.
    accept_touched
        Whether files whose time alone has changed are the same.
    n_on_cores
        Workers that share the same cores, by the name of these.
    """

    software: Mapping[str, str]
    accept_touched: bool = False
    n_on_cores: Mapping[str, int] = field(default_factory=dict)


def count_statuses(status: NDArray[np.uint8]) -> tuple[int, ...]:
    """Count the pixels of each status, by code."""
    return tuple(np.bincount(status.ravel(), minlength=len(Status)).tolist())
