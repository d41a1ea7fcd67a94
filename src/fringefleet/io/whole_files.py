"""HDF5 files under a temporary name until they are whole, so that what has the name is complete."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py


@contextmanager
def replaced_when_complete(paths: Iterable[Path]) -> Iterator[list[h5py.File]]:
    """Write files under temporary names; they take the places of ``paths`` when all of them are complete."""
    places = {path.with_name(f".{path.name}.{os.getpid()}.part"): path for path in paths}
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(h5py.File(part, "w", locking=False)) for part in places]
        for part, path in places.items():
            part.replace(path)
    finally:
        for part in places:
            part.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove what was left of writing to these files by a process that was killed."""
    for path in paths:
        for part in path.parent.glob(f".{path.name}.*.part"):
            part.unlink(missing_ok=True)
