"""Choice of the solver: the one that is asked for, or the quickest that runs in this process.

Torch is imported by the solvers that need it, and not here: it takes more than a second.
"""

from functools import cache
from importlib import import_module
from typing import Any

from fringefleet.choices import DeviceName
from fringefleet.errors import DeviceError
from fringefleet.importing import without_collection
from fringefleet.options import Options

_SWIFT_OF: dict[DeviceName, str] = {"cpu": "compiled", "cuda": "fused"}  # solvers that are made for a device
SWIFT = tuple(_SWIFT_OF.values())  # they take observations as they are in the file


def check_solver(options: Options) -> None:
    """Find out whether the device is there and the solver runs on it.

    Raises
    ------
    DeviceError
        There is none, or the solver lacks what it needs.
    """
    if options.device == "cpu" and options.solver in ("auto", "elimination", "dense"):
        return  # every process has a CPU, and one of these runs there
    if is_direct(options):
        check_direct()
        return
    from fringefleet.engine import device as devices  # noqa: PLC0415 - torch

    device = devices.select(options.device)
    name = choose_solver(options)
    if name in SWIFT:
        load_solver(name).check_ready(device)


def is_direct(options: Options) -> bool:
    """Whether the compiled solver does all that is wanted, as :mod:`fringefleet.engine.direct` has it."""
    wanted = options.std or options.covariance or options.diagnose or options.dem_error
    plain = options.device == "cpu" and options.dtype == "float32" and options.norm == "l2" and not wanted
    return plain and choose_solver(options) == "compiled"


def check_direct() -> None:
    """Refuse to go on where numba is missing, or was told to compile nothing.

    Raises
    ------
    DeviceError
        One of both.
    """
    load_solver("compiled", "batches").check_numba()


def choose_solver(options: Options) -> str:
    """Name the solver that is meant: ``auto`` is the compiled or the fused one, where that runs."""
    if options.solver != "auto":
        return options.solver
    return "elimination" if why_eager(options) else _SWIFT_OF[options.device]


def load_solver(name: str, part: str = "solver") -> Any:
    """Import a solver, or another part of its package, and with it what only this one needs.

    Raises
    ------
    DeviceError
        That is not installed.
    """
    try:
        with without_collection():
            return import_module(f"fringefleet.solver.{name}" + f".{part}" * (name in SWIFT))
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"found no module {error.name}; the {name} solver needs it. Install it, or choose the "
            "elimination solver."
        ) from error


def why_eager(options: Options) -> str:
    """Say why the solver that is made for a device does not run in this process; nothing if it does.

    Triton makes a kernel when it is first launched, which needs a C compiler, Python's headers and a folder
    to keep it in; so it is tried. So is numba, which needs none of those, with what the options need.
    """
    try:
        if options.device == "cpu":
            return _try_out_kernel(options.dtype, options.norm != "l2", options.std)
        return _try_out_fused()
    except DeviceError as error:
        return str(error)


@cache
def _try_out_kernel(*form: Any) -> str:
    try:
        vectors = load_solver("compiled", "batches")
        vectors.check_numba()
        vectors.try_out_kernel(*form)
    except DeviceError as error:
        return str(error)
    except MemoryError:
        raise
    except Exception as error:  # whatever a compiler says
        return f"{type(error).__name__}: {error}"
    return ""


@cache
def _try_out_fused() -> str:
    from fringefleet.engine import device as devices  # noqa: PLC0415 - torch

    device = devices.select("cuda")
    try:
        solver = load_solver(_SWIFT_OF["cuda"])
        solver.check_ready(device)
        solver.try_out(device)
    except DeviceError as error:
        return str(error)
    except Exception as error:  # whatever a compiler says
        if devices.is_broken(error) or devices.is_out_of_memory(error):
            raise
        return f"{type(error).__name__}: {error}"
    return ""
