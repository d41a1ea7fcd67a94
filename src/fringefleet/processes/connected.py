"""Workers that a program is connected to."""

from pathlib import Path
from typing import NamedTuple

from dask.utils import format_bytes
from distributed import Client

from fringefleet.choices import DeviceName
from fringefleet.processes.html import facts_as_html, rows_as_html
from fringefleet.processes.worker_info import Record, ask_workers


class ConnectedWorkers(NamedTuple):
    """Workers to compute with.

    Attributes
    ----------
    client
        Dask client.
    n_worker
        Their number.
    worker_memory
        Of each [byte]; None if there is no limit.
    credentials
        By which others may join: ``tls_credentials``; None if they do not lie here.
    device
        Device that they compute on.
    """

    client: Client
    n_worker: int
    worker_memory: int | None
    credentials: Path | None = None
    device: DeviceName = "cpu"

    def records(self) -> list[Record]:
        """Ask each worker what it is: its address and host, cores, memory and GPU.

        :func:`fringefleet.processes.worker_info.worker_record` has the keys.
        """
        return ask_workers(self.client, self.device)

    def _repr_html_(self) -> str:
        """Show them in a notebook, also when they have been stopped."""
        if self.client.status != "running":
            return facts_as_html("Workers", {"workers": f"{self.n_worker}, stopped"})
        rows = [
            (
                record["address"],
                record["host"],
                record["n_core"],
                record["gpu_name"] or "none",
                format_bytes(int(record["gpu_bytes"])) if record["gpu_bytes"] else "",
            )
            for record in self.records()
        ]
        memory = "no limit" if self.worker_memory is None else format_bytes(self.worker_memory)
        title = f"{len(rows)} worker{'s' * (len(rows) != 1)}, memory of each: {memory}"
        return rows_as_html(title, ("worker", "host", "cores", "GPU", "memory of the GPU"), rows)
