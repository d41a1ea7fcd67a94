"""MintPy's next programs run on our files, and give what they give on its own."""

import numpy as np
import pytest

from parity.against_mintpy import scenes
from parity.against_mintpy.cases import Step, changed, run_both
from parity.against_mintpy.comparison import read
from parity.against_mintpy.programs import Job, run_mintpy
from parity.against_mintpy.scenes import configure

pytestmark = pytest.mark.mintpy

# rounding of float32, some ten times what was measured
VELOCITY = 2e-6  # [m/year], of up to 0.3
SERIES = 1e-6  # [m], of up to 0.16
HEIGHT = 2e-3  # [m], of up to 97
OFFLINE = configure("mintpy.troposphericDelay.method = no", "mintpy.plot = no")
PROJECTS = [
    Step("radar", changed(scenes.nasty, OFFLINE)),
    Step("geocoded", changed(scenes.mexico, scenes.add_slant_range, OFFLINE)),
]
GEOMETRY = {"radar": "inputs/geometryRadar.h5", "geocoded": "inputs/geometryGeo.h5"}
DATE = {"radar": "20150223", "geocoded": "20180331"}


def commands(project):
    """Command lines of MintPy on the folder of a project, in the order that they run in."""
    return {
        "velocity": "timeseries2velocity timeseries.h5 -o alone.h5",
        "mask": "generate_mask temporalCoherence.h5 -m 0.7 -o mask.h5",
        "mask of counts": "generate_mask numInvIfgram.h5 -m 10 -o maskCount.h5",
        "average": "temporal_average timeseries.h5 -o average.h5",
        "info series": "info timeseries.h5",
        "info coherence": "info temporalCoherence.h5",
        "info count": "info numInvIfgram.h5",
        "info mask": "info maskTempCoh.h5",
        "view series": "view timeseries.h5 --save --nodisplay -o series.png",
        "view velocity": "view alone.h5 velocity -m maskTempCoh.h5 --save --nodisplay -o v.png",
        "view coherence": "view temporalCoherence.h5 --save --nodisplay -o coherence.png",
        "view count": "view numInvIfgram.h5 --save --nodisplay -o count.png",
        "DEM error": f"dem_error timeseries.h5 -g {GEOMETRY[project]} -o corrected.h5 --dem-err-file dem.h5",
        "DEM error alone": "dem_error timeseries.h5 -o correctedAlone.h5 --dem-err-file demErrorAlone.h5",
        "reference date": f"reference_date timeseries.h5 --ref-date {DATE[project]} -o another.h5",
        "point": "tsview timeseries.h5 --yx 20 20 --nodisplay --save -o point",
        "remaining steps": "smallbaselineApp --start correct_LOD",
        "again": "smallbaselineApp --dostep invert_network",  # last: it may replace the files
    }


NAMES = tuple(commands("radar"))
# file, dataset, and how far the files may be apart
COMPARED = [
    ("alone.h5", "velocity", VELOCITY),
    ("velocity.h5", "velocity", VELOCITY),
    ("average.h5", "displacement", SERIES),
    ("mask.h5", "mask", 0),
    ("maskCount.h5", "mask", 0),
    ("another.h5", "timeseries", SERIES),
    ("corrected.h5", "timeseries", SERIES),
    ("correctedAlone.h5", "timeseries", SERIES),
    ("dem.h5", "dem", HEIGHT),
]


@pytest.fixture(scope="module")
def projects(mintpy, shared_data, tmp_path_factory):
    """Outcomes of all commands by project, program and name, and the folders."""
    work = tmp_path_factory.mktemp("next")
    pairs = run_both(mintpy, PROJECTS, shared_data, work)
    asked = [
        (project, program, name, Job(folder, f"mintpy.cli.{words[0]}:main", tuple(words[1:])))
        for project, pair in pairs.items()
        for program, folder in (("ours", pair.ours), ("theirs", pair.theirs))
        for name, words in ((name, line.split()) for name, line in commands(project).items())
    ]
    outcomes = run_mintpy(mintpy, [job for *_, job in asked], work / "jobs" / "next")
    return pairs, {tuple(key): outcome for (*key, _), outcome in zip(asked, outcomes, strict=True)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("project", GEOMETRY)
def test_the_next_program_runs_on_our_files(projects, project, name):
    pairs, outcomes = projects
    pairs[project].assert_success()
    outcomes[project, "theirs", name].assert_success()
    outcomes[project, "ours", name].assert_success()


@pytest.mark.parametrize("project", GEOMETRY)
def test_every_file_that_comes_of_mintpys_own_comes_of_ours(projects, project):
    pairs, _ = projects
    ours, theirs = (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for folder in (pairs[project].ours, pairs[project].theirs)
    )
    assert {"v.png", "point_ts.txt", "velocity.h5", "timeseries_demErr.h5"} <= theirs
    assert theirs <= ours


@pytest.mark.parametrize("project", GEOMETRY)
def test_mintpy_takes_our_files_for_its_own_and_does_not_invert_again(projects, project):
    _, outcomes = projects
    for program in ("ours", "theirs"):
        log = outcomes[project, program, "again"].log
        assert log.count("run or skip: skip") == 2, log  # the inversion and the mask


@pytest.mark.parametrize(
    ("project", "file", "dataset", "tolerance"),
    [(project, *compared) for project in GEOMETRY for compared in COMPARED]
    + [("radar", "geo/geo_velocity.h5", "velocity", VELOCITY)],
)
def test_what_comes_next_is_the_same_as_on_mintpys_files(projects, project, file, dataset, tolerance):
    pairs, _ = projects
    ours, theirs = (read(folder / file, dataset) for folder in (pairs[project].ours, pairs[project].theirs))
    assert np.isfinite(theirs).any()
    assert (theirs != 0).any()
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=0, atol=tolerance)
