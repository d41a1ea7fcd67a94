"""Random scenes of two kinds at which normal equations in float32 go wrong.

The kinds are those of two published stacks: 24 dates of L-band with 167 short pairs, much of which is masked
out, and 114 dates with 505 pairs, unweighted, with gaps. Beside what chance makes of the masks, some pixels
have what a factor in float32 does not notice: a date that nothing, or one poor pair, ties to the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet import Options

DAYS_OF_YEAR = 365.25
FIRST_DATE = np.datetime64("2007-02-11")
LOOKS = (4, 10)  # azimuth, range
THRESHOLD = 0.4
Pairs = list[tuple[int, int]]
Floats = NDArray[np.float64]


class Kind(NamedTuple):
    """What the scenes of a kind have in common."""

    shape: tuple[int, int]
    wavelength: float  # [m]
    draw_network: Callable[[np.random.Generator], tuple[NDArray[np.int64], Pairs]]  # days, pairs


@dataclass(frozen=True)
class RandomScene:
    """A scene, and how it is inverted, in the words of MintPy; the same one each time."""

    seed: int
    kind: Kind
    weight: str  # var, fim, coh or no
    mask: str | None  # connectComponent or coherence
    norm: str = "velocity"
    has_water: bool = False

    def __str__(self) -> str:
        """Name the scene."""
        words = (self.seed, self.weight, self.mask or "unmasked", self.norm, "water" * self.has_water)
        return "-".join(str(word) for word in words if word != "")

    def mintpy_arguments(self) -> tuple[str, ...]:
        """Options of MintPy's command after the stack."""
        words = ["-w", self.weight]
        words += ["--mask-dset", self.mask] if self.mask else []
        words += ["--mask-thres", str(THRESHOLD)] if self.mask == "coherence" else []
        words += ["--min-norm-phase"] if self.norm == "phase" else []
        return (*words, *(["-m", "waterMask.h5"] if self.has_water else []))

    def options(self, solver: Any) -> Options:
        """Our options that mean the same."""
        names = {"connectComponent": "connected_component", "coherence": "coherence", None: None}
        mask: Any = names[self.mask]
        threshold = {"mask_threshold": THRESHOLD} if mask == "coherence" else {}
        chosen: Any = {"weight_func": self.weight, "min_norm": self.norm, "solver": solver} | threshold
        return Options(mask_dataset=mask, **chosen)


def l_band_network(rng: np.random.Generator) -> tuple[NDArray[np.int64], Pairs]:
    """24 of 33 passes 46 days apart; the pairs that follow one another, and 144 of short baselines."""
    days = 46 * np.sort(rng.choice(33, 24, replace=False))
    baseline = rng.normal(0, 900, 24)  # [m]
    chain = [(date, date + 1) for date in range(23)]
    others = [pair for pair in combinations(range(24), 2) if pair not in chain]
    length = [np.hypot((days[j] - days[i]) / 900, (baseline[j] - baseline[i]) / 1500) for i, j in others]
    return days, sorted(chain + [others[place] for place in np.argsort(length)[:144]])


def c_band_network(rng: np.random.Generator) -> tuple[NDArray[np.int64], Pairs]:
    """114 of 130 passes 12 days apart; all pairs of up to four passes, and 59 of five."""
    days = 12 * np.sort(rng.choice(130, 114, replace=False))
    pairs = [(date, date + gap) for gap in range(1, 5) for date in range(114 - gap)]
    longer = rng.choice(109, 505 - len(pairs), replace=False)
    return days, sorted(pairs + [(int(date), int(date) + 5) for date in longer])


L_BAND = Kind((18, 24), 0.2360571, l_band_network)
C_BAND = Kind((8, 9), 0.05546576, c_band_network)
SCENES = (
    *(
        RandomScene(seed, L_BAND, weight, mask, norm, has_water)
        for seed, (weight, mask, norm, has_water) in enumerate(
            (
                ("var", "coherence", "velocity", False),
                ("var", "connectComponent", "velocity", True),
                ("var", "coherence", "phase", True),
                ("var", "connectComponent", "phase", False),
                ("var", None, "velocity", True),
                ("fim", "coherence", "velocity", True),
                ("fim", "connectComponent", "velocity", False),
                ("coh", "coherence", "velocity", False),
                ("coh", "connectComponent", "phase", True),
                ("no", "coherence", "velocity", False),
                ("no", "connectComponent", "velocity", True),
                ("no", None, "phase", False),
            )
        )
    ),
    *(
        RandomScene(seed, C_BAND, "no", mask, norm, has_water)
        for seed, (mask, norm, has_water) in enumerate(
            (
                (None, "velocity", False),
                (None, "phase", False),
                ("connectComponent", "velocity", False),
                ("connectComponent", "velocity", True),
                ("connectComponent", "phase", False),
                ("coherence", "velocity", False),
                ("coherence", "phase", True),
                (None, "velocity", True),
            ),
            start=12,
        )
    ),
)


