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

_DEFAULT, _TEMPLATE = "default: ", "template, else "


def _as_in_invert(option: Any, names: str = "", first: str = _TEMPLATE) -> Any:
    """Spell an option of ``invert`` as MintPy does; ``first``: where its default is sought before."""
    found = copy(get_args(option)[1])
    if names:
        found.default, *found.param_decls = names.split()  # Typer takes the first for one more
    found.help = found.help.replace(_DEFAULT, _DEFAULT + first)
    return found


def _option(panel: str | None, names: str, metavar: str | None, text: str, default: str = "") -> Any:
    """Declare an option that ``invert`` does not have; ``metavar``: empty for a flag, None for a choice."""
    said = text + (ours.default(default) if default else "")
    return typer.Option(*names.split(), metavar=metavar, help=said, show_default=False, rich_help_panel=panel)


_invert, _compute, _output = (partial(_option, panel) for panel in (ours.ESTIMATE, ours.COMPUTE, ours.OUTPUT))


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
            help="MintPy project; or a stack, whose products are written to the current folder."
            + ours.default("folder of a smallbaselineApp.cfg that is given, else the current one"),
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        Path | None,
        _option(
            None,
            "--template -t",
            "CFG",
            "MintPy template. In a project its values come before those of smallbaselineApp.cfg, which stays "
            "as it is; options given here come before both.",
            "smallbaselineApp.cfg of a project, none for a stack",
        ),
    ] = None,
    observation: Annotated[str | None, _as_in_invert(ours.DatasetOption, "--dset -d -i")] = None,
    weight_func: Annotated[
        ours.WeightFunc | None, _as_in_invert(ours.WeightFuncOption, "--weight-func -w")
    ] = None,
    min_norm_phase: Annotated[
        bool,
        _invert(
            "--min-norm-phase", "", "Where the network is cut, the least phases, not the least velocities."
        ),
    ] = False,
    mask_dataset: Annotated[
        str | None, _as_in_invert(ours.MaskDatasetOption, "--mask-dset --mask-dataset --md")
    ] = None,
    mask_threshold: Annotated[
        float | None, _as_in_invert(ours.MaskThreshold, "--mask-thres --mask-threshold --mt")
    ] = None,
    min_redundancy: Annotated[
        float | None, _as_in_invert(ours.MinRedundancy, "--min-redun --min-redundancy --mr")
    ] = None,
    water_mask: Annotated[str | None, _as_in_invert(ours.WaterMask, "--water-mask -m")] = None,
    reference_date: Annotated[str | None, _as_in_invert(ours.ReferenceDate, "--ref-date", "")] = None,
    skip_reference: Annotated[bool, _as_in_invert(ours.SkipReference, "--skip-reference --skip-ref")] = False,
    drop_unreferenced: ours.DropUnreferenced = False,
    reference_point: ours.ReferencePoint = None,
    wavelength: ours.Wavelength = None,
    looks: ours.Looks = None,
    solver: Annotated[
        Literal["auto", "cpu", "torch"] | None,
        _compute("--solver", None, "torch: on a CUDA GPU.", _TEMPLATE + "cpu"),
    ] = None,
    gpu_chunk_size: Annotated[int | None, _as_in_invert(ours.GpuChunkSize)] = None,
    cluster: Annotated[
        str | None,
        _compute(
            "--cluster --cluster-type -c",
            "local|slurm|ADDRESS",
            "Processes on this machine (local, none, no), Slurm jobs, or a running Dask scheduler (tcp://...).",
            "--cluster-config, else template, else local",
        ),
    ] = None,
    num_worker: Annotated[
        str | None,
        _compute(
            "--num-worker",
            "N|all|NN%",
            "Local processes, never more than cores; 0: threads of this process; or Slurm workers.",
            _TEMPLATE + "one for each core, or 0 where that is quicker",
        ),
    ] = None,
    ram: Annotated[
        float | None,
        _compute("--ram --memory -r", "GB", "Memory of all local processes.", _TEMPLATE + "all there is"),
    ] = None,
    config: Annotated[
        str | None,
        _compute(
            "--config --config-name", "NAME", "Section of jobqueue.yaml, for Slurm.", _TEMPLATE + "slurm"
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
        _output("--output -o", "TS TCOH NUM", "Other names for series, quality and number of pairs."),
    ] = None,
    covariance: Annotated[bool, _as_in_invert(ours.Covariance, "--calc-cov")] = False,
    coherence_mask: Annotated[
        bool | None,
        _output("--mask-temp-coh/--no-mask-temp-coh", "", "maskTempCoh.h5, too.", "for a project"),
    ] = None,
    update: Annotated[
        bool | None,
        _output("--update/--no-update", "", "Do nothing if nothing has changed.", "for a project"),
    ] = None,
    on_error: ours.OnErrorOption = "stop",
    retries: ours.Retries = 2,
    accept_touched: ours.AcceptTouched = False,
    result: Annotated[
        Path | None,
        _output("--result", "OUT.zarr", "Keep the result there, with the reason why a pixel has no answer."),
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
