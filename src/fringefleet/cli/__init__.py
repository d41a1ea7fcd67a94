"""The command line: it parses, prints, and leaves the rest to the packages below.

Light to import: a worker process imports the main program again, and that is often the script which begins
with ``from fringefleet.cli import main``.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fringefleet.cli.application import app as app

# As --help lists them.
_COMMANDS = "demo simulate invert velocity plan config rerun report rereference mask export convert info"
_COMMANDS += " plot view slurm mintpy doctor"


def main() -> None:
    """Run the command line; the process ends with 0 done, 1 failure, 2 bad input.

    A first Ctrl-C, SIGTERM or SIGHUP stops the workers and says how to go on, a second one ends the process
    whatever it does.
    """
    from fringefleet.cli.ending import FAILED, Interrupts, QuickExit, end_now
    from fringefleet.importing import claim_process, without_collection

    claim_process()
    quick_exit, interrupts = QuickExit(), Interrupts()
    interrupts.listen()
    try:
        with without_collection():
            application = _load_application()
        application.run_application(interrupts)
    except KeyboardInterrupt:  # before a command began
        sys.stderr.write("error: interrupted.\n")
        end_now(FAILED)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if interrupts.first is not None:  # all is said and released; Python's own end takes seconds
            end_now(code)
        quick_exit.code = code
        raise


def _load_application() -> Any:
    """Import the commands, each from the module of its name, and the application."""
    for name in _COMMANDS.split():
        import_module(f"fringefleet.cli.{name}")
    return import_module("fringefleet.cli.application")


def __getattr__(name: str) -> Any:
    """Give the application, with all its commands (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _load_application().app
