"""Dask graphs: a Dataset in, a lazy Dataset or tasks out. The only module that builds graphs.

The same block function takes two forms. :func:`invert_lazily` lifts it over xarray (``xr.map_blocks`` with a
template), for notebooks: compose, slice, plot, ``.to_zarr``. :func:`block_tasks` lifts it, or any other, over
Dask arrays (``dask.array.map_blocks``) so that reading, computing and writing a tile fuse to exactly one
task: no large array ever crosses the network. It remains one task because the stack is opened without chunks,
subset and only then chunked, the reference phases are numbers, and nothing drops an axis. Dask passes the
task its pieces of the stack unread, so that reading is timed, and fails, where the tile is known.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import optimize
from dask.core import flatten
from dask.delayed import Delayed
from dask.optimization import cull
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.engine.context import InversionContext
from fringefleet.execution.inversion import Inversion, invert_dataset
from fringefleet.execution.tile import BlockFunction, FoldedVariable, LazyVariable, Tile, WorkerRules, Write
from fringefleet.importing import without_collection
from fringefleet.io.lazy.decoded import STORED_AS
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.io.placeholders import placeholder
from fringefleet.network.design_matrix import date_baselines
from fringefleet.options import Options
from fringefleet.processes.dask_defaults import with_graph_defaults
from fringefleet.processes.versions import software_versions, versions_that_must_agree
from fringefleet.products.provenance import Provenance, provenance_of
from fringefleet.products.quantization import CONTAINER, quantization_info
from fringefleet.products.registry import wanted_variables

_N_AXIS = 3  # of the input of a tile: pairs or dates, y and x

if TYPE_CHECKING:  # a worker does not need the code that checks the stack
    from fringefleet.execution.prepare import Prepared


def chunk(stack: xr.Dataset, tile: Shape) -> xr.Dataset:
    """Chunk a stack or a result in y and x, with all pairs or dates of a pixel together."""
    sizes = {"y": tile[0], "x": tile[1]}
    return stack.chunk({dim: sizes.get(str(dim), -1) for dim in stack.dims})


@with_graph_defaults
def result_template(prepared: "Prepared", options: Options, tile: Shape) -> xr.Dataset:
    """Build a result without values: shapes, chunks, coordinates and attributes of the real one."""
    stack, scene = prepared.stack, prepared.scene
    n_date = scene.network.n_date
    sizes = {"date": n_date, "date2": n_date, "y": stack.sizes["y"], "x": stack.sizes["x"]}
    chunks = {"date": -1, "date2": -1, "y": tile[0], "x": tile[1]}
    mapping = stack[options.observation].attrs.get("grid_mapping")
    variables = {}
    for name, variable in wanted_variables(options).items():
        empty = placeholder(
            name,
            tuple(sizes[dim] for dim in variable.dims),
            variable.dtype,
            tuple(chunks[dim] for dim in variable.dims),
        )
        attrs = {**variable.attrs, **({"grid_mapping": mapping} if mapping else {})}
        variables[name] = (variable.dims, empty, attrs)
    result = xr.Dataset(variables, coords=_coordinates(stack, scene, options))
    return with_own_attributes(result.assign_attrs(stack.attrs | _provenance(prepared, options)))


def invert_lazily(prepared: "Prepared", options: Options) -> xr.Dataset:
    """Lift the block function over a chunked stack; nothing is read or solved yet."""
    stack = prepared.stack
    tile = (stack.chunksizes["y"][0], stack.chunksizes["x"][0])
    template = result_template(prepared, options, tile)
    point = None if prepared.zero_point is None else _reference_coordinates(stack)
    is_coarse = _is_coarse(prepared, options)
    kwargs = {"scene": prepared.scene, "options": options, "point": point, "is_coarse": is_coarse}
    result: xr.Dataset = xr.map_blocks(_invert_dataset, stack, kwargs=kwargs, template=template)
    return result


def _invert_dataset(
    stack: xr.Dataset, *, options: Options, scene: InversionContext, **how: Any
) -> xr.Dataset:
    """Invert one block of a stack given as a Dataset."""
    variables = invert_dataset(stack, options=options, scene=scene, **how)
    return xr.Dataset(variables, coords=_coordinates(stack, scene, options))


def _compute_tile(
    *pieces: NDArray[Any] | LazyVariable, block_info: Mapping[Any, Any], **how: Any
) -> NDArray[np.object_]:
    """Read, compute and write one tile; Dask fills the argument ``block_info`` by its name."""
    with without_collection():
        from fringefleet.execution.tasks import compute_tile  # noqa: PLC0415 - only where tiles are computed

    return compute_tile(*pieces, block_info=block_info, **how)


@with_graph_defaults
def tile_tasks(
    prepared: "Prepared",
    options: Options,
    tile: Shape,
    write: Write,
    *,
    accept_touched: bool = False,
    n_on_cores: Mapping[str, int] | None = None,
) -> list[tuple[Tile, Delayed]]:
    """Make one task for each tile of a stack to be inverted: see :func:`block_tasks`.

    Parameters
    ----------
    prepared
        A stack that is not chunked yet.
    options
        Options of the inversion.
    tile
        Rows and columns of a tile.
    write
        Function that writes a tile and its result, on the worker.
    accept_touched
        Whether files that differ only in their modification time count as unchanged.
    n_on_cores
        Number of workers by name of their cores.
    """
    inversion = Inversion(prepared.scene, options, prepared.zero_point, _is_coarse(prepared, options))
    return block_tasks(
        prepared.stack,
        tile,
        inversion.as_function(),
        write,
        source=prepared.source,
        rules=worker_rules(accept_touched=accept_touched, n_on_cores=n_on_cores),
    )


def worker_rules(*, accept_touched: bool = False, n_on_cores: Mapping[str, int] | None = None) -> WorkerRules:
    """Return rules that require the software of this process; the rest as for :func:`tile_tasks`."""
    return WorkerRules(versions_that_must_agree(software_versions()), accept_touched, n_on_cores or {})


@with_graph_defaults
def block_tasks(
    data: xr.Dataset,
    tile: Shape,
    function: BlockFunction,
    write: Write,
    *,
    source: str | Path | None = None,
    rules: WorkerRules | None = None,
) -> list[tuple[Tile, Delayed]]:
    """Make one task for each tile of a stack or of a result: read, compute, write.

    Parameters
    ----------
    data
        A Dataset that is not chunked yet; otherwise a tile may take more than one task. All of its variables
        are read; at least one has an axis before y and x.
    tile
        Rows and columns of a tile.
    function
        Function of the arrays of a tile.
    write
        Function that writes a tile and its result, on the worker.
    source
        Origin of the data, for messages.
    rules
        Requirements on a worker; by default the software of this process.

    Returns
    -------
    list of tuple
        Each tile and its task, whose result is a :class:`~fringefleet.execution.tile.TileReport`.
    """
    cut = chunk(data, tile)
    # A variable with three axes first: its chunks identify the tile of a task.
    names = sorted(map(str, cut.data_vars), key=lambda name: cut[name].ndim != _N_AXIS)
    of_source = f" of {source}" if source else ""
    arrays = [_unread(data[name].variable, f"{name}{of_source}", cut[name].data) for name in names]
    rows, columns = arrays[0].numblocks[1:]
    n_axis = max(array.ndim for array in arrays)
    reports = da.map_blocks(
        _compute_tile,
        *arrays,
        names=tuple(names),
        function=function,
        rules=rules or worker_rules(),
        write=write,
        token=function.name,
        dtype=object,
        chunks=(*[(1,)] * (n_axis - 2), (1,) * rows, (1,) * columns),
        meta=np.empty((0,) * n_axis, dtype=object),
    )
    return _one_graph_each(reports, tile, (cut.sizes["y"], cut.sizes["x"]))


def _unread(variable: xr.Variable, what: str, chunked: da.Array) -> da.Array:
    """Keep the pieces of a variable from a file unread; a map in memory is cut as it is."""
    if variable.ndim < _N_AXIS or variable.chunks is not None:
        return chunked
    whole = (LazyVariable if variable.ndim == _N_AXIS else FoldedVariable)(variable, what)
    chunks = ((whole.shape[0],), *chunked.chunks[-2:])
    # The name is that of the content, which xarray finds without reading it.
    name, meta = f"unread-{chunked.name}", np.empty((0,) * whole.ndim, whole.dtype)
    unread: da.Array = da.from_array(whole, chunks=chunks, name=name, asarray=False, meta=meta)
    return unread


def _one_graph_each(reports: da.Array, tile: Shape, shape: Shape) -> list[tuple[Tile, Delayed]]:
    """Split the optimised graph, so that the cost of submitting a tile does not depend on their number."""
    (optimised,) = optimize(reports)
    graph = dict(optimised.__dask_graph__())
    tasks = []
    for key in flatten(optimised.__dask_keys__()):
        i, j = key[-2:]
        y = slice(i * tile[0], min((i + 1) * tile[0], shape[0]))
        x = slice(j * tile[1], min((j + 1) * tile[1], shape[1]))
        own, _ = cull(graph, [key])
        tasks.append((Tile((i, j), y, x), Delayed(key, own)))
    return tasks


def _is_coarse(prepared: "Prepared", options: Options) -> bool:
    """Return whether observations are stored so coarsely that many are equal."""
    return STORED_AS in prepared.stack[options.observation].attrs


def _reference_coordinates(stack: xr.Dataset) -> tuple[float, float]:
    return stack.attrs["reference_point_y"], stack.attrs["reference_point_x"]


def _coordinates(stack: xr.Dataset, scene: InversionContext, options: Options) -> dict[str, Any]:
    times = scene.network.times.astype("datetime64[ns]")
    coordinates: dict[str, Any] = {"date": ("date", times)}
    if options.covariance:
        coordinates["date2"] = ("date2", times)
    if "perpendicular_baseline" in stack.coords:
        baseline = date_baselines(scene.network, stack["perpendicular_baseline"].values)
        attrs = {"units": "m", "long_name": "perpendicular baseline relative to the first date"}
        coordinates["perpendicular_baseline"] = ("date", baseline, attrs)
    if options.keep_bits is not None:
        coordinates[CONTAINER] = quantization_info()
    for name in ("y", "x", "spatial_ref"):
        if name in stack.coords:
            coordinates[name] = stack[name].variable
    return coordinates


def _provenance(prepared: "Prepared", options: Options) -> dict[str, Any]:
    scene, setting = prepared.scene, prepared.setting
    made = Provenance(
        network=scene.network,
        moments=scene.moments,
        reference_date=scene.network.dates[scene.reference_date],
        options=options,
        metres_per_unit=scene.metres_per_unit,
        skip_reference=setting.skip_reference,
        drop_unreferenced=setting.drop_unreferenced,
        water_mask=setting.water_mask,
        average_coherence=setting.average_coherence,
        selected=prepared.selection.given,
        source=prepared.source,
    )
    return {
        **provenance_of(made),
        **({"wavelength": scene.wavelength} if not options.is_offset else {}),
        **({"looks": scene.looks} if scene.looks else {}),
        **({"reference_choice": setting.reference} if setting.reference != "stack" else {}),
        **({"reference_window": setting.reference_window} if setting.reference_window > 1 else {}),
    }
