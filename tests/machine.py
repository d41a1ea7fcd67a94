"""What a benchmark or a test ran on: the machine, the version of the code, the memory that was taken."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fringefleet.processes.versions import software_versions


def cpu_model() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def commit() -> str:
    """The commit that is checked out, marked if files were changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def peak_memory() -> int:
    """Most memory that this process has had [byte]; what ``getrusage`` says may be that of its parent."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return 1024 * int(line.split()[1])


def measured_on() -> dict[str, Any]:
    """What every result file says: the machine and its load, versions, commit and time."""
    return {
        "machine": f"{cpu_model()}, {os.cpu_count()} logical CPUs",
        "load": round(os.getloadavg()[0], 2),
        "commit": commit(),
        "versions": software_versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
