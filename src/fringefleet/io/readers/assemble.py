"""Assembly of pairs in separate files into one lazy Dataset, with consistency checks."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import leave_out
from fringefleet.io.dates import parse_dates, read_dates
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.grid import GRID_MAPPING
from fringefleet.io.lazy.decoded import quantised
from fringefleet.io.mintpy.metadata import derived_attributes
from fringefleet.io.quantities import quantity_of, unit_factor
from fringefleet.io.readers.extent import cut_to_common
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.incomplete import check_complete
from fringefleet.io.readers.pair_images import ImageStack, Layer
from fringefleet.network.network import shorten

_VARIABLES: dict[str, tuple[str, dict[str, str]]] = {
    "unwrapped_phase": ("f4", {"long_name": "unwrapped phase", "units": "rad"}),
    "coherence": ("f4", {"long_name": "spatial coherence", "units": "1"}),
    "connected_component": ("u2", {"long_name": "connected component"}),
}
_NEEDED = ("unwrapped_phase", "coherence")
# MintPy's names of constants of a stack; they must be given for all pairs.
_CONSTANTS = (
    *("PLATFORM", "WAVELENGTH", "ALOOKS", "RLOOKS", "NCORRLOOKS", "ANTENNA_SIDE", "beam_mode"),
    *("RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE"),
)
_SAME_FOR_ALL = ("ORBIT_DIRECTION", *_CONSTANTS[:6])


@dataclass(frozen=True)
class Pair:
    """Pair with its images.

    ``name``: by which the user finds it in the folder. ``dates``: as text (see
    :func:`~fringefleet.io.dates.parse_dates`); the phase is that of the second minus that of the first, and
    either may be the earlier one. ``layers``: by our name of the variable, those of ``_VARIABLES`` that
    exist. ``attrs``: by MintPy's names where MintPy has one. ``baseline``: perpendicular, of the second
    date relative to the first [m].
    """

    name: str
    dates: tuple[str, str]
    layers: Mapping[str, Layer]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    baseline: float | None = None


def assemble(folder: Path, pairs: Sequence[Pair], *, drop_incomplete: bool = False) -> xr.Dataset:
    """Combine pairs into a stack as :func:`fringefleet.open_stack` returns it, without reading the images.

    Pairs are sorted by their dates. Attributes are those of the first pair that has them, as in MintPy;
    constants of the radar and its pixels are dropped where not all pairs have them. Images with different
    extents on one lattice are cut to the common pixels.

    Parameters
    ----------
    folder
        Folder of the files.
    pairs
        At least one, in any order.
    drop_incomplete
        Omit pairs without a variable that others have.

    Raises
    ------
    StackFormatError
        Names the deviating one: its grid is on another lattice, a variable is missing that others have, its
        dates are invalid or those of another one, an attribute contradicts that of the others.
    """
    times, date_format = _times(pairs)
    order = np.lexsort((times[:, 1], times[:, 0])).tolist()
    pairs, times = [pairs[index] for index in order], times[order]
    _check_unique(pairs, times)
    names = _common_variables(pairs, drop_incomplete)
    kept = [number for number, pair in enumerate(pairs) if all(name in pair.layers for name in names)]
    if not kept:
        raise StackFormatError(f"every pair lacks one of {', '.join(names)}: none is left. Complete some.")
    pairs, times = [pairs[number] for number in kept], times[kept]
    n_pair = len(pairs)
    layers = cut_to_common([pair.layers[name] for name in names for pair in pairs])
    grid = layers[0].grid
    of_name = {name: layers[n * n_pair : (n + 1) * n_pair] for n, name in enumerate(names)}
    attrs = grid.attributes() | _common_attributes(pairs)
    stack = xr.Dataset(
        {name: _variable(name, of_name[name], grid) for name in names},
        _pair_coordinates(pairs, times) | grid.coordinates(),
        attrs | derived_attributes(attrs) | {"date_format": date_format},
    )
    if GRID_MAPPING in stack.coords:
        for variable in stack.data_vars.values():
            variable.attrs["grid_mapping"] = GRID_MAPPING
    files = (file for layer in layers for file in layer.image.versions)
    stack.encoding["version"] = FilesVersion.of(folder, files)
    stack.encoding["pair_folders"] = _pair_folders(folder, pairs)
    return stack


def _pair_folders(folder: Path, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Find the folders that contain the images of one pair only."""
    owners: dict[Path, set[str]] = {}
    for pair in pairs:
        for layer in pair.layers.values():
            owners.setdefault(Path(layer.image.versions[0].path).parent, set()).add(pair.name)
    place = folder.absolute()
    return tuple(str(path) for path, names in owners.items() if len(names) == 1 and path != place)


def _times(pairs: Sequence[Pair]) -> tuple[NDArray[np.datetime64], str]:
    for pair in pairs:
        try:
            read_dates(pair.dates)
        except StackFormatError as error:
            raise StackFormatError(f"{pair.name}: {error}") from error
    times, form = parse_dates(date for pair in pairs for date in pair.dates)
    return times.reshape(-1, 2), form


