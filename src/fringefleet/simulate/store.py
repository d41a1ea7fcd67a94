"""Simulated scene as xarray Datasets, in memory or streamed to Zarr."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.paths import make_folder
from fringefleet.io.placeholders import placeholder
from fringefleet.io.store.staging import consolidate_metadata, staged_store
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.complete import all_chunks_written, note_all_chunks
from fringefleet.processes.dask_defaults import with_graph_defaults
from fringefleet.simulate.config import LOOKS, WAVELENGTH, Scene, mintpy_attributes
from fringefleet.simulate.faults import dem_error_tile, draw_faults
from fringefleet.simulate.physics import (
    RandomFields,
    displacement_tile,
    draw_fields,
    observe_tile,
    tiles,
)

_DEM_ERROR_NAME = "DEM error relative to the reference point"


@checked_call
def simulate_dataset(scene: Scene) -> tuple[xr.Dataset, xr.DataArray]:
    """Make a small scene in memory.

    Returns
    -------
    stack, displacement
        The stack of interferograms, and the truth [m], positive towards the satellite, relative to
        the first date and the reference point.

    Examples
    --------
    >>> stack, truth = simulate_dataset(Scene(n_date=4, neighbours=2, shape=(3, 5)))
    >>> dict(stack.sizes), dict(truth.sizes)
    ({'pair': 5, 'y': 3, 'x': 5}, {'date': 4, 'y': 3, 'x': 5})
    """
    fields = draw_fields(scene)
    n_pair = len(scene.pairs)
    phase, coherence = (np.empty((n_pair, *scene.shape), np.float32) for _ in range(2))
    displacement = np.empty((scene.n_date, *scene.shape), np.float32)
    for tile in tiles(scene):
        part = ..., tile.rows, tile.columns
        displacement[part] = displacement_tile(scene, fields, tile.rows, tile.columns)
        phase[part], coherence[part] = observe_tile(scene, fields, tile, displacement[part])
    truth = _to_truth(scene, displacement)
    return _to_stack(scene, fields, phase, coherence), truth["displacement"]


@checked_call
def true_dem_error(scene: Scene) -> xr.DataArray:
    """Make the DEM error of a small scene [m], relative to the reference point.

    Examples
    --------
    >>> true_dem_error(Scene(shape=(8, 9), dem_error_std=5.0)).sizes["x"]
    9
    """
    values = dem_error_tile(scene, draw_faults(scene), *(slice(0, length) for length in scene.shape))
    return xr.DataArray(values, _place(scene), ("y", "x"), attrs=_gridded(_DEM_ERROR_NAME, "m"))


@checked_call
def simulate_stack(
    scene: Scene,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a scene of any size to disk, tile by tile, and its truth next to it.

    Parameters
    ----------
    output
        Folder of the Zarr store. Both stores have temporary names until they are complete.
    overwrite
        Replace existing stores; anything else is left untouched.
    progress
        Called after each tile with the number of pixels done and the total number.

    Returns
    -------
    Path
        Store of the truth, see :func:`truth_path`: ``displacement``, and ``dem_error`` if the scene has
        one.

    Raises
    ------
    OutputExistsError
        The output or its truth exists; or it is not a Zarr store and must not be overwritten.

    Examples
    --------
    >>> simulate_stack(Scene(n_date=5, shape=(8, 8)), "scene.zarr").name
    'scene_truth.zarr'
    """
    output, truth = Path(output), truth_path(output)
    with (
        staged_store(output, overwrite=overwrite) as partial_stack,
        staged_store(truth, overwrite=overwrite) as partial_truth,
        all_chunks_written(),
    ):
        _stream(scene, partial_stack, partial_truth, progress)
        note_all_chunks(partial_stack)
    return truth


@checked_call
def truth_path(output: str | Path) -> Path:
    """Return the path of the truth of a simulated stack.

    Examples
    --------
    >>> truth_path("scene/stack.zarr").as_posix()
    'scene/stack_truth.zarr'
    """
    output = Path(output)
    return output.with_name(output.name.removesuffix(".zarr") + "_truth.zarr")


