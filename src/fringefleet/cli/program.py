"""The command line as a program: listen to signals, then import the commands, and run one."""

import sys
from importlib import import_module
from typing import Any

from fringefleet.cli.ending import FAILED, Interrupts, LastStep, end_now
from fringefleet.importing import claim_process, without_collection

_COMMANDS = "demo simulate invert plan mask export convert info plot slurm mintpy"  # as --help lists them


def load_application() -> Any:
    """Import the commands, each from the module of its name; return the module of the application."""
    for name in _COMMANDS.split():
        import_module(f"fringefleet.cli.{name}")
    return import_module("fringefleet.cli.application")


def run_program() -> None:
    """Run the command line as :func:`fringefleet.cli.main` says."""
    claim_process()
    last_step, interrupts = LastStep(), Interrupts()
    interrupts.listen()
    try:
        with without_collection():
            application = load_application()
        application.run_application(interrupts)
    except KeyboardInterrupt:  # before a command began
        sys.stderr.write("error: interrupted.\n")
        end_now(FAILED)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if interrupts.first is not None:  # all is said and released; Python's own end takes seconds
            end_now(code)
        last_step.code = code
        raise