def _check_unique(pairs: Sequence[Pair], times: NDArray[np.datetime64]) -> None:
    seen: dict[frozenset[Any], Pair] = {}
    for pair, dates in zip(pairs, times, strict=True):
        other = seen.setdefault(frozenset(dates.tolist()), pair)
        if other is not pair:
            raise StackFormatError(
                f"found two interferograms of the dates {' and '.join(pair.dates)}: {other.name} and "
                f"{pair.name}; every pair may occur only once. Move one of them elsewhere."
            )


def _common_variables(pairs: Sequence[Pair], drop_incomplete: bool) -> list[str]:
    """Find the variables of the stack, and reject or drop pairs that lack one.

    Connected components, which only a mask needs, are dropped where not all pairs have them.
    """
    names = [name for name in _VARIABLES if any(name in pair.layers for pair in pairs)]
    if "coherence" not in names:
        leave_out("the coherence", f"found none for any of the {len(pairs)} pairs")
    for name in list(names):
        lacking = [pair.name for pair in pairs if name not in pair.layers]
        if lacking and name not in _NEEDED and not drop_incomplete:
            reason = f"{len(lacking)} of {len(pairs)} pairs have none: {shorten(lacking)}"
            leave_out(f"the variable {name}", f"{reason} (--drop-incomplete omits these pairs instead)")
            names.remove(name)
        else:
            check_complete(lacking, len(pairs), name, drop_incomplete=drop_incomplete)
    return names


def _common_attributes(pairs: Sequence[Pair]) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    for pair in reversed(pairs):
        attrs |= pair.attrs
    for name in _SAME_FOR_ALL:
        saying = [pair for pair in pairs if name in pair.attrs]
        odd = next((pair for pair in saying if not _same(pair.attrs[name], saying[0].attrs[name])), None)
        if odd is not None:
            raise StackFormatError(
                f"{odd.name} has {name} = {odd.attrs[name]!r}, but {saying[0].name} has "
                f"{saying[0].attrs[name]!r}; all pairs of a stack must have the same. Move the deviating "
                "ones "
                "elsewhere."
            )
    partly = [name for name in _CONSTANTS if name in attrs and any(name not in pair.attrs for pair in pairs)]
    if partly:
        lacking = [pair.name for pair in pairs if any(name not in pair.attrs for name in partly)]
        leave_out(
            ", ".join(partly), f"{len(lacking)} of {len(pairs)} pairs do not have it: {shorten(lacking)}"
        )
    for name in partly:
        del attrs[name]
    return attrs


def _same(one: Any, other: Any) -> bool:
    """Return whether two attributes are equal, to the precision of text files."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4)
    return bool(one == other)


def _pair_coordinates(pairs: Sequence[Pair], times: NDArray[np.datetime64]) -> dict[str, xr.Variable]:
    columns = times.astype("datetime64[ns]").T
    coords = {
        name: xr.Variable("pair", column, {"long_name": name.replace("_", " ")})
        for name, column in zip(("reference_date", "secondary_date"), columns, strict=True)
    }
    baselines = [pair.baseline for pair in pairs]
    if any(baseline is not None for baseline in baselines):
        values = np.array([np.nan if baseline is None else baseline for baseline in baselines], np.float32)
        attrs = {"long_name": "perpendicular baseline", "units": "m"}
        coords["perpendicular_baseline"] = xr.Variable("pair", values, attrs)
    return coords


def _variable(name: str, layers: Sequence[Layer], grid: Grid) -> xr.Variable:
    dtype, attrs = _VARIABLES[name]
    array = ImageStack([layer.image for layer in layers], grid.shape, dtype)
    said = {"units": unit} if (unit := _common_unit(name, layers)) else {}
    coarse = [quantised(array.dtype, np.dtype(layer.stored)) for layer in layers]
    said |= next((stored for stored in coarse if stored), {})
    variable = xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array), attrs | said)
    block = _usual(layer.block for layer in layers)
    if block is not None:
        rows, columns = (min(pair) for pair in zip(block, grid.shape, strict=True))
        variable.encoding["preferred_chunks"] = {"pair": 1, "y": rows, "x": columns}
    return variable


def _common_unit(name: str, layers: Sequence[Layer]) -> str | None:
    """Find the unit that all images declare; a missing one counts as ours."""
    quantity = quantity_of(name, {})
    if quantity is None:
        return None
    factors = [unit_factor(quantity, layer.unit) for layer in layers]
    odd = next((layer for layer, factor in zip(layers, factors, strict=True) if factor != factors[0]), None)
    if odd is not None:
        raise StackFormatError(
            f"the unit of {odd.name} is {odd.unit!r}, that of {layers[0].name} {layers[0].unit!r}; all "
            "images of a stack must be in the same one. Create or fetch the deviating ones again."
        )
    return next((layer.unit for layer in layers if layer.unit), None) if factors[0] != 1 else None


def _usual(blocks: Iterable[tuple[int, int] | None]) -> Shape | None:
    return Counter(blocks).most_common(1)[0][0]
