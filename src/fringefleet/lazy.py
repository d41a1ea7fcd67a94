"""Lazy form, for notebooks: a Dataset in, a lazy Dataset out. For large scenes use the run form."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.kinds import check_two_numbers
from fringefleet.arguments.shapes import Shape
from fringefleet.execution import graph
from fringefleet.execution.compose import with_changes
from fringefleet.execution.memory_model import ComputeResources
from fringefleet.execution.prepare import prepare
from fringefleet.execution.setting import Setting
from fringefleet.execution.tiling import check_tile, choose_tile
from fringefleet.io.stack import open_stack, stored_tile
from fringefleet.options import Options


@checked_call
def invert(
    stack: xr.Dataset | Path | str,
    options: Options | None = None,
    *,
    setting: Setting | None = None,
    chunks: Shape | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Invert a stack lazily: nothing is computed until the result is used.

    Parameters
    ----------
    stack
        Path, or as returned by :func:`open_stack`, whole or in part, with or without the reference point; its
        chunks in y and x are the tiles of the result.
    options, setting
        Options of the inversion, and facts that the stack does not contain.
    chunks
        Rows and columns of a tile, instead of the chunks of the stack.
    **changes
        Single fields of either, by name: ``invert(stack, weight_func="coh", reference_point=(10, 20))``.

    Returns
    -------
    xarray.Dataset
        ``displacement`` (date, y, x) [m], positive towards the satellite; ``temporal_coherence``,
        ``residual_rms`` [rad], ``pair_count``, ``n_components``, ``status`` (y, x); ``gap_filled`` (date, y,
        x); and what the options request in addition (:mod:`fringefleet.products.registry`; the table of pairs
        needs all tiles, so only :func:`fringefleet.run` provides it). NaN where there is no estimate;
        ``status`` gives the reason.

    Raises
    ------
    InputError
        One of its subclasses: an input cannot be used. Raised now, not when the result is computed.

    Examples
    --------
    >>> from fringefleet.simulate import Scene, simulate_dataset
    >>> stack, truth = simulate_dataset(Scene(n_date=5, shape=(8, 8)))
    >>> result = invert(stack, min_norm="phase")
    >>> result.displacement.sizes["date"], float(result.temporal_coherence.min()) > 0.5
    (5, True)
    """
    if not isinstance(stack, xr.Dataset):
        stack = open_stack(stack)
    options, setting = with_changes(options or Options(), setting or Setting(), changes)
    if chunks is not None:
        check_two_numbers("chunks", chunks, "rows and columns of a tile")
    prepared = prepare(stack, options, setting)
    cut = prepared.stack
    if chunks is not None or not cut[options.observation].chunks:
        shape = (cut.sizes["y"], cut.sizes["x"])
        tile = chunks or choose_tile(shape, stored_tile(cut), prepared.scene.network, options)
        check_tile(tile, prepared.scene.network, options, ComputeResources())
        cut = graph.chunk(cut, tile)
    else:
        cut = graph.chunk(cut, (max(cut.chunksizes["y"]), max(cut.chunksizes["x"])))
    return graph.invert_lazily(replace(prepared, stack=cut), options)
