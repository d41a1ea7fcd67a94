"""Masking of a result: which pixels are to be relied on, by a rule over its maps, kept in its store."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.arguments.known import check_known
from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError, OptionError
from fringefleet.io.describe import check_finished
from fringefleet.io.mask_limits import MAP_OF, MaskLimits
from fringefleet.io.store.lock import locked
from fringefleet.io.store.open_result import check_result, open_result
from fringefleet.io.store.result_kind import result_name
from fringefleet.io.store.stored_mask import remove_mask, replaced_mask
from fringefleet.io.writers.base import Progress, no_progress
from fringefleet.io.writers.expressions import PixelRule, maps_in, parse_rule
from fringefleet.io.writers.tiles import ResultTiles
from fringefleet.option_words import option


class MaskSummary(NamedTuple):
    """Outcome of masking: the rule as it is stored, pixels that are kept, and all pixels."""

    rule: str
    n_kept: int
    n_pixel: int


@checked_call
def mask_result(result: Path | str, *, progress: Progress = no_progress, **limits: Any) -> MaskSummary:
    """Write a mask into the store of a result: 1 where a pixel is within all limits, 0 where it is not.

    Exports, pictures and velocities of the result leave out what the mask does. A mask that is there is
    replaced, in one step; one that is interrupted leaves the earlier one.

    Parameters
    ----------
    result
        Path of a finished result.
    progress
        Called after every tile with the number of tiles done and of all tiles.
    **limits
        As :class:`~fringefleet.io.mask_limits.MaskLimits` has them: ``min_temporal_coherence``, ``max_rms``,
        ``min_pairs``, ``status``, a list or a text with commas, and ``rule``, an expression.

    Returns
    -------
    MaskSummary
        The rule, and how many pixels are kept.

    Raises
    ------
    OptionError
        A limit is unknown or no value of it, or of a map that the result has not.
    InputError
        There is no finished result, another run writes to it, or no pixel would be kept.

    Examples
    --------
    >>> summary = mask_result("result.zarr", min_temporal_coherence=0.7, status="ok,linear")
    >>> summary.n_pixel, summary.n_kept > 200
    (256, True)
    """
    path, wanted = Path(result), _limits_of(limits)
    check_result(path)
    check_finished(path)
    with locked(path), open_result(path) as opened:
        _check_maps(wanted, opened)
        for name, expression in wanted.expressions().items():
            parse_rule(expression, opened, name)
        return _write(path, opened, parse_rule(wanted.expression(), opened), progress)


def _limits_of(given: dict[str, Any]) -> MaskLimits:
    check_known(given, MaskLimits.__dataclass_fields__, lambda name: f"found no limit {name!r} of a mask.")
    return MaskLimits(**given)


def _check_maps(wanted: MaskLimits, result: xr.Dataset) -> None:
    """Reject limits of maps that the result has not, and words that are no status."""
    there = maps_in(result)
    for name, of_map in MAP_OF.items():
        if getattr(wanted, name) is not None and of_map not in there:
            raise OptionError(
                f"found {option(name)}, and no map {of_map} in {result_name(result)}. It has "
                f"{', '.join(there) or 'no maps'}: give {option('rule')} with some of these, or the output "
                "of `fringefleet invert`."
            )
    known = str(result["status"].attrs.get("flag_meanings", "")).split() if "status" in result else []
    check_known(wanted.statuses(), known, lambda word: f"found {option('status', word)}.")


def _write(path: Path, result: xr.Dataset, rule: PixelRule, progress: Progress) -> MaskSummary:
    tiles = ResultTiles(result, rule.names, progress)
    shape = (result.sizes["y"], result.sizes["x"])
    n_kept = n_reference = 0
    with replaced_mask(path, shape, _tile_of(tiles), rule.text) as array:
        for place, tile in tiles:
            kept = rule.keeps(tile)
            array[place["y"], place["x"]] = kept.astype(np.uint8)
            n_kept += int(kept.sum())
            n_reference += _keeps_reference(result, place, kept)
        if n_kept == n_reference:
            but = " but the reference pixel" if n_reference else ""
            raise InputError(
                f"found limits that keep none of the {shape[0] * shape[1]:,} pixels{but}: {rule.text}. Give "
                "limits that keep some."
            )
    return MaskSummary(rule.text, n_kept, shape[0] * shape[1])


def _keeps_reference(result: xr.Dataset, place: dict[str, slice], kept: NDArray[np.bool_]) -> int:
    """Return 1 if the reference pixel is in a tile, and kept; it has the best quality by definition."""
    point = result.attrs.get("reference_point")
    if point is None:
        return 0
    row, column = point[0] - place["y"].start, point[1] - place["x"].start
    is_here = 0 <= row < kept.shape[0] and 0 <= column < kept.shape[1]
    return int(is_here and kept[int(row), int(column)])


def _tile_of(tiles: ResultTiles) -> Shape:
    first = tiles.places[0]
    return first["y"].stop, first["x"].stop


def unmask_result(result: Path | str, **limits: Any) -> None:
    """Remove the mask of a result, if it has one.

    Parameters
    ----------
    result
        Path of the result.
    **limits
        Of a mask, by name; there are none where there is no mask.

    Raises
    ------
    OptionError
        A limit is given.
    InputError
        There is no result, or another run writes to it.
    """
    check_kind("result", result, *PATH)
    path = Path(result)
    if given := [name for name, value in limits.items() if value is not None]:
        raise OptionError(f"found {option(given[0])} and --remove; give one of them.")
    check_result(path)
    with locked(path):
        remove_mask(path)
