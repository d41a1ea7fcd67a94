"""The files of two programs, compared: values at every pixel, layout and attributes."""

from pathlib import Path

import h5py
import numpy as np

SERIES = 5e-6  # [m], MintPy solves in float32
SERIES_RELATIVE = 2e-6  # of the largest displacement: MintPy is 1.1e-6 off a float64 solution, ours 1e-7
COHERENCE = 1e-5  # of a float32 sum
RESIDUAL = 3e-5  # [pixel]; MintPy is 1.6e-5 off a float64 solution of offsets of up to 9 pixels, ours 1.5e-6
BASELINE = 1e-3  # [m], MintPy solves for them in float32

OUR_ATTRIBUTES = "fringefleet."  # prefix of what our update mode adds; MintPy does not look at it

PHASE = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
ION = ("ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5")
RANGE = ("timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5")
AZIMUTH = ("timeseriesAz.h5", "residualInvAz.h5", "numInvOffAz.h5")


def read(path: Path, dataset: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[dataset][:]


def attributes(path: Path) -> dict[str, str]:
    with h5py.File(path) as file:
        return dict(file.attrs)


def layout(path: Path) -> dict[str, tuple]:
    """Type, shape, compression and attributes of every dataset."""
    with h5py.File(path) as file:
        return {
            name: (data.dtype.str, data.shape, data.compression, dict(data.attrs))
            for name, data in file.items()
        }


def assert_same_products(
    ours: Path, theirs: Path, names: tuple[str, str, str] = PHASE, but: frozenset[str] = frozenset()
) -> None:
    """Compare the three files of a run; ``but`` are attributes that differ on purpose.

    The residual of unweighted offsets is NaN in MintPy where the network is cut or has no redundancy; ours is
    the residual of the series, and NaN only where there is no series.
    """
    for name in names:
        assert_same_layout(ours / name, theirs / name, but)
    series, quality, count = names
    assert_same_series(ours / series, theirs / series)
    used = read(theirs / count, "mask")
    np.testing.assert_array_equal(read(ours / count, "mask"), used)
    assert_same_quality(ours / quality, theirs / quality, used)


def assert_same_layout(ours: Path, theirs: Path, but: frozenset[str] = frozenset()) -> None:
    """The same datasets of the same types and shapes, and the same attributes, key by key."""
    assert layout(ours) == layout(theirs)
    mine, other = attributes(ours), attributes(theirs)
    different = {
        name: (mine.get(name), other.get(name))
        for name in mine.keys() | other.keys()
        if mine.get(name) != other.get(name) and name not in but and not name.startswith(OUR_ATTRIBUTES)
    }
    assert not different, f"{ours.name}: (ours, MintPy's) {different}"


def assert_same_series(ours: Path, theirs: Path) -> None:
    """The same dates, baselines and displacement at every pixel and date."""
    np.testing.assert_array_equal(read(ours, "date"), read(theirs, "date"))
    np.testing.assert_allclose(read(ours, "bperp"), read(theirs, "bperp"), rtol=0, atol=BASELINE)
    series = read(theirs, "timeseries")
    np.testing.assert_allclose(
        read(ours, "timeseries"), series, rtol=0, atol=max(SERIES, SERIES_RELATIVE * np.abs(series).max())
    )


def assert_same_quality(ours: Path, theirs: Path, used: np.ndarray) -> None:
    """The same temporal coherence; or residual of offsets, wherever MintPy has one."""
    (dataset,) = layout(theirs)
    mine, other = read(ours, dataset), read(theirs, dataset)
    if dataset == "residual":
        np.testing.assert_array_equal(np.isnan(mine), used == 0)
        there = np.isfinite(other)
        np.testing.assert_allclose(mine[there], other[there], rtol=0, atol=RESIDUAL)
    else:
        np.testing.assert_allclose(mine, other, rtol=0, atol=COHERENCE)
