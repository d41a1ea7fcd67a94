"""Installed software: versions against what is needed, the compiler of the CPU, and its folder."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from fringefleet.doctor.finding import Finding, note, ok, problem
from fringefleet.engine.solver_choice import check_direct
from fringefleet.errors import DeviceError
from fringefleet.processes.versions import software_versions
from fringefleet.solver.compiled.code_files import CODE, VARIABLE, locked_code

_OPTIONAL = ("dask-jobqueue", "triton", "rasterio", "numcodecs", "h5netcdf", "matplotlib", "bokeh")


def examine_versions() -> Iterator[Finding]:
    """List versions, and find what is missing or too old."""
    found = software_versions() | dict(_optional_versions())
    text = ", ".join(f"{name} {number}" for name, number in found.items())
    yield ok("versions", text, **found, executable=sys.executable, system=platform.platform())
    unmet = [*_unmet_requirements()]
    if unmet:
        yield problem(
            "requirements",
            f"found {'; '.join(unmet)}",
            "Install fringefleet again in this environment, with its dependencies: pip install -c "
            "constraints.txt . in its clone.",
            unmet=unmet,
        )
    else:
        yield ok("requirements", "everything that fringefleet requires is installed, and new enough")


def _optional_versions() -> Iterator[tuple[str, str]]:
    for name in _OPTIONAL:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _unmet_requirements() -> Iterator[str]:
    for line in requires("fringefleet") or ():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(needed.name)
        except PackageNotFoundError:
            yield f"no {needed.name}, which must be {needed.specifier}"
            continue
        if not needed.specifier.contains(there, prereleases=True):
            yield f"{needed.name} {there}, which must be {needed.specifier}"


def examine_gdal() -> Iterator[Finding]:
    """Find GDAL, which reads and writes GeoTIFF and others; it comes with rasterio."""
    try:
        number = str(import_module("rasterio").__gdal_version__)
    except (ImportError, OSError) as error:
        yield problem(
            "GDAL",
            f"rasterio, which brings GDAL, cannot be imported: {error}",
            "Install rasterio again; a module of the system, or LD_LIBRARY_PATH, may have put other "
            "libraries before its own.",
        )
    else:
        yield ok("GDAL", number, version=number)


def examine_compiler() -> Iterator[Finding]:
    """Check that numba works, without which the CPU is several times slower."""
    try:
        check_direct()
    except (DeviceError, ImportError, OSError) as error:
        yield note(
            "numba",
            f"the compiled solver does not run: {error}",
            "Install numba and unset NUMBA_DISABLE_JIT; without it a run on the CPU is several times slower.",
        )
    else:
        yield ok("numba", "the solver can be compiled for this processor")


def examine_code_folder() -> Iterator[Finding]:
    """Find the folder of compiled code, and whether it can be written."""
    with locked_code(f"doctor-{os.getpid()}") as place:
        folder, why = place
    if folder is None:
        yield note(
            "compiled code",
            f"it cannot be kept ({why}): each process compiles it again, which takes about 15 s",
            f"Set {VARIABLE} to a folder that only you can write to.",
            folder=None,
        )
        return
    sizes = [path.stat().st_size for path in folder.glob(f"*{CODE}")]
    facts = {"folder": str(folder), "n_file": len(sizes), "n_byte": sum(sizes)}
    text = f"kept in {folder}, {len(sizes)} files"
    if why:
        yield note(
            "compiled code", f"{text}, because of {why}", f"Set {VARIABLE} to a folder to keep.", **facts
        )
    else:
        yield ok("compiled code", text, **facts)
