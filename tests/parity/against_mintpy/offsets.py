"""Stacks that the tests make themselves: of offsets, and a network of one reference date."""

from itertools import combinations
from pathlib import Path

import h5py
import numpy as np

DATES = [
    f"2020{month:02d}{day:02d}" for month, day in ((1, 3), (1, 15), (2, 8), (2, 20), (3, 3), (4, 8), (5, 2))
]
PAIRS = [(i, j) for i, j in combinations(range(len(DATES)), 2) if j - i <= 3]
SHAPE = (18, 22)
REFERENCE = (9, 11)
ATTRIBUTES = {
    "FILE_TYPE": "ifgramStack",
    "LENGTH": str(SHAPE[0]),
    "WIDTH": str(SHAPE[1]),
    "REF_Y": str(REFERENCE[0]),
    "REF_X": str(REFERENCE[1]),
    "START_DATE": DATES[0],
    "END_DATE": DATES[-1],
    "UNIT": "pixel",
    "NO_DATA_VALUE": "none",
    "PROCESSOR": "isce",
    "RANGE_PIXEL_SIZE": "34.94",
    "AZIMUTH_PIXEL_SIZE": "70.0",
    "RLOOKS": "15",
    "ALOOKS": "5",
    "HEIGHT": "698834.2",
    "EARTH_RADIUS": "6337286.6",
    "WAVELENGTH": "0.05546576",
}
OBSERVED = ("rangeOffset", "azimuthOffset")


def offset_stack(folder: Path, pairs: list[tuple[int, int]] = PAIRS, **changes: str | None) -> None:
    """Write a stack of offsets [pixel] that is as bad as they come; ``None`` removes an attribute."""
    rng = np.random.default_rng(0)
    size = (len(pairs), *SHAPE)
    with new_stack(folder, pairs, ATTRIBUTES | changes) as file:
        for name in OBSERVED:
            velocity = rng.normal(0, 0.05, SHAPE)
            velocity[:4] += 3  # fast enough to stay in spite of its standard deviation
            offset = velocity * np.array([j - i for i, j in pairs])[:, None, None] + rng.normal(0, 0.02, size)
            spoil(offset, pairs, rng)
            std = rng.uniform(0.01, 0.3, size)
            std[1, 5, 5], std[2, 5, 6], std[3, 5, 7] = np.nan, 0, -1
            std[:, 6, 5:7] = 0.2, 0.15  # thresholds of the tests
            file[name], file[f"{name}Std"] = offset.astype("f4"), std.astype("f4")
        snr = rng.uniform(2, 30, size)
        snr[0, 6, :4] = np.nan
        snr[:, 6, 5:7] = 5, 8  # thresholds of the tests
        file["offsetSNR"] = snr.astype("f4")
    water_mask(folder)


def spoil(offset: np.ndarray, pairs: list[tuple[int, int]], rng: np.random.Generator) -> None:
    """Take observations away, in every way that the rules tell apart; the reference pixel keeps all."""
    at_reference = offset[:, *REFERENCE].copy()
    offset[rng.random(offset.shape) < 0.02] = np.nan
    first, middle, last = (np.array([date in pair for pair in pairs]) for date in (0, 3, len(DATES) - 1))
    offset[:, 10, 0] = 0
    offset[2, 10, 1] = 0
    offset[:, 10, 2] = at_reference
    offset[3, 10, 3] = at_reference[3]
    offset[:, 10, 4] = np.nan
    offset[first, 10, 5] = np.nan
    offset[middle, 10, 6] = np.nan
    offset[[not chain for chain in (j - i == 1 for i, j in pairs)], 10, 7] = (
        np.nan
    )  # dates - 1 pairs are left
    offset[[i <= 3 < j for i, j in pairs], 10, 8] = np.nan  # two parts
    offset[last, 10, 9] = np.nan
    offset[:, *REFERENCE] = at_reference


def new_stack(folder: Path, pairs: list[tuple[int, int]], attributes: dict[str, str | None]) -> h5py.File:
    """Begin a stack with its pairs."""
    (folder / "inputs").mkdir()
    file = h5py.File(folder / "inputs" / "ifgramStack.h5", "w")
    file.attrs.update({name: text for name, text in attributes.items() if text is not None})
    file["date"] = np.array([[DATES[i], DATES[j]] for i, j in pairs], "S8")
    file["bperp"] = np.array([baseline(j) - baseline(i) for i, j in pairs], "f4")
    file["dropIfgram"] = np.ones(len(pairs), bool)
    return file


def baseline(date: int) -> float:
    """Perpendicular baseline [m] of a date, in no order."""
    return 37.0 * ((5 * date) % 7)


def water_mask(folder: Path) -> None:
    """Write a mask that has some land and some water."""
    with h5py.File(folder / "waterMask.h5", "w") as file:
        file["waterMask"] = np.arange(SHAPE[1]) + np.zeros(SHAPE) < SHAPE[1] - 4
        file.attrs.update(ATTRIBUTES, FILE_TYPE="waterMask", UNIT="1")


def single_reference_stack(folder: Path, common: int) -> np.ndarray:
    """Write noise-free phases of pairs that all begin at one date; return the displacement [m]."""
    rng = np.random.default_rng(1)
    displacement = rng.normal(0, 0.02, (len(DATES), *SHAPE)).cumsum(axis=0)
    displacement -= displacement[:1]
    displacement[:, *REFERENCE] = 0
    pairs = [(common, date) for date in range(len(DATES)) if date != common]
    phase = np.array([displacement[j] - displacement[i] for i, j in pairs])
    phase *= -4 * np.pi / float(ATTRIBUTES["WAVELENGTH"])
    phase += 2.5  # of the reference pixel
    with new_stack(folder, pairs, ATTRIBUTES | {"UNIT": "radian"}) as file:
        file["unwrapPhase"] = phase.astype("f4")
        file["coherence"] = rng.uniform(0.3, 0.95, phase.shape).astype("f4")
    return displacement
