"""MintPy's maskTempCoh.h5: the pixels whose temporal coherence is high enough to be reliable.

``smallbaselineApp`` creates it at the end of the step, with ``generate_mask``: 1 where the temporal coherence
is at least a minimum and, if requested, the pixel is not in shadow.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import OptionError, StackFormatError
from fringefleet.io.hdf5.variables import dataset_in, open_hdf5
from fringefleet.io.mintpy.metadata import plain_attributes
from fringefleet.io.store.atomic_files import replaced_when_complete
from fringefleet.mintpy.template import PREFIX
from fringefleet.mintpy.up_to_date import SETTING_ATTRIBUTE

logger = logging.getLogger(__name__)

QUALITY = "temporalCoherence"
_SHADOW = "shadowMask"


@dataclass(frozen=True)
class Reliable:
    """Criteria for reliable pixels.

    Attributes
    ----------
    minimum
        Minimum temporal coherence.
    shadow, geometry
        Whether pixels in shadow are excluded, and the file that contains the shadow.
    least
        Minimum number of reliable pixels.
    """

    minimum: float
    shadow: bool = False
    geometry: Path | None = None
    least: int = 0

    def __post_init__(self) -> None:
        """Reject a minimum that is not a temporal coherence."""
        if not 0 <= self.minimum <= 1:
            raise OptionError(f"found minTempCoh = {self.minimum}; give a temporal coherence, from 0 to 1.")


def mask_name(quality: Path) -> Path:
    """Return MintPy's name of the mask of a file of temporal coherence."""
    ending = quality.name.partition(QUALITY)[2] if QUALITY in quality.name else ".h5"
    return quality.with_name(f"maskTempCoh{ending}")


def check_reliable(wanted: Reliable, shape: Shape) -> None:
    """Check the inputs of the mask other than the coherence.

    Parameters
    ----------
    wanted
        Criteria.
    shape
        Rows and columns of the scene.

    Raises
    ------
    StackFormatError
        The geometry cannot be read, or its shadow is of another size or kind.
    """
    if wanted.shadow and wanted.geometry:
        _read_shadow(wanted.geometry, shape)


def write_coherence_mask(quality: Path, output: Path, wanted: Reliable) -> int:
    """Write the mask, unless it exists and nothing has changed.

    Parameters
    ----------
    quality
        File with the temporal coherence.
    output
        Path of the mask; replaced atomically when it is complete.
    wanted
        Criteria.

    Returns
    -------
    int
        Number of reliable pixels.

    Raises
    ------
    StackFormatError
        A file cannot be read, or the shadow is of another size.
    """
    config = {f"{PREFIX}minTempCoh": str(wanted.minimum), f"{PREFIX}{_SHADOW}": str(wanted.shadow)}
    mask = _current_mask(quality, output, wanted, config)
    if mask is None:
        mask, attributes = _make_mask(quality, wanted)
        attributes |= {"FILE_TYPE": "mask", "FILE_PATH": str(quality.absolute())} | config
        with replaced_when_complete([output]) as (file,):
            file.create_dataset("mask", data=mask, chunks=True)
            file.attrs.update({"NO_DATA_VALUE": "none"} | attributes)
    logger.info("%s: %s reliable pixels of %s", output, f"{mask.sum():,}", f"{mask.size:,}")
    return int(mask.sum())


def _current_mask(
    quality: Path, output: Path, wanted: Reliable, config: dict[str, str]
) -> NDArray[np.bool_] | None:
    """Read the existing mask, if it would be the same again."""
    sources = [quality, *([wanted.geometry] if wanted.shadow and wanted.geometry else [])]
    if not output.is_file() or output.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        return None
    try:
        with open_hdf5(output) as file:
            said = plain_attributes(file.attrs)
            if not isinstance(file.get("mask"), h5py.Dataset) or not config.items() <= said.items():
                return None
            mask: NDArray[np.bool_] = file["mask"][()] != 0
            return mask
    except StackFormatError:
        return None


def _make_mask(quality: Path, wanted: Reliable) -> tuple[NDArray[np.bool_], dict[str, str]]:
    with open_hdf5(quality) as file:
        coherence = file[QUALITY][()]
        said = plain_attributes(file.attrs)
    attributes = {name: str(value) for name, value in said.items() if name != SETTING_ATTRIBUTE}
    # In the precision of the file: 0.7 of float32 is not below 0.7.
    mask: NDArray[np.bool_] = coherence >= coherence.dtype.type(wanted.minimum)
    shadow = _read_shadow(wanted.geometry, mask.shape) if wanted.shadow and wanted.geometry else None
    return (mask if shadow is None else mask & ~shadow), attributes


def _read_shadow(geometry: Path, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Read where a pixel is in shadow; None if the geometry does not contain it."""
    with open_hdf5(geometry) as file:
        if _SHADOW not in file:
            return None
        dataset = dataset_in(file, _SHADOW, shape, "load the geometry again, or set shadowMask = no")
        shadow: NDArray[np.bool_] = dataset[()] == 1
    return shadow
