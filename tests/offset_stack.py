"""A MintPy stack of offsets with all that can be wrong with them, and its answer by other means."""

from pathlib import Path

import h5py
import numpy as np

DATES = ("20180106", "20180118", "20180130", "20180211", "20180223", "20180307")
PAIRS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 2), (1, 3), (2, 4), (5, 3))
SHAPE = (9, 11)
POINT = (4, 5)
ATTRIBUTES = {
    "FILE_TYPE": "ifgramStack",
    "PROCESSOR": "isce",
    "REF_Y": str(POINT[0]),
    "REF_X": str(POINT[1]),
    "LENGTH": str(SHAPE[0]),
    "WIDTH": str(SHAPE[1]),
    "RANGE_PIXEL_SIZE": "34.94",
    "RLOOKS": "15",
    "AZIMUTH_PIXEL_SIZE": "70",
    "ALOOKS": "5",
    "HEIGHT": "698834.2",
    "EARTH_RADIUS": "6337286.6",
}
METRES = {"range": -34.94 / 15, "azimuth": 70 * 6337286.6 / (6337286.6 + 698834.2) / 5}


def offset_parts() -> dict[str, np.ndarray]:
    """The datasets of the stack: noise of the stated standard deviation, gaps, zeros, a cut network."""
    rng = np.random.default_rng(5)
    motion = rng.normal(0, 0.4, (len(DATES), *SHAPE)).cumsum(0)
    motion[:, 6:, 7:] *= 20  # large offsets, whose standard deviation is large, too
    size = (len(PAIRS), *SHAPE)
    parts: dict[str, np.ndarray] = {
        "date": np.array([[DATES[i], DATES[j]] for i, j in PAIRS], dtype="S"),
        "bperp": rng.normal(0, 50, len(PAIRS)).astype("f4"),
        "dropIfgram": np.ones(len(PAIRS), dtype=bool),
        "offsetSNR": rng.uniform(0, 20, size).astype("f4"),
    }
    for name in ("range", "azimuth"):
        std = rng.uniform(0.02, 0.6, size).astype("f4")
        truth = np.stack([motion[j] - motion[i] for i, j in PAIRS])
        offset = (truth + std * rng.normal(size=size)).astype("f4")
        offset[rng.random(size) < 0.03] = np.nan
        offset[rng.random(size) < 0.03] = 0
        offset[:, POINT[0], POINT[1]] = rng.normal(size=len(PAIRS))
        offset[:, 0, 0] = np.nan  # no observation
        offset[[0, 5], 0, 1] = np.nan  # the first date lost
        offset[[1, 5, 6], 0, 2] = np.nan  # cut in two
        offset[:, 0, 3] = 0
        std[rng.random(size) < 0.05] = np.nan
        std[rng.random(size) < 0.05] = 0
        parts |= {f"{name}Offset": offset, f"{name}OffsetStd": std}
    return parts


def write_offset_stack(path: Path, parts: dict[str, np.ndarray], **changes: str | None) -> Path:
    """Write it as MintPy does; attributes are replaced, or left out where they are None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in parts.items():
            file.create_dataset(name, data=values)
        attributes = ATTRIBUTES | changes
        file.attrs.update({name: value for name, value in attributes.items() if value is not None})
    return path


def expected_products(
    parts: dict[str, np.ndarray],
    kind: str,
    *,
    weighted: bool,
    keep: np.ndarray | None = None,
    referenced: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series [m], residual [pixel] and count as MintPy's rules have them, in float64, pixel by pixel.

    The rule of minimum-norm velocity; a pixel that has lost a date other than the first has no answer.
    """
    offset, std = parts[f"{kind}Offset"].astype("f8"), parts[f"{kind}OffsetStd"].astype("f8")
    if referenced:
        offset = np.where(offset == 0, 0, offset - offset[:, POINT[0], POINT[1], None, None])
    std = np.maximum(np.where(np.isnan(std), 100, std), 0.005)
    valid = np.isfinite(offset) & (True if keep is None else keep)
    years = np.array([np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in DATES]).astype("f8") / 365.25
    steps = np.diff(years)
    design = np.zeros((len(PAIRS), len(steps)))
    for row, (i, j) in zip(design, PAIRS, strict=True):
        row[min(i, j) : max(i, j)] = np.sign(j - i) * steps[min(i, j) : max(i, j)]
    series = np.zeros((len(DATES), *SHAPE))
    residual, count = np.full(SHAPE, np.nan), np.zeros(SHAPE)
    for pixel in np.ndindex(SHAPE):
        used = valid[(slice(None), *pixel)]
        reached = {date for pair, use in zip(PAIRS, used, strict=True) if use for date in pair}
        if not used.any() or not set(range(1, len(DATES))) <= reached:
            continue
        y, scale = offset[(used, *pixel)], 1 / std[(used, *pixel)] if weighted else np.ones(used.sum())
        velocity = np.linalg.lstsq(design[used] * scale[:, None], y * scale, rcond=1e-10)[0]
        series[(slice(1, None), *pixel)] = METRES[kind] * (velocity * steps).cumsum()
        residual[pixel] = np.sqrt(((y - design[used] @ velocity) ** 2).sum())
        count[pixel] = used.sum()
    if referenced:
        residual[POINT], count[POINT] = 0, len(PAIRS)
    return series, residual, count