def _stream(scene: Scene, output: Path, truth: Path, progress: Callable[[int, int], None] | None) -> None:
    fields = draw_fields(scene)
    stack_group, truth_group = _create_stores(scene, fields, output, truth)
    done, total = 0, scene.shape[0] * scene.shape[1]
    for tile in tiles(scene):
        part = slice(None), tile.rows, tile.columns
        displacement = displacement_tile(scene, fields, tile.rows, tile.columns)
        phase, coherence = observe_tile(scene, fields, tile, displacement)
        array_in(stack_group, "unwrapped_phase")[part] = phase
        array_in(stack_group, "coherence")[part] = coherence
        array_in(truth_group, "displacement")[part] = displacement
        if scene.dem_error_std:
            height = dem_error_tile(scene, fields.faults, tile.rows, tile.columns)
            array_in(truth_group, "dem_error")[part[1:]] = height
        done += phase[0].size
        if progress is not None:
            progress(done, total)
    consolidate_metadata(output)
    consolidate_metadata(truth)


@with_graph_defaults
def _create_stores(
    scene: Scene, fields: RandomFields, output: Path, truth: Path
) -> tuple[zarr.Group, zarr.Group]:
    """Write everything except the tiles: metadata and coordinates, as xarray would."""
    pairs, dates = ((n, *scene.shape) for n in (len(scene.pairs), scene.n_date))
    empty_pairs = placeholder("pairs", pairs, "f4", (pairs[0], *scene.tile))
    empty_dates = placeholder("dates", dates, "f4", (dates[0], *scene.tile))
    _create(_to_stack(scene, fields, empty_pairs, empty_pairs), output, (pairs[0], *scene.tile))
    known = _to_truth(scene, empty_dates)
    if scene.dem_error_std:
        empty = placeholder("dem_error", scene.shape, "f4", scene.tile)
        known["dem_error"] = (("y", "x"), empty, _gridded(_DEM_ERROR_NAME, "m"))
    _create(known, truth, (dates[0], *scene.tile))
    return zarr.open_group(output, mode="r+"), zarr.open_group(truth, mode="r+")


def _create(dataset: xr.Dataset, path: Path, chunks: tuple[int, int, int]) -> None:
    codec = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
    encoding = {
        str(name): {"chunks": chunks[-data.ndim :], "compressors": [codec]}
        for name, data in dataset.data_vars.items()
    }
    make_folder(path.parent)
    dataset.to_zarr(path, compute=False, encoding=encoding, zarr_format=3, consolidated=False)


def _to_stack(scene: Scene, fields: RandomFields, phase: Any, coherence: Any) -> xr.Dataset:
    i, j = np.array(scene.pairs).T
    dims = ("pair", "y", "x")
    dates = scene.dates.astype("datetime64[ns]")
    baseline = fields.baseline[j] - fields.baseline[i]
    row, column = scene.reference_point
    return xr.Dataset(
        {
            "unwrapped_phase": (dims, phase, _gridded("unwrapped interferometric phase", "rad")),
            "coherence": (dims, coherence, _gridded("spatial coherence", "1")),
        },
        coords={
            "reference_date": ("pair", dates[i], {"long_name": "first date of the pair"}),
            "secondary_date": ("pair", dates[j], {"long_name": "second date of the pair"}),
            "perpendicular_baseline": (
                "pair",
                baseline,
                {"long_name": "perpendicular baseline", "units": "m"},
            ),
            **_place(scene),
        },
        attrs={
            "wavelength": WAVELENGTH,
            "looks": LOOKS,
            "reference_point": [row, column],
            "reference_point_y": float(scene.latitude[row]),
            "reference_point_x": float(scene.longitude[column]),
            "date_format": "%Y%m%d",
            **mintpy_attributes(scene),
        },
    )


def _to_truth(scene: Scene, displacement: Any) -> xr.Dataset:
    name = "line-of-sight displacement with atmospheric delay, towards the satellite"
    return xr.Dataset(
        {"displacement": (("date", "y", "x"), displacement, _gridded(name, "m"))},
        coords={
            "date": ("date", scene.dates.astype("datetime64[ns]"), {"standard_name": "time"}),
            **_place(scene),
        },
        attrs={"title": "truth of a simulated stack", "wavelength": WAVELENGTH},
    )


def _gridded(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units, "grid_mapping": "spatial_ref"}


def _place(scene: Scene) -> dict[str, Any]:
    latitude = {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"}
    longitude = {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"}
    return {
        "y": ("y", scene.latitude, latitude),
        "x": ("x", scene.longitude, longitude),
        "spatial_ref": ((), np.int32(0), pyproj.CRS.from_epsg(4326).to_cf()),
    }
