"""Progress in notebooks and scripts: a bar of tqdm, which knows which of the two it is in."""

from collections.abc import Iterator
from contextlib import contextmanager

from fringefleet.execution.scheduler import OnProgress, RunProgress


@contextmanager
def progress_bar(
    label: str, on_progress: OnProgress | None = None, *, shown: bool
) -> Iterator[OnProgress | None]:
    """Show finished tiles in a bar, which ends with the block.

    Parameters
    ----------
    label
        Name of the work.
    on_progress
        Told of every finished tile, too.
    shown
        Whether there is a bar at all.
    """
    if not shown:
        yield on_progress
        return
    from tqdm.auto import tqdm  # noqa: PLC0415 - looks for a notebook

    with tqdm(desc=label, unit="tile") as bar:

        def show(done: RunProgress) -> None:
            bar.total, bar.n = done.n_tile, done.n_done + done.n_failed
            rate = done.n_pixel / max(done.seconds, 1e-3)
            failed = f", {done.n_failed} failed" if done.n_failed else ""
            bar.set_postfix_str(f"{rate / 1e6:.3g} Mpx/s{failed}")  # and draws it
            if on_progress:
                on_progress(done)

        yield show
