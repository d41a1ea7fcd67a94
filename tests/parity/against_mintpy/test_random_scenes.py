"""Random scenes that are hard for float32, of ours and of the real MintPy against one solution in float64.

MintPy's noise is what its series differ by from the solution of the same least squares in float64, by an SVD
(:mod:`parity.against_mintpy.random_scenes`). That it is noise, and not another answer, is held against what
float32 explains: some roundings times the condition of a pixel's matrix. Ours has to be as near to the
float64 solution as the solvers promise, and no farther from MintPy than that noise.
"""

from typing import NamedTuple, get_args

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.choices import SolverName
from parity.against_mintpy.comparison import COHERENCE, PHASE, read
from parity.against_mintpy.programs import Job, run_mintpy
from parity.against_mintpy.random_scenes import SCENES, Exact, solve_exactly, write_scene

pytestmark = pytest.mark.mintpy

# Those of the CPU that are exact; ``dense`` is not refined, and ``fused`` needs a GPU.
SOLVERS = sorted(set(get_args(SolverName)) - {"auto", "dense", "fused"})
OURS_ABSOLUTE, OURS_RELATIVE = 1e-5, 4e-7  # [rad], of the largest phase of a pixel: what the solvers promise
ROUNDINGS = 4.0  # of float32, times the condition of a pixel's matrix and its largest phase
EPSILON = np.finfo("f4").eps / 2


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
def exact(scene, folders) -> Exact:
    return solve_exactly(scene, folders[scene])


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


def test_mintpy_differs_from_the_float64_solution_by_rounding_only(theirs, exact):
    apart = np.abs(theirs.series - exact.series).max(0)
    allowed = ROUNDINGS * EPSILON * exact.condition * np.abs(exact.series).max(0)
    assert (apart <= allowed).all(), (apart / allowed).max()


def test_ours_is_as_near_to_the_float64_solution_as_is_promised(ours, exact, scene):
    apart = np.abs(series_of(ours, scene, exact) - exact.series).max(0)
    allowed = np.maximum(OURS_ABSOLUTE, OURS_RELATIVE * np.abs(exact.series).max(0))
    assert (apart <= allowed).all(), (apart / allowed).max()


def test_ours_is_no_farther_from_mintpy_than_its_own_noise(ours, theirs, exact, scene):
    series = series_of(ours, scene, exact)
    noise = root_mean_square(theirs.series - exact.series)
    assert root_mean_square(series - theirs.series) <= 1.1 * noise
    assert root_mean_square(series - exact.series) <= noise


def test_the_temporal_coherence_is_mintpys(ours, theirs):
    np.testing.assert_allclose(
        np.nan_to_num(ours.temporal_coherence), theirs.temporal_coherence, rtol=0, atol=COHERENCE
    )


def test_a_pixel_without_an_answer_in_mintpy_has_none_in_ours(ours, theirs):
    np.testing.assert_array_equal(np.isnan(ours.displacement).all("date"), theirs.pair_count == 0)


def test_the_scenes_have_what_float32_does_not_notice(scene, exact):
    has_answer = exact.pair_count > 0
    assert 0.2 < has_answer.mean() < 1
    assert exact.is_deficient[has_answer].sum() >= 3
    assert exact.condition[has_answer & ~exact.is_deficient].max() > 30


def series_of(ours, scene, exact):
    """Our series [rad], zero where MintPy has none."""
    series = ours.displacement.values.astype("f8") / radians_to_metres(scene)
    return np.where(exact.pair_count > 0, series, 0)


def root_mean_square(values):
    return float(np.sqrt(np.mean(np.square(values))))
