"""The parts of a small MintPy stack."""

import numpy as np

DATES = ("20180106", "20180118", "20180130", "20180211")
PAIRS = ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3))
ATTRIBUTES = {
    "FILE_TYPE": "ifgramStack",
    "WAVELENGTH": "0.0555",
    "NCORRLOOKS": "8.5",
    "REF_Y": "3",
    "REF_X": "2",
    "X_FIRST": "-99.0",
    "X_STEP": "0.5",
    "Y_FIRST": "20.0",
    "Y_STEP": "-0.25",
    "X_UNIT": "degrees",
    "Y_UNIT": "degrees",
}


def stack_parts(shape=(6, 7), pairs=PAIRS, dates=DATES):
    """The datasets of a MintPy stack, by name."""
    rng = np.random.default_rng(0)
    size = (len(pairs), *shape)
    return {
        "date": np.array([[dates[i], dates[j]] for i, j in pairs], dtype="S"),
        "bperp": rng.normal(0, 50, len(pairs)).astype("f4"),
        "dropIfgram": np.ones(len(pairs), dtype=bool),
        "unwrapPhase": rng.normal(0, 5, size).astype("f4"),
        "coherence": rng.uniform(0, 1, size).astype("f4"),
        "connectComponent": rng.integers(0, 3, size).astype("i2"),
    }
