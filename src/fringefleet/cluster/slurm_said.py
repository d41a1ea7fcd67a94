"""What was said about a keyword of ``SLURMCluster``: in the options, or in Dask's configuration."""

import signal
from collections.abc import Mapping, Sequence
from typing import Any

import dask

from fringefleet.cluster.options import check_type
from fringefleet.errors import MissingExtraError, OptionError

SECTION = "slurm"


class Said:
    """What was said about a keyword: in the options, else in a section of Dask's configuration."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.section = f"jobqueue.{options.get('config_name') or SECTION}"

    def get(self, name: str, default: Any = None) -> Any:
        """Find the value of a keyword; the default if nothing was said, or None."""
        value = self.options.get(name)
        if value is None:
            value = dask.config.get(f"{self.section}.{name.replace('_', '-')}", None)
        return default if value is None else value

    def list(self, name: str) -> list[str]:
        """Find the values of a keyword that takes several."""
        value = self.get(name, [])
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise OptionError(f"found {name} = {value!r}; give a list of texts.")
        return [str(item) for item in value]

    def everything(self) -> dict[str, Any]:
        """Find all keywords about which something was said, known ones or not."""
        configured = dask.config.get(self.section, None) or {}
        names = {*self.options, *(str(name).replace("-", "_") for name in configured)}
        return {name: value for name in sorted(names) if (value := self.get(name)) is not None}


def import_jobqueue() -> Any:
    """Import dask-jobqueue, and keep what Ctrl-C does: its import makes it a silent end of the process.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue.slurm  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(
            f"--cluster slurm needs dask-jobqueue ({error}); install it with pip install "
            "'fringefleet[slurm]'."
        ) from error
    if signal.getsignal(signal.SIGINT) is not on_interrupt:
        signal.signal(signal.SIGINT, on_interrupt)
    return dask_jobqueue


def complete_section(name: str | None) -> None:
    """Let a section of Dask's configuration have what it lacks from that of Slurm; the library would fail.

    Raises
    ------
    OptionError
        There is no such section.
    MissingExtraError
        dask-jobqueue is not installed.
    """
    check_type("config_name", name, (str,))
    if name is None:
        return
    import_jobqueue()  # which brings the latter
    sections = dask.config.get("jobqueue")
    if name not in sections:
        raise OptionError(
            f"found no section {name!r} below jobqueue in Dask's configuration, which is in "
            f"{', '.join(map(str, dask.config.paths))}; there are {', '.join(sorted(sections))}. Correct the "
            "name, or write the section."
        )
    dask.config.update_defaults({"jobqueue": {name: dict(sections.get(SECTION, {}))}})
