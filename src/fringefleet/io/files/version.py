"""Versions of files: a changed file of a stack has another version.

Dask's task names and the record of a run depend on the version, so that a result computed from other data
is never mistaken for the current one. A version is a listing of all files that a stack is read from, taken
when it was opened. Everything that is read is compared with it afterwards, so that no data changed meanwhile
are used.
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
    "Names and sizes agree, so the files may only have been touched, as some do to prevent them from being "
    "purged: if you know that nothing was written to them, give "
    f"{option('accept_touched', True)}."
)
_accepts_touched: ContextVar[bool] = ContextVar("accepts_touched", default=False)


@contextmanager
def accepting_touched(accepted: bool) -> Iterator[None]:
    """Accept files of which only the modification time changed meanwhile, in this thread, if requested."""
    token = _accepts_touched.set(accepted)
    try:
        yield
    finally:
        _accepts_touched.reset(token)


@dataclass(frozen=True)
class FileVersion:
    """Version of one file: when it changes, Dask's names of its content change too."""

    path: str
    modified: int  # [ns]
    size: int  # [byte]

    @classmethod
    def of(cls, path: Path) -> "FileVersion":
        """Return the current version of a file."""
        state = path.stat()
        return cls(str(path.absolute()), state.st_mtime_ns, state.st_size)

    @property
    def state(self) -> FileState:
        """Size and time of the file."""
        return FileState(self.size, self.modified)

    def is_current(self) -> bool:
        """Return whether the file still exists unchanged."""
        return difference_of(self.path, self.path, self.state) is None


@contextmanager
def unchanged(versions: Iterable[FileVersion], what: str = "the stack") -> Iterator[None]:
    """Check that files do not change while they are read; a change takes precedence over a read error.

    Raises
    ------
    RunError
        Describes the change.
    """
    try:
        yield
    finally:
        looked_at = (difference_of(file.path, file.path, file.state) for file in versions)
        if differences := [difference for difference in looked_at if difference is not None]:
            raise stack_changed(what, differences)


class ArrayLayout(NamedTuple):
    """Division of an array of a Zarr store into files: rows and columns of each, and the axes of these."""

    name: str
    size: tuple[int, int]
    axes: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FilesVersion:
    """Version of all files that a stack is read from; other files do not matter.

    ``path``: of the root, a folder or a file. ``list_now``: lists the files of the root again, where there
    may be others than before. ``arrays``: of a Zarr store.
    """

    path: str
    listing: Listing
    list_now: Callable[[Path], Listing] | None = None
    arrays: tuple[ArrayLayout, ...] = ()

    @classmethod
    def of(cls, path: Path, files: Iterable[FileVersion]) -> "FilesVersion":
        """Merge the versions of files, given in any order, each once."""
        root = str(path.absolute())
        real = os.path.realpath(root)
        return cls(root, Listing.of((_name_below(file.path, root, real), file.state) for file in files))

    def __eq__(self, other: object) -> bool:
        """Return whether another version has the same content, at any location."""
        return isinstance(other, FilesVersion) and self.listing.digest == other.listing.digest

    def __hash__(self) -> int:
        """Return a hash of the content."""
        return hash(self.listing.digest)

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        """Return the content and its location."""
        return type(self).__name__, self.path, self.listing.digest

    @cached_property
    def n_file(self) -> int:
        """Number of files."""
        return len(self.listing)

    @cached_property
    def size(self) -> int:
        """Total size of all files [byte]."""
        return self.listing.n_byte

    def is_there(self) -> bool:
        """Return whether the root still exists."""
        return Path(self.path).exists()

    def differences(self) -> list[Difference]:
        """Scan the files again, and find how they differ."""
        if self.list_now is None:
            return differences_in(self.path, self.listing)
        try:
            return self.listing.differences(self.list_now(Path(self.path)))
        except OSError as error:
            raise RunError(
                f"the stack {self.path} can no longer be accessed from this worker, as a whole or in part "
                f"({error})."
            ) from error


def differences_in(root: str, listing: Listing) -> list[Difference]:
    """Check every file of a listing, once, and return those that differ."""
    real = os.path.realpath(root)
    found = (difference_of(_path_below(name, root, real), name, then) for name, then in listing.items())
    return [difference for difference in found if difference is not None]


def difference_of(path: str, name: str, then: FileState) -> Difference | None:
    """Check a file; None if it is unchanged, or only touched where that is accepted."""
    now = _state(path)
    if now is not None and not differs(then, now):
        return None
    now = _state_when_opened(path)  # NFS may have shown cached metadata
    difference = Difference(name, then, now)
    if now is not None and (not differs(then, now) or (difference.is_touched and _accepts_touched.get())):
        return None
    return difference


def stack_changed(what: str, differences: list[Difference]) -> RunError:
    """Return the error for a stack that changed after it was opened, or is gone."""
    if all(difference.now is None for difference in differences):
        return RunError(
            f"{what} can no longer be accessed from this worker, as a whole or in part: "
            f"{describe_differences(differences)}."
        )
    hint = f" {TOUCHED}" if only_touched(differences) else ""
    return StackChangedError(
        f"{what} changed after it was opened: {describe_differences(differences)}.{hint}"
    )


def _state(path: str) -> FileState | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - fast
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns)


def _state_when_opened(path: str) -> FileState | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - fast
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns)


def _name_below(path: str, root: str, real: str) -> str:
    """Return the name of a file relative to a root, inside or next to it, however either is spelled."""
    if path == root:
        return ROOT
    if path.startswith(f"{root}/"):
        return path[len(root) + 1 :]
    return os.path.relpath(os.path.realpath(path), real)


def _path_below(name: str, root: str, real: str) -> str:
    """Return the path of a file by its name; ``..`` of a linked root is not the parent of the link."""
    if name == ROOT:
        return root
    return f"{real}/{name}" if name.startswith("../") else f"{root}/{name}"
