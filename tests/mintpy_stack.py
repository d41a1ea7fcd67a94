"""MintPy's ``ifgramStack.h5`` of a stack of ours, in the chunks that h5py chooses, as MintPy has them."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

NAMES = {"unwrapPhase": "unwrapped_phase", "coherence": "coherence"}


def write_mintpy_stack(stack: xr.Dataset, path: Path, step: int = 128) -> None:
    """Write phases and coherences, so many rows at a time.

    Parameters
    ----------
    stack
        With MintPy's attributes, which a simulated one has; those of its size are made anew.
    path
        Of the file.
    step
        Rows, best those of a chunk.
    """
    dates = np.stack([stack[name].values for name in ("reference_date", "secondary_date")], axis=1)
    n_pair, n_row, n_column = stack["coherence"].shape
    with h5py.File(path, "w") as file:
        file["date"] = np.char.replace(np.datetime_as_string(dates, "D"), "-", "").astype("S8")
        file["bperp"] = stack["perpendicular_baseline"].values.astype("f4")
        file["dropIfgram"] = np.ones(n_pair, bool)
        file.attrs.update({name: str(value) for name, value in stack.attrs.items() if name.isupper()})
        file.attrs.update({"LENGTH": str(n_row), "WIDTH": str(n_column)})
        for theirs, ours in NAMES.items():
            dataset = file.create_dataset(theirs, stack[ours].shape, "f4", chunks=True)
            for row in range(0, n_row, step):
                dataset[:, row : row + step] = stack[ours][:, row : row + step].values


def copy_project(shared_data: Path, folder: Path) -> Path:
    """Copy the simulated MintPy project, so that everything in it may be changed."""
    source = shared_data / "nasty_24"
    shutil.copytree(source / "inputs", folder / "inputs")
    for name in ("smallbaselineApp.cfg", "waterMask.h5"):
        shutil.copy(source / name, folder / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
