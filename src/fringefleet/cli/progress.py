"""Progress of a job: a bar on a terminal, a line every few seconds anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fringefleet.cli.console import logger

_SECONDS_BETWEEN_LINES = 5.0
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Tiles(NamedTuple):
    """Tiles of an inversion, and what was read and written of them [byte]."""

    n_done: int
    n_tile: int
    n_failed: int = 0
    n_byte: int = 0


class ProgressReport(Protocol):
    """Told of the fraction that is done, of pixels (0 where nobody counts them) and, if any, of tiles."""

    def __call__(self, fraction: float, n_pixel: int, tiles: Tiles | None = None) -> None:
        """Show it."""


@contextmanager
def show_progress(console: Console, label: str) -> Iterator[ProgressReport]:
    """Show a job while it runs; it reports what is done of it."""
    if console.is_terminal:
        with _bar(console, label) as report:
            yield report
    else:
        yield progress_lines(label, logger.info)


@contextmanager
def _bar(console: Console, label: str) -> Iterator[ProgressReport]:
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task(label, total=None, text="")
        start = monotonic()

        def report(fraction: float, n_pixel: int, tiles: Tiles | None = None) -> None:
            text = progress_text(fraction, n_pixel, monotonic() - start, tiles)
            progress.update(task, total=1.0, completed=fraction, text=text)

        yield report


def progress_lines(
    label: str, write: Callable[[str], None], clock: Callable[[], float] = monotonic
) -> ProgressReport:
    """Make a report that writes a line, at most every five seconds, and the last one in any case."""
    start = last = clock()

    def report(fraction: float, n_pixel: int, tiles: Tiles | None = None) -> None:
        nonlocal last
        now = clock()
        if fraction >= 1 or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            write(f"{label}: {progress_text(fraction, n_pixel, now - start, tiles)}")

    return report


def progress_text(fraction: float, n_pixel: int, seconds: float, tiles: Tiles | None = None) -> str:
    """Say how much is done, how fast, and how long the rest takes.

    Examples
    --------
    >>> progress_text(0.25, 500_000, 10.0)
    ' 25 %, 500 kpx, 50.0 kpx/s, 0:30 left'
    >>> progress_text(1.0, 2_000_000, 61.0)
    '100 %, 2.00 Mpx, 32.8 kpx/s, 1:01 in all'
    >>> progress_text(0.5, 500_000, 10.0, Tiles(4, 10, n_failed=1, n_byte=12_000_000_000))
    ' 50 %, 4 of 10 tiles, 1 failed, 500 kpx, 50.0 kpx/s, 1.20 GB/s, 0:10 left'
    """
    parts = [f"{int(100 * fraction):3d} %"]
    if tiles:
        parts += [f"{tiles.n_done} of {tiles.n_tile} tiles"]
        parts += [f"{tiles.n_failed} failed"] * bool(tiles.n_failed)
    if n_pixel:
        parts += [with_prefix(n_pixel, "px"), with_prefix(n_pixel / max(seconds, 1e-3), "px/s")]
    if tiles and tiles.n_byte:
        parts.append(with_prefix(tiles.n_byte / max(seconds, 1e-3), "B/s"))
    if fraction >= 1:
        parts.append(f"{clock_time(seconds)} in all")
    elif fraction > 0:
        parts.append(f"{clock_time(seconds * (1 / fraction - 1))} left")
    return ", ".join(parts)


def with_prefix(value: float, unit: str) -> str:
    """Write a number with three digits and an SI prefix.

    Examples
    --------
    >>> with_prefix(1_234_567, "B"), with_prefix(999, "B")
    ('1.23 MB', '999 B')
    """
    for factor, prefix in _PREFIXES:
        if value >= 0.9995 * factor:
            scaled = value / factor
            digits = max(0, 2 - len(str(int(scaled + 0.0005))) + 1)
            return f"{scaled:.{digits}f} {prefix}{unit}"
    return f"{value:.0f} {unit}"


def clock_time(seconds: float) -> str:
    """Write seconds as a clock does.

    Examples
    --------
    >>> clock_time(59.6), clock_time(3_725)
    ('1:00', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
