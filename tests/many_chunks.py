"""Scenes of any size: the files of the chunks of a small one, linked or copied to many places."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from fringefleet.simulate import Scene, simulate_stack

GRIDDED = ("unwrapped_phase", "coherence")


def simulate_many(
    scene: Scene, copies: tuple[int, int], target: Path, put: Callable[[Path, Path], object] = os.link
) -> None:
    """Simulate a scene that is whole chunks, and make one of so many copies of it, down and across.

    Parameters
    ----------
    scene
        The small one.
    copies
        Down and across.
    target
        The store.
    put
        Brings a file to the place of a copy. Links take no room; what is read of copies comes from as much
        memory as that of a real scene.
    """
    small = target.with_name(f"small-{target.name}")
    simulate_stack(scene, small)
    target.mkdir()
    shutil.copyfile(small / "zarr.json", target / "zarr.json")
    edit(target / "zarr.json", lambda said: said.pop("consolidated_metadata", None))
    group = zarr.open_group(small, mode="r", use_consolidated=False)
    for name, array in group.arrays():
        if name in GRIDDED:
            (target / name).mkdir()
            shutil.copyfile(small / name / "zarr.json", target / name / "zarr.json")
            edit(target / name / "zarr.json", lambda said: _enlarge(said, copies))
            _put_all(small / name / "c" / "0", target / name / "c" / "0", array.cdata_shape[1:], copies, put)
        elif name in ("y", "x"):
            step = float(np.diff(array[:2])[0])
            values = array[0] + step * np.arange(copies["yx".index(name)] * array.size)
            attributes = dict(array.attrs)
            zarr.create_array(target / name, data=values, attributes=attributes, dimension_names=[name])
        else:
            shutil.copytree(small / name, target / name)
    for path in (small, small.with_name(small.name.removesuffix(".zarr") + "_truth.zarr")):
        shutil.rmtree(path, ignore_errors=True)


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a file of JSON."""
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))


def _enlarge(said: dict[str, Any], copies: tuple[int, int]) -> None:
    n_pair, *shape = said["shape"]
    said["shape"] = [n_pair, *(size * n for size, n in zip(shape, copies, strict=True))]


def _put_all(
    source: Path,
    target: Path,
    n_chunk: tuple[int, ...],
    copies: tuple[int, int],
    put: Callable[[Path, Path], object],
) -> None:
    """Bring each file to the places of all its copies."""
    for file in source.glob("*/*"):
        for i, j in np.ndindex(*copies):
            place = (
                target / str(int(file.parent.name) + i * n_chunk[0]) / str(int(file.name) + j * n_chunk[1])
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            put(file, place)
