"""Paths of a MintPy project: inputs and products of this step.

A project is a folder with ``smallbaselineApp.cfg`` and ``inputs/ifgramStack.h5``, in which MintPy works. A
single stack is inverted as ``ifgram_inversion.py`` does, into the current folder.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py

from fringefleet.arguments.paths import real_path
from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.files.folder import find_files, is_there
from fringefleet.io.hdf5.variables import is_hdf5, open_hdf5
from fringefleet.io.identify import check_exists, identify
from fringefleet.io.mintpy.metadata import plain_attributes

TEMPLATE = "smallbaselineApp.cfg"
STACK = Path("inputs", "ifgramStack.h5")
_OTHER_STACKS = Path("inputs", "*Stack.h5")
_AVERAGES = {"phase": "avgSpatialCoh.h5", "ion": "avgSpatialCohIon.h5", "offset": "avgSpatialSNR.h5"}


@dataclass(frozen=True)
class Project:
    """Files of one inversion; ``is_whole`` where they are a project and not a single stack.

    ``over``: the template of the project, if ``template`` is another one; its values apply where the other
    has none; it may be missing.
    """

    stack: Path
    folder: Path  # of the products
    template: Path | None
    is_whole: bool
    over: Path | None = None


def find_project(path: Path | None, template: Path | None) -> Project:
    """Find the stack, the template and the folder of the products.

    Parameters
    ----------
    Folder of a project, or a stack. If None: the current folder, or that of the template if its name is
    that of a project's template.
        a project by its name.
    template
        Template, if it is not the project's own alone.

    Raises
    ------
    InputError
        Something is missing; the message states what was searched for, and where.
    """
    if path is None:
        path = template.parent if template is not None and template.name == TEMPLATE else Path()
    check_exists(path)
    if path.is_dir():
        return _whole_project(path, template)
    _check_stack(path)
    return Project(path, Path.cwd(), template, is_whole=False)


def average_coherence(stack: Path, observation: str) -> Path | None:
    """Return the average coherence, or SNR, of a stack where MintPy looks for it: one folder above it."""
    kind = "offset" if "offset" in observation else "ion" if is_ionosphere(stack) else "phase"
    path = stack.absolute().parent.parent / _AVERAGES[kind]
    return path if is_there(path) else None


def is_ionosphere(stack: Path) -> bool:
    """Return whether a stack is one of the ionosphere, which MintPy recognises by its name."""
    return stack.name.startswith("ion")


def geometry_of(stack: Path) -> Path | None:
    """Return the geometry file of a project by the grid of its stack, next to it."""
    with open_hdf5(stack) as file:
        geocoded = "Y_FIRST" in file.attrs
    path = stack.with_name("geometryGeo.h5" if geocoded else "geometryRadar.h5")
    return path if is_there(path) else None


def stack_datasets(stack: Path) -> list[str]:
    """Return the names of the observations and of other datasets over pairs, rows and columns in a stack."""
    with open_hdf5(stack) as file:
        return [name for name, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim == 3]


def _whole_project(folder: Path, template: Path | None) -> Project:
    if (folder / "zarr.json").is_file():
        raise InputError(
            f"found a Zarr store at {folder}; this command takes MintPy's files. Use `fringefleet invert` "
            "and `fringefleet export`."
        )
    stack = folder / STACK
    if not stack.is_file():
        others = [str(path) for path in find_files(folder, str(_OTHER_STACKS))]
        hint = f" There is {', '.join(others)}: give that path, to invert it alone." if others else ""
        raise InputError(
            f"found no {STACK} in {folder.absolute()}; a MintPy project has one. Give the folder of a "
            f"project, or a stack.{hint}"
        )
    own = folder / TEMPLATE
    if template is None and not own.is_file():
        raise InputError(
            f"found no template {own}; a MintPy project has a {TEMPLATE}. Give another one with "
            f"--template, or the stack {stack} alone."
        )
    _check_stack(stack)
    if template is None or real_path(own) == real_path(template):
        return Project(stack, folder, own, is_whole=True)
    return Project(stack, folder, template, is_whole=True, over=own)


def _check_stack(stack: Path) -> None:
    if not stack.is_file() or not is_hdf5(stack):
        raise StackFormatError(
            f"{stack} is not a stack of MintPy: it is {identify(stack)}. Give an {STACK.name}; give a "
            "template "
            "by --template."
        )
    with open_hdf5(stack) as file:
        kind = plain_attributes(file.attrs).get("FILE_TYPE", "ifgramStack")
    if kind != "ifgramStack":
        raise StackFormatError(
            f"found a MintPy file of the type {kind} at {stack}; give a stack, of the type ifgramStack."
        )
