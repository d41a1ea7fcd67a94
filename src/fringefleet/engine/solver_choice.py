"""Choice of the solver: the requested one, or the fastest that runs in this process.

Torch is imported by the solvers that need it, not here: that takes more than a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fringefleet.choices import DeviceName
from fringefleet.errors import DeviceError
from fringefleet.importing import without_collection
from fringefleet.options import Options
from fringefleet.products.registry import needs_torch, products_for

if TYPE_CHECKING:  # torch
    from fringefleet.solver.base import Solver, SolverWorkspace

_MADE_FOR: dict[DeviceName, str] = {"cpu": "compiled", "cuda": "fused"}  # solvers, each a package


def check_solver(options: Options) -> None:
    """Check that the device is available and the solver runs on it.

    Raises
    ------
    DeviceError
        There is no such device, or the solver lacks a requirement.
    """
    if options.device == "cpu" and options.solver in ("auto", "elimination", "dense"):
        return  # every process has a CPU, and one of the solvers runs there
    if is_direct(options):
        check_direct()
        return
    from fringefleet.engine import device as devices  # noqa: PLC0415 - torch
    from fringefleet.solver.base import is_raw  # noqa: PLC0415 - torch

    device = devices.select(options.device)
    solver = load_solver(choose_solver(options))
    if is_raw(solver):
        solver.check_ready(device)


def is_direct(options: Options) -> bool:
    """Return whether the compiled solver alone suffices, as in :mod:`fringefleet.engine.direct`."""
    is_alone = options.device == "cpu" and not needs_torch(options)
    return is_alone and choose_solver(options) == "compiled"


def check_direct() -> None:
    """Raise an error if numba is missing, or its compilation is disabled.

    Raises
    ------
    DeviceError
        Either is the case.
    """
    _load_kernel().check_numba()


def choose_solver(options: Options) -> str:
    """Return the name of the solver: ``auto`` is the compiled or the fused one, where that runs."""
    if options.solver != "auto":
        return options.solver
    return "elimination" if why_eager(options) else _MADE_FOR[options.device]


def load_solver(name: str) -> "Solver[SolverWorkspace]":
    """Import a solver, with the libraries that only this one needs.

    Raises
    ------
    DeviceError
        A library is not installed.
    """
    with _needed_by(name):
        solver: Solver[SolverWorkspace] = import_module(
            f"fringefleet.solver.{name}" + ".solver" * (name in _MADE_FOR.values())
        )
        return solver


def _load_kernel() -> ModuleType:
    """Import the compiled kernel, which needs no torch."""
    with _needed_by("compiled"):
        from fringefleet.solver.compiled import batches  # noqa: PLC0415 - numba
    return batches


@contextmanager
def _needed_by(name: str) -> Iterator[None]:
    try:
        with without_collection():
            yield
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"found no module {error.name}; the {name} solver needs it. Install it, or choose the "
            "elimination solver."
        ) from error


def why_eager(options: Options) -> str:
    """Explain why the solver made for a device does not run in this process; empty if it does.

    Triton builds a kernel when it is first launched, which needs a C compiler, Python's headers and a
    writable folder; so this is tried. So is numba, which needs none of these, with the code of the options.
    """
    try:
        if options.device == "cpu":
            has_operator = any(product.operator for product in products_for(options))
            form = options.dtype, options.norm != "l2", options.std, has_operator and not needs_torch(options)
            return _try_out_kernel(*form)
        return _try_out_fused()
    except DeviceError as error:
        return str(error)


@cache
def _try_out_kernel(*form: Any) -> str:
    try:
        vectors = _load_kernel()
        vectors.check_numba()
        vectors.try_out_kernel(*form)
    except DeviceError as error:
        return str(error)
    except MemoryError:
        raise
    except Exception as error:  # any error of a compiler
        return f"{type(error).__name__}: {error}"
    return ""


@cache
def _try_out_fused() -> str:
    from fringefleet.engine import device as devices  # noqa: PLC0415 - torch

    device = devices.select("cuda")
    try:
        with _needed_by("fused"):
            from fringefleet.solver.fused import solver  # noqa: PLC0415 - torch
        solver.check_ready(device)
        solver.try_out(device)
    except DeviceError as error:
        return str(error)
    except Exception as error:  # any error of a compiler
        if devices.is_broken(error) or devices.is_out_of_memory(error):
            raise
        return f"{type(error).__name__}: {error}"
    return ""
