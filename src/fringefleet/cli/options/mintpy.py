"""The options of ``mintpy``, spelled as in ``ifgram_inversion.py``; light, so that --help is quick."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fringefleet.cli.options.inversion import COMPUTE, ESTIMATE, OUTPUT, SCENE, OnError, WeightFunc, default

_ELSE_TEMPLATE = "template, else "

ProjectOrStack = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        help="Folder of a MintPy project, whose products are written there; or a stack such as "
        "inputs/ifgramStack.h5, whose products are written to the current folder."
        + default("folder of a smallbaselineApp.cfg that is given, else the current one"),
        show_default=False,
    ),
]
Template = Annotated[
    Path | None,
    typer.Option(
        "--template",
        "-t",
        metavar="CFG",
        help="MintPy template. In a project its values come before those of smallbaselineApp.cfg, which "
        "stays as it is; options given here come before both."
        + default("smallbaselineApp.cfg of a project, none for a stack"),
        show_default=False,
    ),
]

# How to invert
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dset",
        "-d",
        "-i",
        metavar="NAME",
        help="What to invert, by MintPy's name or ours: unwrapPhase, unwrapPhase_bridging, rangeOffset, ..."
        + default("unwrapPhase, corrected as the template says"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
Weight = Annotated[
    WeightFunc | None,
    typer.Option(
        "--weight-func",
        "-w",
        help="Weight from coherence." + default(_ELSE_TEMPLATE + "var"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
MinNormPhase = Annotated[
    bool,
    typer.Option(
        "--min-norm-phase",
        metavar="",
        help="Where the network is cut, the least phases instead of the least velocities.",
        rich_help_panel=ESTIMATE,
    ),
]
Mask = Annotated[
    str | None,
    typer.Option(
        "--mask-dset",
        "--mask-dataset",
        "--md",
        metavar="NAME",
        help="Leave out observations by coherence, connectComponent, offsetSNR, rangeOffsetStd or "
        "azimuthOffsetStd; 'no' for none." + default(_ELSE_TEMPLATE + "none"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--mask-thres",
        "--mask-threshold",
        "--mt",
        metavar="NUM",
        help="Threshold of that mask." + default(_ELSE_TEMPLATE + "0.4"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]
Redundancy = Annotated[
    float | None,
    typer.Option(
        "--min-redun",
        "--min-redundancy",
        "--mr",
        metavar="NUM",
        help="Pairs that every date of a pixel must have." + default(_ELSE_TEMPLATE + "1"),
        show_default=False,
        rich_help_panel=ESTIMATE,
    ),
]

# The scene
WaterMask = Annotated[
    str | None,
    typer.Option(
        "--water-mask",
        "-m",
        metavar="FILE",
        help="Invert only where it is not zero; 'no' for none." + default(_ELSE_TEMPLATE + "none"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
ReferenceDate = Annotated[
    str | None,
    typer.Option(
        "--ref-date",
        metavar="YYYYMMDD",
        help="Date of which the displacement is zero." + default("the first"),
        show_default=False,
        rich_help_panel=SCENE,
    ),
]
SkipReference = Annotated[
    bool,
    typer.Option(
        "--skip-reference",
        "--skip-ref",
        metavar="",
        help="The observations are relative to a point already.",
        rich_help_panel=SCENE,
    ),
]

# With what
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        "--cluster-type",
        "-c",
        metavar="local|slurm|ADDRESS",
        help="Processes on this machine (local, none, no), Slurm jobs (slurm), or a running Dask scheduler "
        "such as tcp://host:8786." + default("--cluster-config, else template, else local"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
WorkerCount = Annotated[
    str | None,
    typer.Option(
        "--num-worker",
        metavar="N|all|NN%",
        help="Local processes, never more than cores; 0: threads of this process; or Slurm workers."
        + default(_ELSE_TEMPLATE + "one for each core, or 0 where that is quicker"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "--config-name",
        metavar="NAME",
        help="Section of Dask's configuration of job queues (jobqueue.yaml), for Slurm."
        + default(_ELSE_TEMPLATE + "slurm"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(
        "--ram",
        "--memory",
        "-r",
        metavar="GB",
        help="Most memory of all local processes together." + default(_ELSE_TEMPLATE + "that of the machine"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
Solver = Annotated[
    Literal["auto", "cpu", "torch"] | None,
    typer.Option(
        "--solver",
        help="torch: on a CUDA GPU." + default(_ELSE_TEMPLATE + "cpu"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]
GpuChunkSize = Annotated[
    int | None,
    typer.Option(
        "--gpu-chunk-size",
        metavar="N",
        help="Pixels at once on a GPU; 0 for as many as fit." + default(_ELSE_TEMPLATE + "0"),
        show_default=False,
        rich_help_panel=COMPUTE,
    ),
]

# Output
Outputs = Annotated[
    tuple[Path, Path, Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="TS TCOH NUM",
        help="Other names for the series, its quality and the number of pairs.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Covariance = Annotated[
    bool,
    typer.Option(
        "--calc-cov",
        metavar="",
        help="Covariance of every two dates, too: timeseriesDecorCov.h5.",
        rich_help_panel=OUTPUT,
    ),
]
CoherenceMask = Annotated[
    bool | None,
    typer.Option(
        "--mask-temp-coh/--no-mask-temp-coh",
        metavar="",
        help="maskTempCoh.h5, too." + default("for a project"),
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Update = Annotated[
    bool | None,
    typer.Option(
        "--update/--no-update",
        metavar="",
        help="Do nothing if the products are there and nothing has changed." + default("for a project"),
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option(
        "--on-error",
        help="What becomes of a run with tiles that fail again and again, after all others are done: stop "
        "with an error, the products stay as they were; or skip them: they are zero in the products, and the "
        "next run tries them again.",
        rich_help_panel=OUTPUT,
    ),
]
Result = Annotated[
    Path | None,
    typer.Option(
        "--result",
        metavar="OUT.zarr",
        help="Keep the result there that the products are made from, with the reason for every pixel without "
        "an answer.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
