"""Description of a tile: its position, its input, and its report when it is finished."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.engine.context import BlockResult, Scene
from fringefleet.engine.timing import StageSeconds
from fringefleet.errors import FringefleetError, StackFormatError
from fringefleet.observation.oddities import Oddities
from fringefleet.options import Options


class Tile(NamedTuple):
    """Where a tile is: its number in the grid of tiles, and its pixels."""

    number: tuple[int, int]
    y: slice
    x: slice

    def __str__(self) -> str:
        """Name the tile for a message."""
        return f"tile {self.number} (rows {self.y.start}-{self.y.stop}, columns {self.x.start}-{self.x.stop})"


class TileReport(NamedTuple):
    """What a finished tile tells the one who asked for it."""

    tile: tuple[int, int]
    n_pixel: int
    odd: Oddities  # what cannot be an observation
    status_count: tuple[int, ...]  # pixels of each status
    rows: tuple[int, int] = (0, 0)  # first and one past the last
    columns: tuple[int, int] = (0, 0)
    seconds: StageSeconds = StageSeconds()
    bytes_read: int = 0  # in memory, whatever they are in the file
    bytes_written: int = 0
    worker: Mapping[str, Any] = {}  # who did it, as plain values


Write = Callable[[Tile, BlockResult], None]  # a tile and its answer


@dataclass(frozen=True)
class Unread:
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

    def __getitem__(self, key: Any) -> "Unread":
        """Cut a piece out, unread."""
        return Unread(self.variable[key], self.what)

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
class How:
    """How all tiles of a run are computed."""

    scene: Scene
    options: Options
    point: tuple[int, int] | None  # row and column of the reference point in the scene
    is_coarse: bool  # whether observations are stored so that many are the same
    software: Mapping[str, str]  # versions that a worker must have
    accept_touched: bool
    n_on_cores: Mapping[str, int]  # workers
