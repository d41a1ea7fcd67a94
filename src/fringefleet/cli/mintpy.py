"""The command ``mintpy``: MintPy's step as MintPy spells it."""

from dataclasses import fields
from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import err
from fringefleet.cli.options.mintpy import PARAMETERS
from fringefleet.execution.setting import Setting
from fringefleet.importing import without_collection
from fringefleet.options import Options

_DEVICES = {"auto": "cpu", "cpu": "cpu", "torch": "cuda", None: None}  # of MintPy's solvers


@command(
    *PARAMETERS,
    examples=(
        "fringefleet mintpy",
        "fringefleet mintpy ~/FernandinaSenDT128/mintpy",
        "fringefleet mintpy -t smallbaselineApp.cfg --solver torch",
        "fringefleet mintpy inputs/ifgramStack.h5 -w no -m waterMask.h5 --update",
        "fringefleet mintpy inputs/ifgramStack.h5 -i rangeOffset -w no --md offsetSNR --mt 5",
        "fringefleet mintpy inputs/ionStack.h5 -t smallbaselineApp.cfg",
        "fringefleet mintpy -c slurm --num-worker 40 --config large --interface ib0",
    ),
)
def mintpy(given: Any) -> None:
    """Do MintPy's step invert_network: the same template, options and products, in the same folder."""
    with without_collection():
        from fringefleet.execution.job import FailurePolicy
        from fringefleet.mintpy.config import Request
        from fringefleet.mintpy.step import run
        from fringefleet.mintpy.workers import WorkerWish
    named = {field.name for kind in (Options, Setting) for field in fields(kind)} - {"solver"}
    said = {name: value for name, value in vars(given).items() if name in named}
    said |= {"device": _DEVICES[given.solver], "min_norm": "phase" if given.min_norm_phase else None}
    policy = {name: value for name in ("on_error", "retries") if (value := getattr(given, name)) is not None}
    request = Request(
        path=given.path,
        template=given.template,
        given={name: value for name, value in said.items() if value not in (None, False)},
        workers=WorkerWish(
            given.cluster,
            given.num_worker,
            given.config,
            given.cluster_config,
            given.interface,
            given.tls,
            given.wait_seconds,
            given.tls_credentials,
            given.dashboard or None,
        ),
        memory=given.ram,
        outputs=given.output,
        coherence_mask=given.mask_temp_coh,
        update=given.update,
        on_failure=FailurePolicy(**policy),
        accept_touched=given.accept_touched,
        result=given.result,
    )
    run(request, err())
