"""Folders as MintPy has them: the two scenes of the stored comparison, and changes of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

CYCLE = np.float32(2 * np.pi)
SUFFIXES = ("_bridging", "_phaseClosure", "_bridging_phaseClosure")


def nasty(data: Path, folder: Path) -> None:
    """Simulated scene with every structural trouble, in radar geometry, as a project folder."""
    scene = data / "nasty_24"
    for name in ("inputs/ifgramStack.h5", "inputs/geometryRadar.h5", "waterMask.h5", "smallbaselineApp.cfg"):
        copy(scene / name, folder / name)


def mexico(data: Path, folder: Path) -> None:
    """Real scene in geographic coordinates, as a project folder."""
    for name in ("ifgramStack.h5", "geometryGeo.h5"):
        copy(data / "mexico_city" / name, folder / "inputs" / name)
    (folder / "smallbaselineApp.cfg").write_text("mintpy.networkInversion.weightFunc = auto\n")


def copy(source: Path, target: Path) -> None:
    """Copy a file, which may be read-only, to be written to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def stack(folder: Path) -> h5py.File:
    """Open the stack of a folder to change it."""
    return h5py.File(folder / "inputs" / "ifgramStack.h5", "r+")


def turn_pairs_round(folder: Path) -> None:
    """Put the later date first in every third pair, with the signs of its phase and baseline."""
    with stack(folder) as file:
        for index in range(0, len(file["date"]), 3):
            file["date"][index] = file["date"][index][::-1]
            file["bperp"][index] *= -1
            file["unwrapPhase"][index] *= -1


def drop_pairs(folder: Path) -> None:
    """Drop every fifth pair, and all of the first and of the last date."""
    with stack(folder) as file:
        dates = file["date"][:]
        dropped = np.isin(dates, [min(dates.flat), max(dates.flat)]).any(axis=1)
        dropped[::5] = True
        file["dropIfgram"][:] = ~dropped


def put_coherence_at_threshold(folder: Path) -> None:
    """Give every other column a coherence that is the threshold 0.45 as near as float32 can say it."""
    with stack(folder) as file:
        coherence = file["coherence"][:]
        coherence[:, :, ::2] = 0.45
        file["coherence"][:] = coherence


def add_corrected_phases(folder: Path) -> None:
    """Add what the corrections of unwrapping errors write: the phases, with other cycles at some pixels."""
    with stack(folder) as file:
        for cycles, suffix in enumerate(SUFFIXES, start=1):
            phase = file["unwrapPhase"][:]
            phase[::4, : 10 * cycles] += np.where(phase[::4, : 10 * cycles] == 0, 0, cycles * CYCLE)
            file[f"unwrapPhase{suffix}"] = phase
            file[f"unwrapPhase{suffix}"].attrs.update(MODIFICATION_TIME="0", UNIT="radian")


def add_second_water_mask(folder: Path) -> None:
    """Add the dataset ``mask`` to the water mask, with other water than ``waterMask``."""
    with h5py.File(folder / "waterMask.h5", "r+") as file:
        land = file["waterMask"][:]
        land[:15] = False
        file["mask"] = land


def add_average_coherence(folder: Path, name: str = "avgSpatialCoh.h5") -> None:
    """Put the file beside the inputs that MintPy skips pixels by, with zeros at good pixels."""
    with stack(folder) as file, h5py.File(folder / name, "w") as average:
        mean = np.nan_to_num(file["coherence"][:]).mean(axis=0)
        mean[5:12, 10:30] = 0
        average["coherence"] = mean.astype("f4")
        average.attrs.update(file.attrs, FILE_TYPE="coherence", UNIT="1")


def make_ion_stack(folder: Path) -> None:
    """Name the stack as that of an ionosphere, with its own average coherence."""
    add_average_coherence(folder, "avgSpatialCohIon.h5")
    (folder / "inputs" / "ifgramStack.h5").rename(folder / "inputs" / "ionStack.h5")


def configure(*lines: str) -> Callable[[Path], None]:
    """Make the change that adds lines to the configuration of a project; the last value of a key counts."""

    def change(folder: Path) -> None:
        with (folder / "smallbaselineApp.cfg").open("a") as file:
            file.writelines(f"\n{line}" for line in lines)

    return change


def cast_shadow(folder: Path) -> None:
    """Put some good pixels into the shadow of the radar."""
    with h5py.File(folder / "inputs" / "geometryRadar.h5", "r+") as file:
        file["shadowMask"][20:25, 5:45] = True


def add_slant_range(folder: Path) -> None:
    """Add what a geocoded geometry needs for the DEM error besides the incidence angle."""
    with h5py.File(folder / "inputs" / "geometryGeo.h5", "r+") as file:
        file["slantRangeDistance"] = np.full(file["height"].shape, 880_000, "f4")
