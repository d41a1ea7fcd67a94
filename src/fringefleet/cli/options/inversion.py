"""The options of the command line: names, help and where they stand in it. Light, so that --help is quick."""

from pathlib import Path
from typing import Annotated, Literal

import typer

# What the words may be; the classes that take them are heavy to import, and a test compares them.
WeightFunc = Literal["var", "fim", "coh", "no"]
MaskDataset = Literal[
    "none",
    "coherence",
    "connected_component",
    "offset_snr",
    "range_offset_std",
    "azimuth_offset_std",
    "connectComponent",
    "offsetSNR",
    "rangeOffsetStd",
    "azimuthOffsetStd",
]
MinNorm = Literal["velocity", "phase"]
Norm = Literal["l2", "l1", "huber"]
GapRule = Literal["minimum-norm", "linear", "none"]
Solver = Literal["auto", "compiled", "elimination", "dense", "fused"]
DType = Literal["float32", "float64"]
Device = Literal["cpu", "cuda"]
OnError = Literal["stop", "skip"]


def default(text: str) -> str:
    """Say in a help text what holds where nothing is given; Typer would quote it."""
    return f" [dim]\\[default: {text}][/]"


ESTIMATE, WANTED, SCENE, COMPUTE, OUTPUT = (
    "How to invert",
    "What is wanted besides",
    "The scene",
    "With what",
    "Output",
)

Stack = Annotated[
    Path,
    typer.Argument(
        help="MintPy's ifgramStack.h5, a Zarr stack, or another format that info --formats lists.",
        metavar="STACK",
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Argument(help="Zarr store to write.", metavar="OUT.zarr", show_default=False)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", metavar="", help="Say more; show tracebacks of failures.")
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", help="Replace an output that is there.", rich_help_panel=OUTPUT),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        help="Go on with an output that was begun; do nothing twice.",
        rich_help_panel=OUTPUT,
    ),
]
AcceptTouched = Annotated[
    bool,
    typer.Option(
        "--accept-touched",
        metavar="",
        help="Take files of the stack whose time alone has changed, since the run that is resumed or during "
        "this one, for the same: where they were touched, and you know that nothing was written to them.",
        rich_help_panel=OUTPUT,
    ),
]
PerformanceReport = Annotated[
    Path | None,
    typer.Option(
        "--performance-report",
        metavar="FILE.html",
        help="Write what Dask saw of the work; needs bokeh. OUT.zarr.report.json is written in any case.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option(
        "--on-error",
        help="What becomes of a run with tiles that fail again and again, after all others are done: stop "
        "with an error, or skip them: no data and the status failed_tile, or zero in MintPy's files.",
        rich_help_panel=OUTPUT,
    ),
]
Retries = Annotated[
    int,
    typer.Option(
        "--retries",
        metavar="N",
        min=0,
        help="How often a tile that fails is tried again.",
        rich_help_panel=OUTPUT,
    ),
]
Chunks = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="Y X",
        help="Rows and columns of a chunk." + default("chosen by memory"),
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
KeepBits = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Round displacement, standard deviation and covariance to N bits of the mantissa, with a "
        "relative error of at most 2^-(N+1): 15 save about a third of the room, and cost 15 um of a metre."
        + default("all 23"),
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]