def write_scene(scene: RandomScene, folder: Path) -> None:
    """Write the stack and the water mask of a scene as MintPy has them."""
    rng = np.random.default_rng(scene.seed)
    days, pairs = scene.kind.draw_network(rng)
    shape = scene.kind.shape
    reference = shape[0] // 2, shape[1] // 2
    coherence = draw_coherence(rng, days, pairs, shape)
    component = np.where(coherence + 0.15 * smooth(rng, coherence.shape) > 0.35, 1 + (rng.random() > 0.5), 0)
    constants = rng.normal(0, 9, (len(pairs), 1, 1))  # as unwrapping leaves them
    phase = draw_phase(rng, days, pairs, coherence) + constants
    spoil(rng, pairs, phase, coherence, component)
    phase[:, *reference], coherence[:, *reference], component[:, *reference] = constants[:, 0, 0], 0.9, 1
    water = smooth(rng, shape) > 1.2
    water[reference] = False
    attributes = {
        "FILE_TYPE": "ifgramStack",
        "LENGTH": shape[0],
        "WIDTH": shape[1],
        "REF_Y": reference[0],
        "REF_X": reference[1],
        "WAVELENGTH": scene.kind.wavelength,
        "ALOOKS": LOOKS[0],
        "RLOOKS": LOOKS[1],
        "UNIT": "radian",
        "PROCESSOR": "isce",
    }
    said = {name: str(value) for name, value in attributes.items()}
    names = np.char.replace(np.datetime_as_string(FIRST_DATE + days), "-", "").astype("S8")
    (folder / "inputs").mkdir(parents=True)
    with h5py.File(folder / "inputs" / "ifgramStack.h5", "w") as file:
        file.attrs.update(said)
        file["date"] = names[np.array(pairs)]
        file["bperp"] = np.zeros(len(pairs), "f4")
        file["dropIfgram"] = np.ones(len(pairs), bool)
        file["unwrapPhase"], file["coherence"] = phase.astype("f4"), coherence.astype("f4")
        file["connectComponent"] = component.astype("i2")
    with h5py.File(folder / "waterMask.h5", "w") as file:
        file["waterMask"] = ~water
        file.attrs.update(said | {"FILE_TYPE": "waterMask", "UNIT": "1"})


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw fields that vary slowly along their last two axes, of standard deviation 1 at most."""
    y, x = (np.linspace(0, 1, size) for size in shape[-2:])
    field = np.zeros(shape)
    for _ in range(4):
        wave, phase = rng.normal(0, 5, (2, *shape[:-2], 1, 1)), rng.uniform(0, 2 * np.pi, (*shape[:-2], 1, 1))
        field += np.cos(wave[0] * y[:, None] + wave[1] * x + phase)
    return field / np.sqrt(2)


def draw_coherence(
    rng: np.random.Generator, days: NDArray[np.int64], pairs: Pairs, shape: tuple[int, int]
) -> Floats:
    """Draw a coherence that decays with time, at some places slowly."""
    years = np.diff(days[np.array(pairs)], axis=1)[:, 0, None, None] / DAYS_OF_YEAR
    lasting = 0.35 + 0.2 * smooth(rng, shape)
    decay = np.exp(-years / np.exp(smooth(rng, shape)))
    coherence = lasting + (0.9 - lasting) * decay + rng.normal(0, 0.06, (len(pairs), *shape))
    return np.clip(coherence, 0, 0.995)


def draw_phase(rng: np.random.Generator, days: NDArray[np.int64], pairs: Pairs, coherence: Floats) -> Floats:
    """Draw motion, delays, noise as the coherence has it, and some cycles too many."""
    shape, (i, j) = coherence.shape[1:], np.array(pairs).T
    series = 6 * smooth(rng, shape) * (days / DAYS_OF_YEAR)[:, None, None]
    series += 2 * smooth(rng, (len(days), *shape)) + rng.normal(0, 0.3, (len(days), *shape))
    g = np.maximum(coherence, 0.1)
    noise = np.minimum(np.sqrt((1 - g**2) / (2 * 20 * g**2)), 1.5) * rng.normal(size=g.shape)
    cycles = 2 * np.pi * (smooth(rng, g.shape) > 2.3)
    return series[j] - series[i] + noise + cycles


def spoil(
    rng: np.random.Generator,
    pairs: Pairs,
    phase: Floats,
    coherence: Floats,
    component: NDArray[np.int64],
) -> None:
    """Take observations away at random, and of a few pixels those that matter."""
    phase[rng.random(phase.shape) < 0.01] = np.nan
    phase[rng.random(phase.shape) < 0.004] = 0
    coherence[rng.random(coherence.shape) < 0.002] = np.nan
    n_date = max(map(max, pairs)) + 1
    i, j = np.array(pairs).T
    for column in range(phase.shape[2]):
        date = int(rng.integers(1, n_date))
        of_date = np.flatnonzero((i == date) | (j == date))
        last, crossing = rng.choice(of_date), (i < date) & (j >= date)
        phase[of_date, 0, column] = np.nan  # nothing is left of the date
        phase[crossing, 1, column] = np.nan  # cut in two
        phase[np.setdiff1d(of_date, last), 2, column] = np.nan  # one pair is left of it, and a poor one
        coherence[last, 2, column], component[last, 2, column] = THRESHOLD, 1
        phase[i == 0, 3, column] = np.nan  # nothing is left of the first date
        phase[(j - i) % 2 == 1, 5, column] = np.nan  # two parts that alternate
    phase[:, -1, :3] = np.nan
