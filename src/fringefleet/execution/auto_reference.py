"""Choice of a reference point: the centre of the largest connected area of high mean coherence."""

import logging

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import ReferencePointError
from fringefleet.execution.means import CoherenceMeans
from fringefleet.io.reference import is_missing

logger = logging.getLogger(__name__)

HIGH_COHERENCE = 0.85  # as MintPy's reference_point has it
_BEST_SHARE = 0.01  # of the pixels, where that few are as coherent
_REACH = 16  # rows and columns around the centre that are looked at


def choose_reference_point(stack: xr.Dataset, means: CoherenceMeans, observation: str) -> Pixel:
    """Find the pixel that all pairs observe next to the centre of the largest coherent area.

    Pixels with a coherence in all pairs are taken whose mean is at least 0.85; the best hundredth of them,
    where fewer are. Of the largest area of them that hangs together by its edges the centre is the centroid.

    Parameters
    ----------
    stack
        The whole scene with the pairs that are selected; a window around the centre is read.
    means
        Of all pairs of the stack.
    observation
        Has to have data at the point, in all pairs.

    Raises
    ------
    ReferencePointError
        There is no such pixel.
    """
    from scipy.ndimage import label  # noqa: PLC0415 - half a second, for an option

    candidates = means.n_pair == len(means.of_pairs)
    if not candidates.any():
        raise _no_point("no pixel has a coherence in all pairs")
    least = min(HIGH_COHERENCE, float(np.quantile(means.of_pixels[candidates], 1 - _BEST_SHARE)))
    labels, _ = label(candidates & (means.of_pixels >= least))
    sizes = np.bincount(labels.ravel())[1:]
    area = labels == 1 + int(sizes.argmax())
    rows, columns = np.nonzero(area)
    centre = float(rows.mean()), float(columns.mean())
    point = _nearest(area, centre)
    point = _nearest(area & _complete_around(stack, observation, point), centre)
    logger.info(
        "reference point: row %d, column %d, the centre of the largest area of high coherence: %d pixels "
        "whose mean coherence is at least %.3g",
        *point,
        sizes.max(),
        least,
    )
    return point


def _complete_around(stack: xr.Dataset, observation: str, point: Pixel) -> NDArray[np.bool_]:
    """Return which pixels near a point all pairs observe; none that are far from it."""
    window = {dim: slice(max(0, at - _REACH), at + _REACH) for dim, at in zip(("y", "x"), point, strict=True)}
    has_data = ~is_missing(stack[observation].isel(window).values, observation)
    complete = np.zeros((stack.sizes["y"], stack.sizes["x"]), np.bool_)
    complete[window["y"], window["x"]] = has_data.all(0)
    return complete


def _nearest(area: NDArray[np.bool_], centre: tuple[float, float]) -> Pixel:
    rows, columns = np.nonzero(area)
    if not len(rows):
        raise _no_point(
            "no pixel near the centre of the largest area of high coherence is observed by all pairs"
        )
    nearest = int(np.hypot(rows - centre[0], columns - centre[1]).argmin())
    return int(rows[nearest]), int(columns[nearest])


def _no_point(what: str) -> ReferencePointError:
    return ReferencePointError(f"found no reference point: {what}. Give --reference-point Y X.")