# How to invert
WeightFuncOption = Annotated[
    WeightFunc | None,
    typer.Option(
        help="Weight from coherence: inverse variance, Fisher information, coherence itself, none. "
        "Offsets: var, from their standard deviation, or no." + default("var"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        help="What is inverted: unwrapped_phase, also with the suffix of a correction (_bridging, "
        "_phase_closure, _bridging_phase_closure), range_offset or azimuth_offset; or as MintPy names it."
        + default("unwrapped_phase"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
MaskDatasetOption = Annotated[
    MaskDataset | None,
    typer.Option(
        metavar="NAME",
        help="Leave out observations by coherence, connected_component, offset_snr, range_offset_std or "
        "azimuth_offset_std (or as MintPy names them)." + default("none"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
MaskThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="Coherence or signal-to-noise ratio below which, or standard deviation above which, "
        "observations are left out." + default("0.4"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
MinRedundancy = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        help="Pairs that every date of a pixel must have." + default("1"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
NormOption = Annotated[
    Norm | None,
    typer.Option(
        help="Of the residuals: l1 and huber are robust against unwrapping errors, and take 2.2 to 3.5 times "
        "as long." + default("l2"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
HuberThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="Standard deviations beyond which residuals count linearly." + default("1.345"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
MaxIterations = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Most rounds of a robust norm." + default("100"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
GapRuleOption = Annotated[
    GapRule | None,
    typer.Option(
        help="What ties together the parts that the pairs of a pixel leave its dates in: the minimum-norm "
        "rule, a linear model (NSBAS), nothing." + default("minimum-norm"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
Std = Annotated[
    bool,
    typer.Option(
        "--std",
        metavar="",
        help="Standard deviation of the displacement at every date.",
        rich_help_panel=WANTED,
    ),
]
Covariance = Annotated[
    bool,
    typer.Option(
        "--covariance",
        metavar="",
        help="Covariance of every two dates: dates x dates x 4 bytes a pixel.",
        rich_help_panel=WANTED,
    ),
]
Diagnose = Annotated[
    bool,
    typer.Option(
        "--diagnose",
        metavar="",
        help="Closure of triplets at every pixel, residuals of every pair, and which pairs are worst.",
        rich_help_panel=WANTED,
    ),
]
DemError = Annotated[
    bool,
    typer.Option(
        "--dem-error",
        metavar="",
        help="Estimate the DEM error along with the series and take it off.",
        rich_help_panel=WANTED,
    ),
]
PolynomialOrder = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Of the motion in time that a DEM error is told from." + default("2"),
        show_default=False,
        rich_help_panel=WANTED,
    ),
]
AtmosphereStd = Annotated[
    float | None,
    typer.Option(
        metavar="RAD",
        help="Standard deviation of the atmosphere of a date, for the DEM error." + default("1"),
        show_default=False,
        rich_help_panel=WANTED,
    ),
]
Geometry = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="MintPy's geometryRadar.h5 or geometryGeo.h5, for the DEM error."
        + default("middle of the scene, from the attributes"),
        show_default=False,
        rich_help_panel=WANTED,
    ),
]
MinNormOption = Annotated[
    MinNorm | None,
    typer.Option(
        help="What the minimum-norm rule makes least." + default("velocity"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
Template = Annotated[
    Path | None,
    typer.Option(
        "--template",
        "-t",
        metavar="FILE",
        help="MintPy's smallbaselineApp.cfg; options given here come before it.",
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]

# The scene
WaterMask = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="MintPy's waterMask.h5; 'no' for none, whatever the template says." + default("none"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
AverageCoherence = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="MintPy's avgSpatialCoh.h5 (avgSpatialSNR.h5 for offsets); pixels where it is 0 are not "
        "inverted." + default("none"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
ReferencePoint = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="Y X",
        help="Row and column of the pixel that does not move." + default("as the stack says"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
ReferenceDate = Annotated[
    str | None,
    typer.Option(
        metavar="YYYYMMDD",
        help="Date of which the displacement is zero; with its time, YYYYMMDDTHHMMSS, if the day has several."
        + default("the first"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
SkipReference = Annotated[
    bool,
    typer.Option(
        "--skip-reference",
        metavar="",
        help="The phases are relative to a point already.",
        rich_help_panel=SCENE,
    ),
]
DropUnreferenced = Annotated[
    bool,
    typer.Option(
        "--drop-unreferenced",
        metavar="",
        help="Leave out pairs without data at the reference point.",
        rich_help_panel=SCENE,
    ),
]
ReaderName = Annotated[
    str | None,
    typer.Option(
        "--reader",
        metavar="NAME",
        help="Read the stack as this format, if several recognise it; see info --formats."
        + default("the one that recognises it"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
DropIncomplete = Annotated[
    bool,
    typer.Option(
        "--drop-incomplete",
        metavar="",
        help="In a folder of pairs, leave out those that lack a file which others have.",
        rich_help_panel=SCENE,
    ),
]
Wavelength = Annotated[
    float | None,
    typer.Option(
        metavar="METRES",
        help="Radar wavelength." + default("as the stack says"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
Looks = Annotated[
    int | None,
    typer.Option(
        metavar="L",
        help="Independent looks of the coherence." + default("as the stack says"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]

# With what
DeviceOption = Annotated[
    Device | None,
    typer.Option(help="Where to solve." + default("cpu"), show_default=False, rich_help_panel=COMPUTE),
]
DTypeOption = Annotated[
    DType | None,
    typer.Option(
        help="Precision of the solver." + default("float32"), show_default=False, rich_help_panel=COMPUTE
    ),
]
GpuChunkSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Pixels that a GPU solves at once; 0 for as many as fit into its free memory." + default("0"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
SolverOption = Annotated[
    Solver | None,
    typer.Option(
        help="elimination; compiled: the same, compiled for the CPU (numba); fused: in one GPU kernel "
        "(Triton); auto: compiled or fused where that runs, else elimination. The dense one is there to "
        "compare with." + default("auto"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
