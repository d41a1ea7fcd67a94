"""A small stack of every reader of folders, as its processor writes it, and how to change it."""

import functools
import shutil
import tempfile
from pathlib import Path

import h5py

from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar, test_gunw, test_isce

BURST = "t042_088905_iw1_20180106.h5"
CONFIG = f"input_options:\n  wavelength: 0.05546576\ncslc_file_list:\n  - /data/{BURST}\n"


def write_dolphin(root):
    geotiffs.dolphin(root, checks.simulated())
    (root / "dolphin_config.yaml").write_text(CONFIG)
    return root


STACKS = {
    "HyP3 GAMMA": lambda root: geotiffs.hyp3_gamma(root, checks.simulated()),
    "HyP3 burst": lambda root: geotiffs.hyp3_burst(root, checks.simulated()),
    "LiCSAR": lambda root: geotiffs.licsar(root, checks.simulated()).parent,
    "dolphin": write_dolphin,
    "ISCE2": test_isce.write_work,
    "ARIA-tools": test_aria.write_work,
    "GUNW": test_gunw.write_folder,
    "GMTSAR": test_gmtsar.write_stack,
}


@functools.cache
def _written(name):
    """Write a stack once in a process; the folder is removed with the last use of the object."""
    folder = tempfile.TemporaryDirectory()
    STACKS[name](Path(folder.name) / "008A_10021_131313")
    return folder


def copy_of(name, folder):
    """A copy of a stack, to be spoilt."""
    return Path(shutil.copytree(Path(_written(name).name) / "008A_10021_131313", folder / "stack"))


def replace(root, pattern, *changes):
    """Change the text of all files of a pattern; something must change."""
    files = sorted(root.rglob(pattern))
    assert files
    for file in files:
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)


def set_wavelength(root, metres):
    """Write another wavelength into GUNW products."""
    for path in root.glob("*.nc"):
        with h5py.File(path, "r+") as file:
            file["science/radarMetaData/wavelength"][...] = metres


def rename(root, old, new):
    """Give all files in a folder, and below it, other names."""
    for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
        if old in path.name:
            path.rename(path.with_name(path.name.replace(old, new)))
