"""The command line: it parses, prints, and leaves the rest to the packages below.

Light to import: a worker process imports the main program again, and that is often the script which begins
with ``from fringefleet.cli import main``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fringefleet.cli.application import app as app


def main() -> None:
    """Run the command line; the process ends with 0 done, 1 failure, 2 bad input.

    A first Ctrl-C, SIGTERM or SIGHUP stops the workers and says how to go on, a second one ends the process
    whatever it does.
    """
    from fringefleet.cli.program import run_program

    run_program()


def __getattr__(name: str) -> Any:
    """Give the application, with all its commands (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fringefleet.cli.program import load_application

    return load_application().app
