"""Versions of files: when the content of a stack may have changed, its version differs.

Dask's names of tasks and what is noted of a run follow the version, so that what was computed from other data
is never taken for the answer. A version is a listing of all files that a stack is read from, taken when it
was opened. Whatever is read is compared with it afterwards, so that nothing that was changed meanwhile is
used.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from fringefleet.errors import RunError, StackChangedError
from fringefleet.io.files.listing import (
    ROOT,
    Difference,
    FileState,
    Listing,
    describe_differences,
    differs,
    only_touched,
)
from fringefleet.option_words import option

TOUCHED = (
    "Names and sizes agree, so the files may only have been touched, as is done to keep them from being "
    "purged: if you know that nothing was written to them, give "
    f"{option('accept_touched', True)}."
)
_accepts_touched: ContextVar[bool] = ContextVar("accepts_touched", default=False)


@contextmanager
def accepting_touched(accepted: bool) -> Iterator[None]:
    """Take files whose time alone has changed for the same meanwhile, in this thread, if that is wanted."""
    token = _accepts_touched.set(accepted)
    try:
        yield
    finally:
        _accepts_touched.reset(token)


@dataclass(frozen=True)
class FileVersion:
    """One version of one file: when it changes, Dask's names of what is in it change too."""

    path: str
    modified: int  # [ns]
    size: int  # [byte]

    @classmethod
    def of(cls, path: Path) -> "FileVersion":
        """Describe the file as it is now."""
        state = path.stat()
        return cls(str(path.absolute()), state.st_mtime_ns, state.st_size)

    @property
    def state(self) -> FileState:
        """Size and time."""
        return FileState(self.size, self.modified)

    def is_current(self) -> bool:
        """Whether the file is still there, and the same."""
        return difference_of(self.path, self.path, self.state) is None


@contextmanager
def unchanged(versions: Iterable[FileVersion], what: str = "the stack") -> Iterator[None]:
    """Refuse what is read of files meanwhile, or its failure, if they are no longer what was opened.

    Raises
    ------
    RunError
        Says what has become of them.
    """
    try:
        yield
    finally:
        looked_at = (difference_of(file.path, file.path, file.state) for file in versions)
        if differences := [difference for difference in looked_at if difference is not None]:
            raise stack_changed(what, differences)


class ArrayLayout(NamedTuple):
    """How an array of a Zarr store is cut into files: rows and columns of each, and which axes these are."""

    name: str
    size: tuple[int, int]
    axes: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FilesVersion:
    """One version of all files that a stack is read from; other files do not matter.

    ``path``: of the root, a folder or a file. ``list_now``: lists the files of the root anew, where that may
    have others than before. ``arrays``: of a Zarr store.
    """

    path: str
    listing: Listing
    list_now: Callable[[Path], Listing] | None = None
    arrays: tuple[ArrayLayout, ...] = ()

    @classmethod
    def of(cls, path: Path, files: Iterable[FileVersion]) -> "FilesVersion":
        """Put the versions of files together, each counted once, in any order."""
        root = str(path.absolute())
        real = os.path.realpath(root)
        return cls(root, Listing.of((_name_below(file.path, root, real), file.state) for file in files))

    def __eq__(self, other: object) -> bool:
        """Tell whether another version has the same content, wherever it lies."""
        return isinstance(other, FilesVersion) and self.listing.digest == other.listing.digest

    def __hash__(self) -> int:
        """Follow the content."""
        return hash(self.listing.digest)

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        """Name the content and where it lies."""
        return type(self).__name__, self.path, self.listing.digest

    @cached_property
    def n_file(self) -> int:
        """Number of files."""
        return len(self.listing)

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return self.listing.n_byte

    def is_there(self) -> bool:
        """Whether the root is still there."""
        return Path(self.path).exists()

    def differences(self) -> list[Difference]:
        """Scan the files once more, and find what has become of them."""
        if self.list_now is None:
            return differences_in(self.path, self.listing)
        try:
            return self.listing.differences(self.list_now(Path(self.path)))
        except OSError as error:
            raise RunError(
                f"the stack {self.path} is gone from this worker's sight, as a whole or in parts ({error})."
            ) from error


def differences_in(root: str, listing: Listing) -> list[Difference]:
    """Look at every file of a listing, once, and find those that are not as they were."""
    real = os.path.realpath(root)
    found = (difference_of(_path_below(name, root, real), name, then) for name, then in listing.items())
    return [difference for difference in found if difference is not None]


def difference_of(path: str, name: str, then: FileState) -> Difference | None:
    """Look at a file; None if it is as it was, or only touched where that is accepted."""
    now = _state(path)
    if now is not None and not differs(then, now):
        return None
    now = _state_when_opened(path)  # NFS may have shown what it knew from before
    difference = Difference(name, then, now)
    if now is not None and (not differs(then, now) or (difference.is_touched and _accepts_touched.get())):
        return None
    return difference


def stack_changed(what: str, differences: list[Difference]) -> RunError:
    """Make the error of a stack that was changed after it was opened, or is gone."""
    if all(difference.now is None for difference in differences):
        return RunError(
            f"{what} is gone from this worker's sight, as a whole or in parts: "
            f"{describe_differences(differences)}."
        )
    hint = f" {TOUCHED}" if only_touched(differences) else ""
    return StackChangedError(
        f"{what} was changed after it was opened: {describe_differences(differences)}.{hint}"
    )


def _state(path: str) -> FileState | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - quick
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns)


def _state_when_opened(path: str) -> FileState | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - quick
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns)


def _name_below(path: str, root: str, real: str) -> str:
    """Name a file by where it lies below a root, or beside it, however either is spelled."""
    if path == root:
        return ROOT
    if path.startswith(f"{root}/"):
        return path[len(root) + 1 :]
    return os.path.relpath(os.path.realpath(path), real)


def _path_below(name: str, root: str, real: str) -> str:
    """Find a file by its name; ``..`` of a root that is a link is not where the link lies."""
    if name == ROOT:
        return root
    return f"{real}/{name}" if name.startswith("../") else f"{root}/{name}"
