"""Atomic files, and stores: written under a temporary name until complete."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from fringefleet.io.store.owned import REPLACED, end_placing, note_placing, owned_folder


@contextmanager
def staged_files(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield temporary paths for files or stores, which replace ``paths`` when all of them are complete.

    Missing folders are created. Leftovers of dead processes in them are removed. Of what replaces nothing,
    all or none gets to its place, also where this process is killed.
    """
    with ExitStack() as opened:
        folders: dict[Path, Path] = {}
        places: dict[Path, Path] = {}
        for path in map(Path.absolute, paths):
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders[path.parent] = opened.enter_context(owned_folder(path.parent))
            places[folders[path.parent] / path.name] = path
        yield list(places)
        for folder in folders.values():
            new = [part.name for part, path in places.items() if part.parent == folder and not path.exists()]
            note_placing(folder, new)
        for part, path in places.items():
            _place(part, path)
        for folder in folders.values():
            end_placing(folder)


def _place(part: Path, path: Path) -> None:
    """Move a part to its place; a store that is there is moved away for another one, and never for a file."""
    if part.is_dir() and path.is_dir() and not path.is_symlink():
        (part.parent / REPLACED).mkdir(exist_ok=True)
        path.rename(part.parent / REPLACED / path.name)
    part.replace(path)


@contextmanager
def replaced_when_complete(paths: Iterable[Path]) -> Iterator[list[h5py.File]]:
    """Yield temporary HDF5 files, which replace ``paths`` when all of them are complete."""
    with staged_files(paths) as parts, ExitStack() as opened:
        yield [opened.enter_context(h5py.File(part, "w", locking=False)) for part in parts]
