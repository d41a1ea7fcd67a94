"""The command ``invert``, and its parameters, which ``plan`` has, too."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import err
from fringefleet.cli.options.cluster import WorkerOptions
from fringefleet.cli.parameters import Common, parameters
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.setting import Setting
from fringefleet.importing import without_collection
from fringefleet.options import Options

STACK, OUTPUT, CHUNKS, *_OF_STACK = parameters(
    Run, "stack", "output", "chunks", "reader", "drop_incomplete", "accept_touched"
)
PARAMETERS = (
    *parameters(Options),
    *parameters(Common, "template"),
    *parameters(Setting),
    *_OF_STACK,
    *parameters(WorkerOptions),
    CHUNKS,
    *parameters(Common, "resume", "overwrite"),
    *parameters(FailurePolicy),
    *parameters(Common, "performance_report"),
)


@command(
    STACK,
    OUTPUT,
    *PARAMETERS,
    examples=(
        "fringefleet invert inputs/ifgramStack.h5 result.zarr -t smallbaselineApp.cfg",
        "fringefleet invert stack.zarr result.zarr --mask-dataset coherence --mask-threshold 0.5",
        "fringefleet invert stack.zarr result.zarr --norm huber --std --diagnose",
        "fringefleet invert stack.zarr result.zarr --dem-error --geometry inputs/geometryRadar.h5",
        "fringefleet invert offsets.h5 result.zarr --dataset range_offset --mask-dataset offset_snr "
        "--mask-threshold 5",
        "fringefleet invert stack.zarr result.zarr --resume",
        "fringefleet invert stack.zarr result.zarr --workers 0",
        "fringefleet invert stack.zarr result.zarr --device cuda",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster tls://10.0.0.1:8786 "
        "--tls-credentials credentials.pem",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster-config gpus.toml",
    ),
)
def invert(parameters: Any) -> None:
    """Invert a stack of interferograms into a displacement time series."""
    given = vars(parameters)
    with without_collection():
        from fringefleet.cli.early import early_workers
    with early_workers(given) as begun:
        with without_collection():
            from fringefleet.cli import invert as implementation
        job, workers = implementation.understand(given, begun.wanted)
        implementation.invert(job, workers, err(), given["performance_report"], begun.early)
