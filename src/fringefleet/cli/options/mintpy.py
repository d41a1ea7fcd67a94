"""Parameters of ``mintpy``: ours, spelled as in ``ifgram_inversion.py``, and those that only MintPy has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fringefleet.arguments.declaration import Declared, Panel
from fringefleet.cli.parameters import Common, Parameter, parameters
from fringefleet.cluster.options import ClusterOptions
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.setting import Setting
from fringefleet.options import Options


@dataclass(frozen=True)
class MintPyOptions:
    """Options that only this command has."""

    path: Annotated[
        Path | None,
        Declared(
            "Folder of a MintPy project, whose products are written there; or a stack such as "
            "inputs/ifgramStack.h5, whose products are written to the current folder.",
            metavar="PATH",
            default="folder of a smallbaselineApp.cfg that is given, else the current one",
            is_argument=True,
        ),
    ] = None
    min_norm_phase: Annotated[
        bool,
        Declared("Minimise the norm of the phases, and not of the velocities, across gaps.", Panel.INVERSION),
    ] = False
    cluster: Annotated[
        str | None,
        Declared(
            "Processes on this machine (local, none, no), Slurm jobs (slurm), or a running Dask scheduler "
            "such as tcp://host:8786.",
            Panel.COMPUTE,
            metavar="local|slurm|ADDRESS",
            default="--cluster-config, else template, else local",
            flags=("--cluster", "--cluster-type", "-c"),
        ),
    ] = None
    num_worker: Annotated[
        str | None,
        Declared(
            "Number of local processes, at most one per core, or of Slurm workers; 0: compute in threads of "
            "this process.",
            Panel.COMPUTE,
            metavar="N|all|NN%",
            default="template, else one per core, or 0 where that is faster",
        ),
    ] = None
    config: Annotated[
        str | None,
        Declared(
            "Section of Dask's configuration of job queues (jobqueue.yaml), for Slurm.",
            Panel.COMPUTE,
            metavar="NAME",
            default="template, else slurm",
            flags=("--config", "--config-name"),
        ),
    ] = None
    ram: Annotated[
        float | None,
        Declared(
            "Maximum memory of all local processes together.",
            Panel.COMPUTE,
            metavar="GB",
            default="template, else that of the machine",
            flags=("--ram", "--memory", "-r"),
        ),
    ] = None
    solver: Annotated[
        Literal["auto", "cpu", "torch"] | None,
        Declared("torch: solve on a CUDA GPU.", Panel.COMPUTE, default="template, else cpu"),
    ] = None
    outputs: Annotated[
        tuple[Path, Path, Path] | None,
        Declared(
            "Other names for the time series, its temporal coherence and the number of pairs.",
            Panel.OUTPUT,
            metavar="TS TCOH NUM",
            flags=("--output", "-o"),
        ),
    ] = None
    coherence_mask: Annotated[
        bool | None,
        Declared(
            "Also write maskTempCoh.h5.",
            Panel.OUTPUT,
            default="for a project",
            flags=("--mask-temp-coh/--no-mask-temp-coh",),
        ),
    ] = None
    update: Annotated[
        bool | None,
        Declared(
            "Do nothing if the products are there and nothing has changed.",
            Panel.OUTPUT,
            default="for a project",
        ),
    ] = None
    result: Annotated[
        Path | None,
        Declared(
            "Keep the result that the products are made from, with the status of every pixel.",
            Panel.OUTPUT,
            metavar="OUT.zarr",
        ),
    ] = None


_OWN = {parameter.name: parameter for parameter in parameters(MintPyOptions)}
_OPTIONS = {parameter.name: parameter for parameter in parameters(Options)}
_SETTING = {parameter.name: parameter for parameter in parameters(Setting)}
(_TEMPLATE,) = parameters(Common, "template")
_MASKS = "coherence, connectComponent, offsetSNR, rangeOffsetStd or azimuthOffsetStd"


def _of_template(parameter: Parameter, *flags: str, **changes: str) -> Parameter:
    """Spell an option as MintPy does; its default is what the template says."""
    default = changes.pop("default", f"template, else {parameter.declared.default}")
    return parameter.respelled(*flags, default=default, **changes)


SPELLED = (
    _OWN.pop("path"),
    _TEMPLATE.respelled(
        panel="",
        help="MintPy template. In a project its values take precedence over those of smallbaselineApp.cfg, "
        "which stays as it is; options given here take precedence over both.",
    ),
    _of_template(
        _OPTIONS["observation"],
        *("--dset", "-d", "-i"),
        default="unwrapPhase, corrected as the template says",
        help="Dataset to invert, by MintPy's name or ours: unwrapPhase, unwrapPhase_bridging, rangeOffset, "
        "...",
    ),
    _of_template(_OPTIONS["weight_func"], "--weight-func", "-w"),
    _OWN.pop("min_norm_phase"),
    _of_template(
        _OPTIONS["mask_dataset"],
        *("--mask-dset", "--mask-dataset", "--md"),
        help=f"Mask observations by {_MASKS}; 'no' for none.",
    ),
    _of_template(_OPTIONS["mask_threshold"], "--mask-thres", "--mask-threshold", "--mt"),
    _of_template(_OPTIONS["min_redundancy"], "--min-redun", "--min-redundancy", "--mr"),
    _OPTIONS["covariance"].respelled("--calc-cov", help="Also write the covariance: timeseriesDecorCov.h5."),
    _of_template(_SETTING["water_mask"], "--water-mask", "-m"),
    _SETTING["reference_date"].respelled("--ref-date"),
    _SETTING["skip_reference"].respelled("--skip-reference", "--skip-ref"),
    *(_SETTING[name] for name in ("drop_unreferenced", "reference_point", "wavelength", "looks")),
    _of_template(_OPTIONS["gpu_chunk_size"]),
    *parameters(Common, "cluster_config"),
    *parameters(ClusterOptions, "interface", "wait_seconds", "tls", "tls_credentials", "dashboard"),
    *parameters(FailurePolicy),
    *parameters(Run, "accept_touched"),
    *_OWN.values(),
)
