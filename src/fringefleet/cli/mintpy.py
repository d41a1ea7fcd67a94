"""The command ``mintpy``: MintPy's step, with options as ``ifgram_inversion.py`` spells them."""

from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, notes
from fringefleet.cli.options.mintpy import SPELLED
from fringefleet.cli.progress import show_stages
from fringefleet.cli.tables import print_status
from fringefleet.cli.words import translate_names
from fringefleet.importing import without_collection
from fringefleet.io.mintpy.names import mintpy_name

_DEVICES = {"auto": "cpu", "cpu": "cpu", "torch": "cuda", None: None}  # of MintPy's solvers


@command(
    *SPELLED,
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
    translate_names(mintpy_name)
    with without_collection():
        from fringefleet.errors import TooFewReliableError
        from fringefleet.mintpy import step
    said = dict(vars(given))
    said["min_norm"] = "phase" if said.pop("min_norm_phase") else None
    said["device"] = _DEVICES[said.pop("solver")]
    said = {name: value for name, value in said.items() if value is not None}
    console = notes()
    try:
        with show_stages(console) as show:
            done = step.run_network_inversion(said.pop("path", None), on_progress=show, **said)
    except TooFewReliableError as error:
        for written in error.written:
            echo(written)
        raise
    if done.summary is not None:
        print_status(done.summary.status_count, done.options.min_redundancy, console)
    for path in done.written:
        echo(path)
