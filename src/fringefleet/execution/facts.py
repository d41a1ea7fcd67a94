"""Facts that the result of a run depends on, by the names of the options where there is one."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from fringefleet.arguments.shapes import Shape
from fringefleet.execution.prepare import Prepared
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.store.origin import DIGESTS, Origin
from fringefleet.io.zarr.files import version_of_used
from fringefleet.network.network import date_name
from fringefleet.options import Options

_EXECUTION_ONLY = ("device", "gpu_chunk_size")  # options that do not affect results


def origin_of(prepared: Prepared, options: Options, tile: Shape, source: FilesVersion) -> Origin:
    """Collect the facts that a result depends on.

    Parameters
    ----------
    prepared
        The stack, and the context shared by all tiles.
    options
        Options of the inversion.
    tile
        Rows and columns of a tile.
    source
        Version of the files of the stack, taken before anything was read.
    """
    scene, stack, setting = prepared.scene, prepared.stack, prepared.setting
    network = scene.network
    facts: dict[str, Any] = {
        **{name: value for name, value in asdict(options).items() if name not in _EXECUTION_ONLY},
        "solver": options.algorithm,
        "reference_point": prepared.reference_point,
        "reference_date": date_name(network.dates[scene.reference_date]),
        "skip_reference": setting.skip_reference,
        "drop_unreferenced": setting.drop_unreferenced,
        "wavelength": scene.wavelength if math.isfinite(scene.wavelength) else None,
        "looks": scene.looks,
        **{name: _given(getattr(setting, name)) for name in ("water_mask", "average_coherence", "geometry")},
        "chunks": tile,
        "number of dates": network.n_date,
        "number of pairs": network.n_pair,
        "version of fringefleet": version("fringefleet"),
        DIGESTS: {
            "the dates of the pairs": _digest([*network.dates, *map(str, network.pair_array.ravel())]),
            "the phases at the reference point": _digest(map(str, scene.reference_values)),
            "the perpendicular baselines": _digest(map(str, scene.baseline)),
            "the medians of the offsets": _digest(map(str, scene.medians)),
            "the metres of a pixel": _digest([str(scene.metres_per_pixel)]),
            "the geometry": _digest_of_map(stack, "range_sine") or _digest([str(scene.range_sine)]),
            "the water mask or the average coherence": _digest_of_map(stack, "water_mask"),
        },
    }
    return Origin(facts, version_of_used(source, map(str, stack.data_vars)))


def _given(map_or_file: Any) -> str | None:
    """Return whether a map is given; its content has a digest, and its location does not matter."""
    return None if map_or_file is None else "given"


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def _digest_of_map(stack: xr.Dataset, name: str) -> str:
    """Compute the digest of a map that did not come with the stack."""
    if name not in stack:
        return ""
    return hashlib.sha256(np.ascontiguousarray(stack[name].values).tobytes()).hexdigest()[:16]
