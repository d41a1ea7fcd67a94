"""Display of the progress of a session, a stage after another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from fringefleet.cli.progress import ProgressReport, Tiles, show_progress
from fringefleet.execution.scheduler import RunProgress


@contextmanager
def progress_shown(console: Console) -> Iterator[Callable[[str, RunProgress], None]]:
    """Show stages of work, each from when what this yields is told of it for the first time."""
    reports: dict[str, ProgressReport] = {}
    with ExitStack() as opened:

        def show(stage: str, done: RunProgress) -> None:
            if stage not in reports:
                opened.close()
                reports[stage] = opened.enter_context(show_progress(console, stage))
            n_gone = done.n_done + done.n_failed
            is_of_tile = done.report is not None or done.failure is not None
            tiles = Tiles(done.n_done, done.n_tile, done.n_failed, done.n_byte) if is_of_tile else None
            if n_gone:
                reports[stage](n_gone / done.n_tile, done.n_pixel, tiles)

        yield show
