"""One inversion to be run, and what it did when it is over."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fringefleet.arguments.kinds import PATH, check_kind, check_two_numbers
from fringefleet.arguments.paths import check_local
from fringefleet.errors import OptionError
from fringefleet.execution.prepare import Setting, check_setting
from fringefleet.execution.retry import FailurePolicy
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile
from fringefleet.options import Options

logger = logging.getLogger(__name__)

Existing = Literal["refuse", "resume", "overwrite"]


@dataclass(frozen=True)
class Run:
    """One inversion: what to read, where to write, how to cut and solve it.

    ``chunks``: rows and columns of a tile; if None they are chosen so that ``n_worker`` workers have
    something to do, and a run that is resumed keeps those that it has. ``existing``: what to do with an
    output that is there. ``total_memory`` [byte]: of all workers together; where that is less than they would
    take, tiles are smaller, and then workers fewer. ``worker_memory`` [byte]: of each worker, however many
    there are; tiles are smaller where that takes it, or refused. ``n_thread``: Dask threads of each, and
    ``n_core``: threads of each that read and write; None: its share of this machine's cores. ``gpu_memory``
    [byte]: of the GPU of each, if that is known. ``on_failure``: what to do with tiles that
    fail. ``reader``: name of the reader of the stack; None: the only one that recognises it.
    ``drop_incomplete``: leave out pairs of a folder that lack a file. ``accept_touched``: take files of
    the stack whose time alone has changed, since the run that is resumed or while this one goes on, for the
    same; only who knows that nothing was written to them may say so.

    Raises
    ------
    OptionError
        ``existing`` is none of those words, a path is none, or a setting has no effect with the options.
    """

    stack: Path
    output: Path
    options: Options = Options()  # noqa: RUF009 - frozen
    setting: Setting = Setting()  # noqa: RUF009 - frozen
    chunks: tuple[int, int] | None = None
    existing: Existing = "refuse"
    n_worker: int = 1
    total_memory: int | None = None
    worker_memory: int | None = None
    n_thread: int = 1
    n_core: int | None = None
    gpu_memory: int | None = None
    on_failure: FailurePolicy = FailurePolicy()  # noqa: RUF009 - frozen
    reader: str | None = None
    drop_incomplete: bool = False
    accept_touched: bool = False

    def __post_init__(self) -> None:
        """Take paths as text, too, and refuse a word that would mean another one in silence."""
        for name in ("stack", "output"):
            path = getattr(self, name)
            check_kind(name, path, *PATH)
            check_local(path)
            object.__setattr__(self, name, Path(path))
        if self.existing not in get_args(Existing):
            wanted = ", ".join(get_args(Existing))
            raise OptionError(f"found existing = {self.existing!r}; give one of {wanted}.")
        for name, kind in (("options", Options), ("setting", Setting), ("on_failure", FailurePolicy)):
            check_kind(name, getattr(self, name), kind)
        if self.chunks is not None:
            check_two_numbers("chunks", self.chunks, "rows and columns of a tile")
        check_setting(self.setting, self.options)


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    output: Path
    n_tile: int
    n_resumed: int  # tiles that were done before
    numbers: TileStatistics = TileStatistics()  # noqa: RUF009 - frozen; of the tiles done now
    skipped: tuple[Tile, ...] = ()  # tiles that failed, and that the run was told to go on without

    @property
    def n_infinite(self) -> int:
        """Infinite phases, left out, of the tiles done now."""
        return self.numbers.n_infinite

    @property
    def status_count(self) -> tuple[int, ...]:
        """Pixels of each status, by code, of the tiles done now; empty if there are none."""
        return self.numbers.status_count
