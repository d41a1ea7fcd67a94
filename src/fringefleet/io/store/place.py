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

_LONGEST_ADDITION = 40  # characters of the longest name beside an output: that of a lock that is taken over
_PAIR = re.compile(r"\d{7,8}(T\d{6})?_\d{7,8}(T\d{6})?")


def check_apart(output: Path, source: Path, pair_folders: Collection[str] = ()) -> None:
    """Refuse an output that would change what it is made of.

    Parameters
    ----------
    output
        What is to be written.
    source
        The stack or the result that it is made of: a file, a Zarr store, or a folder of somebody's files, in
        which there is room for an output.
    pair_folders
        Folders of one pair each, where only the files of that pair may be.

    Raises
    ------
    OptionError
        Says where it is.
    """
    with readable(f"the path {output}", OptionError):
        there, stack = real_path(output), real_path(source)
        above = there.parents
        if there == stack or there in stack.parents:
            raise OptionError(f"{output} is or holds {source}, from which it is made; give another name.")
        store = next((folder for folder in above if folder == stack or _holds_arrays(folder)), None)
        if store is not None and is_zarr(store):
            raise OptionError(f"{output} lies in the Zarr store {store}; give a name outside of it.")
        pairs = {real_path(Path(folder)) for folder in pair_folders}
        of_pair = next((folder for folder in above if folder in pairs), None)
        if of_pair is not None:
            raise OptionError(
                f"{output} lies in {of_pair}, the folder of one pair of {source}; give a name outside of it."
            )
        if there.parent in {folder.parent for folder in pairs} and _PAIR.fullmatch(there.name):
            raise OptionError(
                f"{output} would be taken for a pair of {source}, for its name; give one without two dates."
            )


def _holds_arrays(folder: Path) -> bool:
    """Whether a folder is a store with arrays of its own, and not a group that holds stores."""
    return is_zarr(folder) and any(
        (folder / name).is_dir() for name in ("unwrapped_phase", "displacement", "reference_date", "date")
    )


def check_writable(output: Path) -> None:
    """Refuse an output in a folder that cannot be made or written to, or of a name that is too long.

    A file is made there and removed again: neither the rights nor the kind of a file system say for sure.

    Raises
    ------
    InputError
        Says which folder.
    """
    with readable(f"the path {output}", InputError):
        real = real_path(output)
        if real.is_symlink():
            raise InputError(
                f"{output} is a link that leads back to itself; remove it, or give another name."
            )
        folder = next(folder for folder in real.parents if os.path.lexists(folder))
        if not folder.is_dir():
            raise InputError(f"{output} cannot be made: {folder} is no folder that you may write to.")
        _check_length(real, folder)
        probe = folder / f".fringefleet-{uuid4().hex}"
        try:
            probe.touch(exist_ok=False)
        except OSError as error:
            raise InputError(
                f"{output} cannot be made: {folder} is no folder that you may write to ({error.strerror})."
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
