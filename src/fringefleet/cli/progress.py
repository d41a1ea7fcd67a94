"""How far a job is: a bar on a terminal, a line every few seconds anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fringefleet.cli.console import logger

SECONDS_BETWEEN_LINES = 5.0
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

Report = Callable[[float, int], None]  # fraction done, pixels done (0 where nobody counts them)


@contextmanager
def show_progress(console: Console, label: str) -> Iterator[Report]:
    """Show a job while it runs; it reports what is done of it."""
    if console.is_terminal:
        with _bar(console, label) as report:
            yield report
    else:
        yield progress_lines(label, logger.info)


@contextmanager
def _bar(console: Console, label: str) -> Iterator[Report]:
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task(label, total=None, text="")
        start = monotonic()

        def report(fraction: float, n_pixel: int) -> None:
            text = progress_text(fraction, n_pixel, monotonic() - start)
            progress.update(task, total=1.0, completed=fraction, text=text)

        yield report


def progress_lines(
    label: str, write: Callable[[str], None], clock: Callable[[], float] = monotonic
) -> Report:
    """Make a report that writes a line, at most every five seconds, and the last one in any case."""
    start = last = clock()

    def report(fraction: float, n_pixel: int) -> None:
        nonlocal last
        now = clock()
        if fraction >= 1 or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            write(f"{label}: {progress_text(fraction, n_pixel, now - start)}")

    return report


def progress_text(fraction: float, n_pixel: int, seconds: float) -> str:
    """Say how much is done, how fast, and how long the rest takes.

    Examples
    --------
    >>> progress_text(0.25, 500_000, 10.0)
    ' 25 %, 500 kpx, 50.0 kpx/s, 0:30 left'
    >>> progress_text(1.0, 2_000_000, 61.0)
    '100 %, 2.00 Mpx, 32.8 kpx/s, 1:01 in all'
    """
    parts = [f"{int(100 * fraction):3d} %"]
    if n_pixel:
        parts += [with_prefix(n_pixel, "px"), with_prefix(n_pixel / max(seconds, 1e-3), "px/s")]
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
    for factor, prefix in PREFIXES:
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
