"""Every attribute of every product, and MintPy's next steps that need the unit, for each processor."""

import h5py
import pytest

from parity.against_mintpy import scenes
from parity.against_mintpy.cases import OURS, STACK, Case, changed, run_both
from parity.against_mintpy.comparison import PHASE, assert_same_products
from parity.against_mintpy.programs import Job, run_mintpy, run_ours
from parity.grids import GEOCODED, OF_A_GRID

pytestmark = pytest.mark.mintpy

ISCE_RADAR = {
    "access_mode": "read",
    "byte_order": "l",
    "family": "image",
    "number_bands": "2",
    "scheme": "BIL",
    "xmin": "0",
    "xmax": "50",
    "beam_mode": "IW",
    "trackNumber": "128",
    "Y_UNIT": "degrees",  # says nothing without a corner
}


def with_attributes(attrs):
    """Make the change that gives a stack the attributes of another processor."""

    def change(folder):
        with scenes.stack(folder) as file:
            for name in OF_A_GRID:
                file.attrs.pop(name, None)
            file.attrs.update(attrs)

    return change


def loaded(name):
    """Scene of a stack that the real MintPy loaded."""

    def write(data, folder):
        scenes.copy(data.parent / "cases" / "units" / f"{name}_ifgramStack.h5", folder / STACK)

    return write


def geocoded(attrs):
    def write(data, folder):
        scenes.copy(data / "mexico_city" / "ifgramStack.h5", folder / STACK)

    return changed(write, with_attributes(attrs))


NO = ("-w", "no")
CASES = [
    *(Case(f"loaded-{name}", loaded(name), NO) for name in ("gamma", "roipac")),
    *(Case(name.replace(" ", "-"), geocoded(attrs), NO) for name, attrs in GEOCODED.items()),
    Case("isce-radar", changed(scenes.nasty, with_attributes(ISCE_RADAR)), NO),
]
NAMES = [case.name for case in CASES]
WAYS = {"step": "", "stores": "exported"}  # folders of our products
NEXT = {
    "places": ("next_units:bounding_box", PHASE),
    "view": ("mintpy.cli.view:main", ("temporalCoherence.h5", "--save", "--nodisplay", "-o", "view.png")),
    "kmz": ("mintpy.cli.save_kmz:main", ("temporalCoherence.h5",)),
    "gmt": ("mintpy.cli.save_gmt:main", ("temporalCoherence.h5", "-o", "coherence.grd")),
}
GO_ON = ("loaded-gamma", "loaded-roipac", "gamma-UTM", "hyp3", "isce-geocoded", "nisar", "nisar-UTM")


@pytest.fixture(scope="module")
def pairs(mintpy, workers, shared_data, tmp_path_factory):
    """What both programs made of every case; ours also by way of a Zarr stack and result, in ``exported``."""
    if not (shared_data.parent / "cases" / "units").is_dir():
        pytest.skip(f"no stacks at {shared_data.parent}/cases/units")
    work = tmp_path_factory.mktemp("units")
    pairs = run_both(mintpy, CASES, shared_data, work, workers)
    commands = (
        ("convert", STACK, "stack.zarr"),
        ("invert", "stack.zarr", "result.zarr", "--weight-func", "no", "--cluster", workers),
        ("export", "result.zarr", "exported"),
    )
    jobs = [Job(pair.ours, OURS, command) for pair in pairs.values() for command in commands]
    for outcome in run_ours(jobs, work / "jobs" / "stores"):
        outcome.assert_success()
    return pairs


@pytest.fixture(scope="module")
def outcomes(mintpy, pairs, tmp_path_factory):
    """How MintPy's next programs end on each product, by case, program and name."""
    asked = [
        (case, way, name, Job(folder, *NEXT[name]))
        for case, pair in pairs.items()
        if case in GO_ON
        for way, folder in {
            "theirs": pair.theirs,
            **{w: pair.ours / place for w, place in WAYS.items()},
        }.items()
        for name in NEXT
    ]
    done = run_mintpy(mintpy, [job for *_, job in asked], tmp_path_factory.mktemp("next") / "jobs")
    return {tuple(key): outcome for (*key, _), outcome in zip(asked, done, strict=True)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", WAYS)
def test_every_attribute_of_every_product_is_mintpys(pairs, name, way):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours / WAYS[way], pairs[name].theirs)


@pytest.mark.parametrize("name", GO_ON)
def test_mintpys_next_steps_end_and_say_the_same_on_our_products(outcomes, name):
    for step in NEXT:
        theirs = outcomes[name, "theirs", step]
        for way in WAYS:
            ours = outcomes[name, way, step]
            assert ours.code == theirs.code, f"{way}, {step}\n{ours.log}"
            if step == "places":
                assert ours.log == theirs.log


@pytest.mark.parametrize("name", GO_ON)
def test_the_tropospheric_step_finds_the_place_of_our_products(outcomes, name):
    log = outcomes[name, "step", "places"].log
    latitude = -34.2 if name.startswith("loaded") else 19.4
    boxes = [line for line in log.splitlines() if line.startswith("box")]
    assert len(boxes) == len(PHASE), log
    assert all(str(latitude)[:5] in box for box in boxes), log


def test_a_part_of_a_stack_is_compared_too(pairs):
    """The comparison has something to compare: units and zones are among the attributes."""
    with h5py.File(pairs["hyp3"].theirs / "timeseries.h5") as file:
        assert (file.attrs["UTM_ZONE"], file.attrs["Y_UNIT"]) == ("14N", "meters")
