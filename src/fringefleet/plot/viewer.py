"""A result in the browser: the viewer bowser, served to this machine alone."""

import getpass
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.arguments.calls import checked_call
from fringefleet.errors import MissingExtraError, OptionError, StackFormatError
from fringefleet.io.grid import map_crs
from fringefleet.io.store.open_result import open_result
from fringefleet.option_words import option
from fringefleet.plot.shown import FIRST

_LOOPBACK = "127.0.0.1"
_PORTS = range(8000, 8100)


@checked_call
def view_result(
    path: Path | str, port: int | None = None, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve a result to browsers of this machine until interrupted.

    Parameters
    ----------
    path
        A result in geographic or projected coordinates.
    port
        Port to listen at, on the loopback interface. None: the first free one from 8000.
    on_ready
        Called with the address before the server starts.

    Raises
    ------
    StackFormatError
        It is no result, or in radar geometry, for which there is no map.
    OptionError
        The port is taken.
    MissingExtraError
        bowser is not installed.

    Examples
    --------
    >>> view_result("stack.zarr")
    Traceback (most recent call last):
    fringefleet.errors.StackFormatError: stack.zarr is not a result: it is a stack of interferograms; ...
    """
    path = Path(path)
    check_viewable(path)
    port = _free_port(port)
    app = _application(path)
    import uvicorn  # noqa: PLC0415 - of the extra

    if on_ready is not None:
        on_ready(f"http://{_LOOPBACK}:{port}")
    with suppress(KeyboardInterrupt):  # uvicorn's own end, raised once more
        uvicorn.run(app, host=_LOOPBACK, port=port, log_level="warning")


def check_viewable(path: Path) -> None:
    """Refuse what cannot be shown on a map.

    Raises
    ------
    StackFormatError
        It is no result, or in radar geometry.
    """
    if map_crs(open_result(path)) is None:
        raise StackFormatError(
            f"found {path} in radar geometry, or without a known coordinate reference system, and the viewer "
            "needs a map. Draw it with `fringefleet plot`, or geocode the stack and repeat the inversion."
        )


def tunnel(address: str) -> str:
    """Command that makes an address of this machine reachable from another one.

    Examples
    --------
    >>> tunnel("http://127.0.0.1:8000").split("@")[0].split()[:4]
    ['ssh', '-N', '-L', '8000:127.0.0.1:8000']
    """
    port = address.rpartition(":")[2]
    return f"ssh -N -L {port}:{_LOOPBACK}:{port} {getpass.getuser()}@{socket.gethostname()}"


def _application(path: Path) -> Any:
    """Load bowser with a result; it reads what to show from its environment when it is imported."""
    where = str(path.absolute())
    os.environ["BOWSER_STACK_DATA_FILE"] = where if path.suffix == ".zarr" else f"file://{where}"
    os.environ["BOWSER_TITLE"] = path.name
    os.environ["BOWSER_USE_SPATIAL_REFERENCE_DISP"] = "false"  # series are relative to our reference point
    try:
        with redirect_stdout(sys.stderr):
            from bowser import main  # noqa: PLC0415 - of the extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"bowser, which shows results in the browser, cannot be imported ({error}). "
            'Install it with: pip install "fringefleet[view]"'
        ) from error
    main.state.dataset = arranged(main.state.dataset)
    return main.app


def arranged(result: xr.Dataset) -> xr.Dataset:
    """Put velocity or displacement first, and the meaning of the codes into the name of the status."""
    names = sorted(map(str, result.data_vars), key=lambda name: (name not in FIRST, name != FIRST[0], name))
    found = result[names]
    if "status" in found:
        attrs = found["status"].attrs
        codes = zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True)
        meanings = ", ".join(f"{code} {meaning.replace('_', ' ')}" for code, meaning in codes)
        found["status"] = found["status"].assign_attrs(long_name=f"{attrs['long_name']}: {meanings}")
    return found


def _free_port(wanted: int | None) -> int:
    """Find a port that nobody listens at.

    Raises
    ------
    OptionError
        The one that is wanted, or every one of the default range, is taken.
    """
    if wanted is not None and not 0 < wanted < 2**16:
        raise OptionError(f"found {option('port', wanted)}; give a number from 1 to 65535.")
    for port in _PORTS if wanted is None else (wanted,):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    taken = f"{_PORTS[0]} to {_PORTS[-1]}" if wanted is None else str(wanted)
    raise OptionError(f"found port {taken} in use on {_LOOPBACK}; give another {option('port')}.")
