"""Owner of an output: the process that writes to it, and whether it still exists."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True)
class Owner:
    """Process that writes to an output."""

    run: str  # unique letters and digits
    host: str
    pid: int
    machine: str  # scope of the pid: this boot, and the namespace of its processes
    born: str  # start time of the process, which distinguishes a reused pid
    since: str

    @classmethod
    def here(cls) -> "Owner":
        """Describe this process."""
        pid = os.getpid()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(uuid4().hex[:16], socket.gethostname(), pid, _machine(), _start_time(pid), now)

    @classmethod
    def read(cls, text: bytes) -> "Owner | None":
        """Parse the output of :meth:`text`; None if it is something else."""
        try:
            found = cls(**json.loads(text))
            understood = found.run.isalnum() and found.pid > 0
        except (ValueError, TypeError, AttributeError):
            return None
        return found if understood else None

    def text(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        """Return a description for a message."""
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_alive(self) -> bool | None:
        """Whether it is a live process of this machine, even if stopped; None if that is unknown."""
        if self.machine != _machine():
            return None
        ours = True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            ours = False
        born = _start_time(self.pid)
        if not born and not (ours and self.born):  # the system may hide the processes of other users
            return None
        return born == self.born


def _machine() -> str:
    """Return the scope of a pid, as far as the system reports it."""
    facts = [socket.gethostname()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(facts)


def _start_time(pid: int) -> str:
    """Return the start time of a process, in ticks since boot; empty if it ended or cannot be determined."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[19]  # a zombie has ended
