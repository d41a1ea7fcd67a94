"""Mean velocity of the tiles of a result: a module of its own, which workers can import."""

from dataclasses import dataclass

import numpy as np
import zarr

from fringefleet.engine.context import BlockResult


@dataclass(frozen=True)
class Velocity:
    """Slope of the displacement in time [m/year], where the temporal coherence is high enough."""

    years: tuple[float, ...]
    least: float

    def __call__(self, arrays, tile, watch, place):
        with place.turn(), watch.time("solve"):
            series = arrays["displacement"]
            slope = np.tensordot(np.linalg.pinv(np.vander(self.years, 2))[0], series, 1)
            slope[arrays["temporal_coherence"] < self.least] = np.nan
        assert series.shape[1:] == (tile.y.stop - tile.y.start, tile.x.stop - tile.x.start)
        return BlockResult({"velocity": slope.astype(np.float32)})


def write(path, tile, result):
    zarr.open_array(path, mode="r+")[tile.y, tile.x] = result.velocity
