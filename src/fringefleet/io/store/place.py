"""Places where an output may be: not in a stack that is one store, nor in the folder of a pair."""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from fringefleet.arguments.paths import real_path
from fringefleet.errors import InputError, OptionError
from fringefleet.io.checks.door import readable
from fringefleet.io.zarr.metadata import is_zarr

_LONGEST_ADDITION = 40  # characters that the longest name next to an output adds: a lock being taken over
_PAIR = re.compile(r"\d{7,8}(T\d{6})?_\d{7,8}(T\d{6})?")


def check_apart(output: Path, source: Path, pair_folders: Collection[str] = ()) -> None:
    """Reject an output that would change its own input.

    Parameters
    ----------
    output
        Path to be written.
    source
        Stack or result that it is made from: a file, a Zarr store, or a folder of other files, which may
        contain an output.
    pair_folders
        Folders of one pair each, which may contain only the files of that pair.

    Raises
    ------
    OptionError
        States where it is.
    """
    with readable(f"the path {output}", OptionError):
        there, stack = real_path(output), real_path(source)
        above = there.parents
        if there == stack or there in stack.parents:
            raise OptionError(f"{output} is or contains {source}, from which it is made; give another name.")
        store = next((folder for folder in above if folder == stack or _holds_arrays(folder)), None)
        if store is not None and is_zarr(store):
            raise OptionError(f"{output} is inside the Zarr store {store}; give a name outside it.")
        pairs = {real_path(Path(folder)) for folder in pair_folders}
        of_pair = next((folder for folder in above if folder in pairs), None)
        if of_pair is not None:
            raise OptionError(
                f"{output} is inside {of_pair}, the folder of one pair of {source}; give a name outside it."
            )
        if there.parent in {folder.parent for folder in pairs} and _PAIR.fullmatch(there.name):
            raise OptionError(f"{output} has a name like a pair of {source}; give one without two dates.")


def _holds_arrays(folder: Path) -> bool:
    """Return whether a folder is a store with arrays of its own, rather than a group that contains stores."""
    return is_zarr(folder) and any(
        (folder / name).is_dir() for name in ("unwrapped_phase", "displacement", "reference_date", "date")
    )


def check_writable(output: Path) -> None:
    """Reject an output in a folder that cannot be created or written to, or with too long a name.

    A file is created there and removed again, because neither permissions nor the file system type are
    reliable.

    Raises
    ------
    InputError
        Names the folder.
    """
    with readable(f"the path {output}", InputError):
        real = real_path(output)
        if real.is_symlink():
            raise InputError(f"{output} is a link to itself; remove it, or give another name.")
        folder = next(folder for folder in real.parents if os.path.lexists(folder))
        if not folder.is_dir():
            raise InputError(
                f"{output} cannot be created: {folder} is not a folder that you may write to. "
                "Give another path."
            )
        _check_length(real, folder)
        probe = folder / f".fringefleet-{uuid4().hex}"
        try:
            probe.touch(exist_ok=False)
        except OSError as error:
            raise InputError(
                f"{output} cannot be created: {folder} is not a folder that you may write to "
                f"({error.strerror}). Give another path."
            ) from error
        with suppress(OSError):
            probe.unlink()


def _check_length(output: Path, folder: Path) -> None:
    most = os.pathconf(folder, "PC_NAME_MAX") - _LONGEST_ADDITION
    for name in output.relative_to(folder).parts:
        if (length := len(os.fsencode(name))) > most:
            raise InputError(
                f"found a name of {length} bytes, {name[:20]}...; at most {most} are possible in {folder}. "
                "Give a shorter one."
            )
    most = os.pathconf(folder, "PC_PATH_MAX") - _LONGEST_ADDITION - 1
    if (length := len(os.fsencode(output))) > most:
        raise InputError(f"found a path of {length} bytes; at most {most} are possible. Give a shorter one.")
