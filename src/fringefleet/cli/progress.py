"""Progress of a job: a bar on a terminal, a line every few seconds anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.filesize import pick_unit_and_suffix
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fringefleet.cli.console import logger
from fringefleet.processes.log_file import IS_SHOWN

if TYPE_CHECKING:
    from fringefleet.execution.scheduler import RunProgress

_SECONDS_BETWEEN_LINES = 5.0


class ProgressReport(Protocol):
    """Told of the fraction that is done, of pixels (0 where nobody counts them) and, if any, of tiles."""

    def __call__(self, fraction: float, n_pixel: int, tiles: "RunProgress | None" = None) -> None:
        """Show it."""


@contextmanager
def show_stages(console: Console) -> Iterator[Callable[[str, "RunProgress"], None]]:
    """Show stages of work, each from when what this yields is told of it for the first time."""
    reports: dict[str, ProgressReport] = {}
    with ExitStack() as opened:

        def show(stage: str, done: "RunProgress") -> None:
            if stage not in reports:
                opened.close()
                reports[stage] = opened.enter_context(show_progress(console, stage))
            if n_gone := done.n_done + done.n_failed:
                is_of_tile = done.report is not None or done.failure is not None
                reports[stage](n_gone / done.n_tile, done.n_pixel, done if is_of_tile else None)

        yield show


@contextmanager
def show_progress(console: Console, label: str) -> Iterator[ProgressReport]:
    """Show a job while it runs; it reports what is done of it."""
    log = progress_lines(label, partial(logger.info, extra={IS_SHOWN: True} if console.is_terminal else None))
    if not console.is_terminal:
        yield log
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task(label, total=None, text="")
        start = monotonic()

        def report(fraction: float, n_pixel: int, tiles: "RunProgress | None" = None) -> None:
            text = progress_text(fraction, n_pixel, monotonic() - start, tiles)
            progress.update(task, total=1.0, completed=fraction, text=text)
            log(fraction, n_pixel, tiles)

        yield report


def progress_lines(
    label: str, write: Callable[[str], None], clock: Callable[[], float] = monotonic
) -> ProgressReport:
    """Make a report that writes a line, at most every five seconds, and the last one in any case."""
    start = last = clock()

    def report(fraction: float, n_pixel: int, tiles: "RunProgress | None" = None) -> None:
        nonlocal last
        now = clock()
        if fraction >= 1 or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            write(f"{label}: {progress_text(fraction, n_pixel, now - start, tiles)}")

    return report


def progress_text(fraction: float, n_pixel: int, seconds: float, tiles: "RunProgress | None" = None) -> str:
    """Describe how much is done, how fast, and how long the rest takes.

    Examples
    --------
    >>> progress_text(0.25, 500_000, 10.0)
    ' 25 %, 500 kpx, 50 kpx/s, 0:00:30 left'
    >>> progress_text(1.0, 2_000_000, 61.0)
    '100 %, 2 Mpx, 32.8 kpx/s, 0:01:01 in all'
    """
    rate = 1 / max(seconds, 1e-3)
    parts = [f"{int(100 * fraction):3d} %"]
    if tiles:
        parts.append(f"{tiles.n_done} of {tiles.n_tile} tiles")
        parts += [f"{tiles.n_failed} failed"] * bool(tiles.n_failed)
    if n_pixel:
        parts += [with_prefix(n_pixel, "px"), with_prefix(n_pixel * rate, "px/s")]
    if tiles and tiles.n_byte:
        parts.append(with_prefix(tiles.n_byte * rate, "B/s"))
    if fraction >= 1:
        parts.append(f"{clock_time(seconds)} in all")
    elif fraction > 0:
        parts.append(f"{clock_time(seconds * (1 / fraction - 1))} left")
    return ", ".join(parts)


def with_prefix(value: float, unit: str) -> str:
    """Write a number with three digits and an SI prefix.

    Examples
    --------
    >>> with_prefix(1_234_567, "B"), with_prefix(999_999, "B"), with_prefix(12, "px")
    ('1.23 MB', '1 MB', '12 px')
    """
    rounded = float(f"{value:.3g}")
    factor, suffix = pick_unit_and_suffix(int(rounded), [prefix + unit for prefix in ("", *"kMGTP")], 1000)
    return f"{rounded / factor:.3g} {suffix}"


def clock_time(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds.

    Examples
    --------
    >>> clock_time(3_724.6)
    '1:02:05'
    """
    return str(timedelta(seconds=round(seconds)))
