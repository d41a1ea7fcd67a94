"""Specification of a run, and the treatment of tiles that fail. Light to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented
from fringefleet.arguments.kinds import PATH, check_kind, check_two_numbers
from fringefleet.arguments.paths import check_local
from fringefleet.arguments.shapes import Shape
from fringefleet.choices import Existing, OnError
from fringefleet.errors import OptionError
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.option_words import option, suggest
from fringefleet.options import Options


@documented
@dataclass(frozen=True)
class FailurePolicy:
    """Treatment of tiles that fail.

    Raises
    ------
    OptionError
        A value is invalid.

    Examples
    --------
    >>> FailurePolicy("skip", retries=0).on_error
    'skip'
    """

    on_error: Annotated[
        OnError,
        Declared(
            "What to do about tiles that fail in every attempt, once all others are finished: stop with an "
            "error, or skip them, which leaves them without data and with the status failed_tile, or zero in "
            "MintPy's files.",
            Panel.OUTPUT,
        ),
    ] = "stop"
    retries: Annotated[
        int,
        Declared("Number of times that a failed tile is tried again.", Panel.OUTPUT, metavar="N", least=0),
    ] = 2

    def __post_init__(self) -> None:
        """Check both values."""
        check_fields(self)


PARTS_OF_RUN: dict[str, Any] = {
    "options": Options,
    "setting": Setting,
    "selection": Selection,
    "on_failure": FailurePolicy,
}


@documented
@dataclass(frozen=True)
class Run:
    """Specification of a run: stack, output, options, tiles and resources.

    Attributes
    ----------
    existing
        Treatment of an existing output.
    n_worker, n_thread
        Number of workers, and of Dask threads of each.
    n_core
        Threads of each worker that read and write; None: its share of this machine's cores.
    total_memory
        Memory of all workers together [byte]; where they would need more, tiles are smaller, and then workers
        fewer.
    worker_memory
        Memory of each worker [byte], whatever their number; tiles are smaller where needed, or rejected.
    gpu_memory
        Memory of the GPU of each worker [byte], if known.
    on_failure
        Treatment of tiles that fail.
    chunks
        Rows and columns of a tile; None: chosen so that all workers have tiles. A resumed run keeps those
        that it has.

    Raises
    ------
    OptionError
        ``existing`` or a path is invalid, or a setting has no effect with the options.

    Examples
    --------
    >>> run = Run("stack.zarr", "out.zarr", Options(weight_func="coh"), existing="resume")
    >>> run.output.name, run.options.weight_func
    ('out.zarr', 'coh')
    """

    stack: Annotated[
        Path,
        Declared(
            "Stack to read: MintPy's ifgramStack.h5, a Zarr store, or another format that info --formats "
            "lists.",
            metavar="STACK",
            is_argument=True,
        ),
    ]
    output: Annotated[Path, Declared("Zarr store to write.", metavar="OUT.zarr", is_argument=True)]
    options: Options = Options()  # noqa: RUF009 - frozen
    setting: Setting = Setting()  # noqa: RUF009 - frozen
    chunks: Annotated[
        Shape | None,
        Declared("Rows and columns of a chunk.", Panel.OUTPUT, metavar="Y X", default="chosen by memory"),
    ] = None
    existing: Existing = "refuse"
    n_worker: int = 1
    total_memory: int | None = None
    worker_memory: int | None = None
    n_thread: int = 1
    n_core: int | None = None
    gpu_memory: int | None = None
    on_failure: FailurePolicy = FailurePolicy()
    reader: Annotated[
        str | None,
        Declared(
            "Reader of the stack, where several recognise it; see info --formats.",
            Panel.SCENE,
            metavar="NAME",
            default="the one that recognises it",
        ),
    ] = None
    drop_incomplete: Annotated[
        bool, Declared("Omit pairs of a folder that lack a file which other pairs have.", Panel.SCENE)
    ] = False
    accept_touched: Annotated[
        bool,
        Declared(
            "Accept files of the stack of which only the modification time has changed, since the run that "
            "is resumed or during this one. Use it only if you know that nothing was written to them.",
            Panel.OUTPUT,
        ),
    ] = False
    selection: Selection = Selection()  # noqa: RUF009 - frozen

    if TYPE_CHECKING:  # a path may be text; the fields are paths

        def __init__(  # noqa: PLR0913 - all fields
            self,
            stack: str | Path,
            output: str | Path,
            options: Options = ...,
            setting: Setting = ...,
            chunks: Shape | None = ...,
            existing: Existing = ...,
            n_worker: int = ...,
            total_memory: int | None = ...,
            worker_memory: int | None = ...,
            n_thread: int = ...,
            n_core: int | None = ...,
            gpu_memory: int | None = ...,
            on_failure: FailurePolicy = ...,
            reader: str | None = ...,
            drop_incomplete: bool = ...,
            accept_touched: bool = ...,
            selection: Selection = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Convert paths given as text, and reject words that would silently mean something else."""
        for name in ("stack", "output"):
            path = getattr(self, name)
            check_kind(name, path, *PATH)
            check_local(path)
            object.__setattr__(self, name, Path(path))
        if self.existing not in get_args(Existing):
            wanted, hint = ", ".join(get_args(Existing)), suggest(str(self.existing), get_args(Existing))
            raise OptionError(f"found {option('existing', repr(self.existing))}; give one of {wanted}.{hint}")
        for name in ("n_worker", "n_thread", "n_core", "total_memory", "worker_memory", "gpu_memory"):
            if (number := getattr(self, name)) is not None:
                check_kind(name, number, int)
                if number < (least := 0 if name == "n_worker" else 1):
                    raise OptionError(f"found {option(name, number)}; give {least} or more.")
        for name, kind in PARTS_OF_RUN.items():
            check_kind(name, getattr(self, name), kind)
        if self.chunks is not None:
            check_two_numbers("chunks", self.chunks, "rows and columns of a tile")
        check_setting(self.setting, self.options)
