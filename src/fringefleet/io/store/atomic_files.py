"""Atomic files: written under a temporary name until complete."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from fringefleet.io.store.owned import owned_folder


@contextmanager
def staged_files(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield temporary paths for files, which replace ``paths`` when all of them are complete.

    Missing folders are created. Leftovers of dead processes in them are removed.
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
        for part, path in places.items():
            part.replace(path)


@contextmanager
def replaced_when_complete(paths: Iterable[Path]) -> Iterator[list[h5py.File]]:
    """Yield temporary HDF5 files, which replace ``paths`` when all of them are complete."""
    with staged_files(paths) as parts, ExitStack() as opened:
        yield [opened.enter_context(h5py.File(part, "w", locking=False)) for part in parts]
