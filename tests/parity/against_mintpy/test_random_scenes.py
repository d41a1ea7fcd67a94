"""Random scenes that are hard for float32, of ours and of the real MintPy against one solution in float64.

MintPy's noise is what its series differ by from the solution of the same least squares in float64. That it is
noise, and not another answer, is held against the same least squares by the same LAPACK routine in float32
(:mod:`parity.against_mintpy.float64_solution`). Ours has to be as near to the float64 solution as the solvers
promise, and no farther from MintPy than that noise.
"""

from functools import cache
from typing import NamedTuple, get_args

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.choices import SolverName
from parity.against_mintpy.comparison import COHERENCE, PHASE, read
from parity.against_mintpy.float64_solution import Exact, solve_exactly
from parity.against_mintpy.programs import Job, run_mintpy
from parity.against_mintpy.random_scenes import C_BAND, L_BAND, SCENES, write_scene

pytestmark = pytest.mark.mintpy

# Those of the CPU that are exact; ``dense`` is not refined, and ``fused`` needs a GPU.
SOLVERS = sorted(set(get_args(SolverName)) - {"auto", "dense", "fused"})
OURS_ABSOLUTE, OURS_RELATIVE = 1e-5, 4e-7  # [rad], of the largest phase of a pixel: what the solvers promise
NOISE = 4  # MintPy's over that of the same routine here; 0.3 to 1.7 were found


class Theirs(NamedTuple):
    """What MintPy made of a scene."""

    series: np.ndarray  # [rad], (date, y, x)
    pair_count: np.ndarray
    temporal_coherence: np.ndarray


@pytest.fixture(scope="module")
def folders(mintpy, tmp_path_factory):
    """Folders of all scenes, inverted by MintPy in one process."""
    top, made = tmp_path_factory.mktemp("random"), {}
    for scene in SCENES:
        made[scene] = top / str(scene)
        write_scene(scene, made[scene])
    jobs = [
        Job(
            folder,
            "mintpy.cli.ifgram_inversion:main",
            ("inputs/ifgramStack.h5", *scene.mintpy_arguments()),
        )
        for scene, folder in made.items()
    ]
    for outcome in run_mintpy(mintpy, jobs, top / "jobs"):
        outcome.assert_success()
    return made


@pytest.fixture(scope="module", params=SCENES, ids=str)
def scene(request):
    return request.param


@pytest.fixture(scope="module")
def solutions(folders):
    """Solve any of the scenes in float64, once."""
    return cache(lambda scene: solve_exactly(scene, folders[scene]))


@pytest.fixture(scope="module")
def exact(scene, solutions) -> Exact:
    return solutions(scene)


@pytest.fixture(scope="module")
def theirs(scene, folders) -> Theirs:
    series, quality, count = (folders[scene] / name for name in PHASE)
    return Theirs(
        read(series, "timeseries") / radians_to_metres(scene),
        read(count, "mask"),
        read(quality, "temporalCoherence"),
    )


@pytest.fixture(scope="module", params=SOLVERS)
def ours(request, scene, folders):
    """Our result of a scene."""
    stack = folders[scene] / "inputs" / "ifgramStack.h5"
    output = folders[scene] / f"{request.param}.zarr"
    setting = fringefleet.Setting(water_mask=folders[scene] / "waterMask.h5" if scene.has_water else None)
    fringefleet.run(fringefleet.Run(stack, output, scene.options(request.param), setting))
    return xr.open_zarr(output, chunks=None).load()


def radians_to_metres(scene):
    return -scene.kind.wavelength / (4 * np.pi)


def test_as_many_pairs_are_used_at_every_pixel(ours, theirs, exact):
    np.testing.assert_array_equal(theirs.pair_count, exact.pair_count)
    np.testing.assert_array_equal(ours.pair_count, theirs.pair_count)


def test_mintpy_differs_from_the_float64_solution_by_float32_only(theirs, exact):
    found, noise = theirs.series - exact.series, exact.in_float32 - exact.series
    assert np.abs(found).max() <= NOISE * np.abs(noise).max()
    assert root_mean_square(found) <= NOISE * root_mean_square(noise)


def test_ours_is_as_near_to_the_float64_solution_as_is_promised(ours, exact, scene):
    apart = np.abs(series_of(ours, scene, exact) - exact.series).max(0)
    allowed = np.maximum(OURS_ABSOLUTE, OURS_RELATIVE * np.abs(exact.series).max(0))
    assert (apart / allowed).max() <= 1


def test_ours_is_no_farther_from_mintpy_than_its_own_noise(ours, theirs, exact, scene):
    series = series_of(ours, scene, exact)
    noise = root_mean_square(theirs.series - exact.series)
    assert root_mean_square(series - theirs.series) <= 1.1 * noise
    assert root_mean_square(series - exact.series) <= noise


def test_the_temporal_coherence_is_mintpys(ours, theirs, exact):
    """As far as the noise of its series lets it be: a residual is that of two dates."""
    apart = np.abs(np.nan_to_num(ours.temporal_coherence) - theirs.temporal_coherence)
    assert (apart <= COHERENCE + 2 * np.abs(theirs.series - exact.series).max(0)).all()


def test_a_pixel_without_an_answer_in_mintpy_has_none_in_ours(ours, theirs):
    np.testing.assert_array_equal(np.isnan(ours.displacement).all("date"), theirs.pair_count == 0)


def test_every_scene_has_pixels_without_rank_and_some_without_an_answer(exact, scene):
    has_answer = exact.pair_count > 0
    assert (len(exact.series), exact.pair_count.max()) == {L_BAND: (24, 167), C_BAND: (114, 505)}[scene.kind]
    assert 0.2 < has_answer.mean() < 1
    assert exact.is_deficient.sum() >= 10
    assert (exact.series[:, exact.is_deficient] != 0).any()


@pytest.mark.parametrize("kind", [L_BAND, C_BAND], ids=["L", "C"])
def test_normal_equations_in_float32_take_pixels_without_rank_for_others(kind, solutions):
    """Or else the scenes would not be those that go wrong."""
    found = [solutions(scene) for scene in SCENES if scene.kind == kind]
    missed, deficient = (
        sum(getattr(each, name).sum() for each in found) for name in ("is_missed", "is_deficient")
    )
    assert missed > deficient / 10


def series_of(ours, scene, exact):
    """Our series [rad], zero where MintPy has none."""
    series = ours.displacement.values.astype("f8") / radians_to_metres(scene)
    return np.where(exact.pair_count > 0, series, 0)


def root_mean_square(values):
    return float(np.sqrt(np.mean(np.square(values))))
