"""The command ``mintpy``: options as ``ifgram_inversion.py`` spells them, and what is printed."""

from copy import copy
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from fringefleet.cli.application import app, examples
from fringefleet.cli.console import echo, err, exit_codes, start_logging
from fringefleet.cli.options import cluster as opt_cluster
from fringefleet.cli.options import inversion as ours
from fringefleet.importing import without_collection

_DEFAULT = "default: "
_ELSE_TEMPLATE = "template, else "


def _as_in_invert(option: Any, *names: str, template: bool = True) -> Any:
    """Spell an option of ``invert`` as MintPy does; with ``template``, its default is sought there first."""
    found = copy(get_args(option)[1])
    found.param_decls = names or found.param_decls
    if template:
        found.help = found.help.replace(_DEFAULT, _DEFAULT + _ELSE_TEMPLATE)
    return found


def _option(panel: str, text: str, *names: str, metavar: str | None = "", default: str = "") -> Any:
    """Declare an option that ``invert`` does not have; ``metavar``: empty for a flag."""
    said = text + (ours.default(default) if default else "")
    return typer.Option(*names, metavar=metavar, help=said, show_default=False, rich_help_panel=panel)


_invert, _scene, _compute, _output = (
    partial(_option, panel) for panel in (ours.ESTIMATE, ours.SCENE, ours.COMPUTE, ours.OUTPUT)
)


