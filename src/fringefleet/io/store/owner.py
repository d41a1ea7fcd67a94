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
    """A process that writes to an output."""

    run: str  # letters and digits that no other run has
    host: str
    pid: int
    machine: str  # where the pid means something: this boot, and the namespace of its processes
    born: str  # of the process, so that a pid that is used again is another
    since: str

    @classmethod
    def here(cls) -> "Owner":
        """Describe this process."""
        pid = os.getpid()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(uuid4().hex[:16], socket.gethostname(), pid, _machine(), _born(pid), now)

    @classmethod
    def read(cls, text: bytes) -> "Owner | None":
        """Understand what :meth:`text` gave; None if it is something else."""
        try:
            found = cls(**json.loads(text))
            understood = found.run.isalnum() and found.pid > 0
        except (ValueError, TypeError, AttributeError):
            return None
        return found if understood else None

    def text(self) -> str:
        """Give it as text."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        """Name it for a message."""
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_alive(self) -> bool | None:
        """Whether it is a process of this machine that goes on, be it stopped; None where nobody can see."""
        if self.machine != _machine():
            return None
        ours = True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            ours = False
        born = _born(self.pid)
        if not born and not (ours and self.born):  # the system may show nobody the processes of others
            return None
        return born == self.born


def _machine() -> str:
    """Name what a pid belongs to, as far as the system says."""
    facts = [socket.gethostname()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(facts)


def _born(pid: int) -> str:
    """When a process was started, in ticks since the machine was; empty if it ended or nobody says."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[19]  # a zombie has ended
