"""The first steps of the command line: listen to signals, then import the commands and run one."""

import sys

from fringefleet.cli.ending import FAILED, Interrupts, LastStep, end_now
from fringefleet.importing import claim_process, without_collection


def begin() -> None:
    """Run the command line as :func:`fringefleet.cli.main` says."""
    claim_process()
    last_step, interrupts = LastStep(), Interrupts()
    interrupts.listen()
    try:
        with without_collection():
            from fringefleet.cli import all_commands
        all_commands.application.run(interrupts)
    except KeyboardInterrupt:  # before a command began
        sys.stderr.write("error: interrupted.\n")
        end_now(FAILED)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if interrupts.first is not None:  # all is said and released; Python's own end takes seconds
            end_now(code)
        last_step.code = code
        raise
