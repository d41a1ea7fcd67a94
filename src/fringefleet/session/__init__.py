"""Session: the workers of a run, its fit to them, and its course; with or without a terminal.

:func:`run_with_workers` does all of it. Progress goes to a callback, and everything else worth a line to
``logging``; nothing is printed.
"""

from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.session.course import run_session as run_session
    from fringefleet.session.course import run_with_workers as run_with_workers
    from fringefleet.session.early import early_workers as early_workers
    from fringefleet.session.fitting import Session as Session
    from fringefleet.session.fitting import prepare_session as prepare_session

# Imported when first used: workers may be starting before the pipeline is imported.
_HOMES = {
    "Session": "fitting",
    "early_workers": "early",
    "prepare_session": "fitting",
    "run_session": "course",
    "run_with_workers": "course",
}

__getattr__, __dir__ = names_in(__name__, _HOMES)
