"""Every option of the step on the two scenes: the same files as the real MintPy makes of the same inputs."""

import pytest

from parity.against_mintpy import scenes
from parity.against_mintpy.cases import Case, changed, run_both
from parity.against_mintpy.comparison import assert_same_products, read

pytestmark = pytest.mark.mintpy

# weight, norm and mask in all combinations, every two values of any two of the columns in some row
TABLE = """
var velocity none             2 all  -       reference command
var velocity coherence        1 land -       skip      template
var velocity connectComponent 2 all  average reference command
var phase    none             1 all  -       reference template
var phase    coherence        1 land average skip      command
var phase    connectComponent 1 all  average skip      command
fim velocity none             2 land average reference template
fim velocity coherence        2 land average skip      command
fim velocity connectComponent 1 all  -       reference template
fim phase    none             1 land -       reference template
fim phase    coherence        1 land average reference command
fim phase    connectComponent 2 all  average skip      template
coh velocity none             1 all  average reference command
coh velocity coherence        2 land -       skip      template
coh velocity connectComponent 1 land average skip      command
coh phase    none             2 all  -       reference command
coh phase    coherence        1 land average reference template
coh phase    connectComponent 2 land average skip      command
no  velocity none             2 all  -       skip      template
no  velocity coherence        2 all  -       skip      command
no  velocity connectComponent 1 land average reference template
no  phase    none             1 all  -       reference command
no  phase    coherence        2 land -       skip      template
no  phase    connectComponent 2 all  -       skip      template
"""
KEY = "mintpy.networkInversion."


def command_line(weight, norm, mask, redundancy, water):
    """Options of the command line."""
    options = ["-w", weight, "--min-redundancy", redundancy]
    options += ["--min-norm-phase"] if norm == "phase" else []
    options += ["--mask-dset", mask] if mask != "none" else []
    options += ["--mask-thres", "0.45"] if mask == "coherence" else []  # nothing else has a threshold
    return (*options, *(["-m", "waterMask.h5"] if water == "land" else []))


def template(weight, norm, mask, redundancy, water):
    """The same as lines of a template."""
    values = {
        "weightFunc": weight,
        "minNormVelocity": "yes" if norm == "velocity" else "no",
        "maskDataset": mask if mask != "none" else "no",
        "maskThreshold": "0.45",
        "minRedundancy": redundancy,
        "waterMaskFile": "waterMask.h5" if water == "land" else "no",
    }
    return tuple(f"{KEY}{name} = {value}" for name, value in values.items())


def nasty_case(row):
    """Case of a row of the table."""
    *chosen, average, reference, source = row.split()
    scene = changed(scenes.nasty, *([scenes.add_average_coherence] if average == "average" else []))
    name = "-".join(row.split())
    skip = ("--skip-ref",) if reference == "skip" else ()
    if source == "template":
        return Case(name, scene, skip, template(*chosen))
    return Case(name, scene, (*command_line(*chosen), *skip))


OPTIONS = [nasty_case(row) for row in TABLE.strip().splitlines()]

REAL = [
    Case(f"real-{weight}-{norm}-{mask}", scenes.mexico, command_line(weight, norm, mask, "1", "all"))
    for weight, norm, mask in (
        ("var", "velocity", "coherence"),
        ("fim", "phase", "coherence"),
        ("coh", "phase", "none"),
        ("no", "velocity", "none"),
    )
]

METHODS = {
    "bridging": "_bridging",
    "phase_closure": "_phaseClosure",
    "bridging+phase_closure": "_bridging_phaseClosure",
}
CORRECTED = [
    Case(
        f"corrected-{suffix}",
        changed(scenes.nasty, scenes.add_corrected_phases),
        template=(f"mintpy.unwrapError.method = {method}", f"{KEY}weightFunc = no"),
    )
    for method, suffix in METHODS.items()
]
LONG = (
    "--weight-func fim --mask-dataset coherence --mask-threshold 0.5 --min-redun 2 --water-mask waterMask.h5"
)
WORDS = [
    Case("long-names", scenes.nasty, (*LONG.split(), "--skip-reference")),
    Case(
        "command-beats-template",
        scenes.nasty,
        ("-w", "no", "--md", "coherence"),
        (f"{KEY}weightFunc = coh", f"{KEY}maskDataset = no", f"{KEY}maskThreshold = 0.6"),
    ),
    Case(
        "template-alone-and-not-that-of-the-folder",
        changed(scenes.nasty, scenes.configure(f"{KEY}weightFunc = no", f"{KEY}minRedundancy = 3")),
        template=(f"{KEY}maskDataset = coherence",),
    ),
    Case("two-water-masks", changed(scenes.nasty, scenes.add_second_water_mask), ("-m", "waterMask.h5")),
]
NETWORKS = [
    Case("turned-round", changed(scenes.nasty, scenes.turn_pairs_round), ("-w", "var", "-m", "waterMask.h5")),
    Case(
        "turned-round-phase", changed(scenes.nasty, scenes.turn_pairs_round), ("-w", "no", "--min-norm-phase")
    ),
]
THRESHOLD = [
    Case(
        "at-threshold",
        changed(scenes.nasty, scenes.put_coherence_at_threshold),
        ("-w", "var", "--md", "coherence", "--mt", "0.45"),
    )
]
DROPPED = [
    Case("dropped", changed(scenes.nasty, scenes.drop_pairs), ("-w", "coh")),
    Case("dropped-phase", changed(scenes.nasty, scenes.drop_pairs), ("-w", "no", "--min-norm-phase")),
]
SAME = [*OPTIONS, *REAL, *CORRECTED, *WORDS, *NETWORKS, *THRESHOLD]


@pytest.fixture(scope="module")
def pairs(mintpy, workers, shared_data, tmp_path_factory):
    """What both programs made of every case."""
    return run_both(mintpy, [*SAME, *DROPPED], shared_data, tmp_path_factory.mktemp("options"), workers)


@pytest.mark.parametrize("name", [case.name for case in SAME])
def test_the_same_files_as_mintpy(pairs, name):
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs)


@pytest.mark.parametrize("name", [case.name for case in DROPPED])
def test_dropped_pairs_are_left_out_as_mintpy_does(pairs, name):
    """All but the first and last date in the attributes: MintPy's are those of the dropped pairs, too."""
    pairs[name].assert_success()
    assert_same_products(pairs[name].ours, pairs[name].theirs, but=frozenset({"START_DATE", "END_DATE"}))
    assert len(read(pairs[name].theirs / "timeseries.h5", "date")) == 22


def test_the_options_of_these_tests_are_not_idle(pairs):
    """Every column of the table changes MintPy's own files, so that each comparison compares something."""
    counts = {name: read(pair.theirs / "numInvIfgram.h5", "mask") for name, pair in pairs.items()}
    series = {name: read(pair.theirs / "timeseries.h5", "timeseries") for name, pair in pairs.items()}
    of_scene = [case.name for case in (*OPTIONS, *CORRECTED, *WORDS)]
    distinct = {(counts[name].tobytes(), series[name].tobytes()) for name in of_scene}
    assert len(distinct) == len(of_scene)