@app.command(
    epilog=examples(
        "fringefleet mintpy",
        "fringefleet mintpy ~/FernandinaSenDT128/mintpy",
        "fringefleet mintpy -t smallbaselineApp.cfg --solver torch",
        "fringefleet mintpy inputs/ifgramStack.h5 -w no -m waterMask.h5 --update",
        "fringefleet mintpy inputs/ifgramStack.h5 -i rangeOffset -w no --md offsetSNR --mt 5",
        "fringefleet mintpy inputs/ionStack.h5 -t smallbaselineApp.cfg",
        "fringefleet mintpy -c slurm --num-worker 40 --config large --interface ib0",
    )
)
@exit_codes()
def mintpy(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="Folder of a MintPy project, whose products are written there; or a stack such as "
            "inputs/ifgramStack.h5, whose products are written to the current folder."
            + ours.default("folder of a smallbaselineApp.cfg that is given, else the current one"),
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            "-t",
            metavar="CFG",
            help="MintPy template. In a project its values come before those of smallbaselineApp.cfg, which "
            "stays as it is; options given here come before both."
            + ours.default("smallbaselineApp.cfg of a project, none for a stack"),
            show_default=False,
        ),
    ] = None,
    observation: Annotated[str | None, _as_in_invert(ours.DatasetOption, "--dset", "-d", "-i")] = None,
    weight_func: Annotated[
        ours.WeightFunc | None, _as_in_invert(ours.WeightFuncOption, "--weight-func", "-w")
    ] = None,
    min_norm_phase: Annotated[
        bool,
        _invert("Where the network is cut, the least phases, not the least velocities.", "--min-norm-phase"),
    ] = False,
    mask_dataset: Annotated[
        str | None, _as_in_invert(ours.MaskDatasetOption, "--mask-dset", "--mask-dataset", "--md")
    ] = None,
    mask_threshold: Annotated[
        float | None, _as_in_invert(ours.MaskThreshold, "--mask-thres", "--mask-threshold", "--mt")
    ] = None,
    min_redundancy: Annotated[
        float | None, _as_in_invert(ours.MinRedundancy, "--min-redun", "--min-redundancy", "--mr")
    ] = None,
    water_mask: Annotated[str | None, _as_in_invert(ours.WaterMask, "--water-mask", "-m")] = None,
    reference_date: Annotated[
        str | None, _as_in_invert(ours.ReferenceDate, "--ref-date", template=False)
    ] = None,
    skip_reference: Annotated[
        bool, _as_in_invert(ours.SkipReference, "--skip-reference", "--skip-ref")
    ] = False,
    drop_unreferenced: ours.DropUnreferenced = False,
    reference_point: ours.ReferencePoint = None,
    wavelength: ours.Wavelength = None,
    looks: ours.Looks = None,
    solver: Annotated[
        Literal["auto", "cpu", "torch"] | None,
        _compute("torch: on a CUDA GPU.", "--solver", metavar=None, default=_ELSE_TEMPLATE + "cpu"),
    ] = None,
    gpu_chunk_size: Annotated[int | None, _as_in_invert(ours.GpuChunkSize)] = None,
    cluster: Annotated[
        str | None,
        _compute(
            "Processes on this machine (local, none, no), Slurm jobs (slurm), or a running Dask scheduler "
            "such as tcp://host:8786.",
            *("--cluster", "--cluster-type", "-c"),
            metavar="local|slurm|ADDRESS",
            default="--cluster-config, else template, else local",
        ),
    ] = None,
    num_worker: Annotated[
        str | None,
        _compute(
            "Local processes, never more than cores; 0: threads of this process; or Slurm workers.",
            "--num-worker",
            metavar="N|all|NN%",
            default=_ELSE_TEMPLATE + "one for each core, or 0 where that is quicker",
        ),
    ] = None,
    ram: Annotated[
        float | None,
        _compute(
            "Most memory of all local processes together.",
            *("--ram", "--memory", "-r"),
            metavar="GB",
            default=_ELSE_TEMPLATE + "that of the machine",
        ),
    ] = None,
    config: Annotated[
        str | None,
        _compute(
            "Section of Dask's configuration of job queues (jobqueue.yaml), for Slurm.",
            *("--config", "--config-name"),
            metavar="NAME",
            default=_ELSE_TEMPLATE + "slurm",
        ),
    ] = None,
    cluster_config: opt_cluster.Config = None,
    interface: opt_cluster.Interface = None,
    wait: opt_cluster.Wait = None,
    tls: opt_cluster.Tls = None,
    tls_credentials: opt_cluster.TlsCredentials = None,
    dashboard: opt_cluster.Dashboard = False,
    outputs: Annotated[
        tuple[Path, Path, Path] | None,
        _output(
            "Other names for the series, its quality and the number of pairs.",
            *("--output", "-o"),
            metavar="TS TCOH NUM",
        ),
    ] = None,
    covariance: Annotated[bool, _as_in_invert(ours.Covariance, "--calc-cov")] = False,
    coherence_mask: Annotated[
        bool | None,
        _output("maskTempCoh.h5, too.", "--mask-temp-coh/--no-mask-temp-coh", default="for a project"),
    ] = None,
    update: Annotated[
        bool | None,
        _output(
            "Do nothing if the products are there and nothing has changed.",
            "--update/--no-update",
            default="for a project",
        ),
    ] = None,
    on_error: Annotated[
        ours.OnError,
        _output(
            "What becomes of a run with tiles that fail again and again, after all others are done: stop "
            "with an error, the products stay as they were; or skip them: they are zero in the products, and "
            "the next run tries them again.",
            "--on-error",
            metavar=None,
            default="stop",
        ),
    ] = "stop",
    retries: ours.Retries = 2,
    accept_touched: ours.AcceptTouched = False,
    result: Annotated[
        Path | None,
        _output(
            "Keep the result there that the products are made from, with the reason for every pixel without "
            "an answer.",
            "--result",
            metavar="OUT.zarr",
        ),
    ] = None,
    verbose: ours.Verbose = False,
) -> None:
    """Do MintPy's step invert_network: the same template, options and products, in the same folder."""
    console = err()
    start_logging(console, verbose=verbose)
    with without_collection():
        from fringefleet.cli.tables import print_status
        from fringefleet.cli.watching import progress_shown
        from fringefleet.errors import TooFewReliableError
        from fringefleet.mintpy import step
    said = context.params
    said["min_norm"] = "phase" if said.pop("min_norm_phase") else None
    said["device"] = {"auto": "cpu", "cpu": "cpu", "torch": "cuda"}.get(said.pop("solver"))
    said["wait_seconds"] = said.pop("wait")
    del said["verbose"]
    try:
        with progress_shown(console) as show:
            done = step.run_network_inversion(said.pop("path"), on_progress=show, **said)
    except TooFewReliableError as error:
        for written in error.written:
            echo(written)
        raise
    if done.summary is not None:
        print_status(done.summary.status_count, done.options.min_redundancy, console)
    for path in done.written:
        echo(path)
