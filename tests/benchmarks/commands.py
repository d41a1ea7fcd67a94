"""Commands as they are typed: their wall and CPU seconds, those of their workers included."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import monotonic
from typing import Any, NamedTuple

from fringefleet.execution.report import report_path

TAIL = 2000  # characters of what a command that failed has said


class Spent(NamedTuple):
    """What a command took."""

    wall_seconds: float
    cpu_seconds: float


def run_command(words: Iterable[str | Path], *, may_fail: bool = False, **how: Any) -> Spent:
    """Run a command to its end; ``how`` as for :func:`subprocess.run`.

    Raises
    ------
    RuntimeError
        It failed, and may not.
    """
    before, start = getrusage(RUSAGE_CHILDREN), monotonic()
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **how)
    wall, after = monotonic() - start, getrusage(RUSAGE_CHILDREN)
    if done.returncode and not may_fail:
        raise RuntimeError(f"{' '.join(map(str, words))}\n{done.stderr[-TAIL:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(round(wall, 2), round(cpu, 2))


def run_ours(words: Iterable[str | Path], **how: Any) -> Spent:
    """Run a command of this package; as :func:`run_command`."""
    return run_command((sys.executable, "-m", "fringefleet", *words), **how)


def invert(stack: Path, output: Path, *options: str) -> dict[str, Any]:
    """Run ``fringefleet invert``, whatever is there already, and say how long what took."""
    spent = run_ours(("invert", stack, output, "--overwrite", *options))
    report = json.loads(report_path(output).read_text())
    totals, peak = report["totals"], max((tile.get("gpu_peak_bytes") or 0) for tile in report["tiles"])
    return {
        "seconds_command": spent.wall_seconds,
        "seconds_cpu": spent.cpu_seconds,
        "seconds_tiles": totals["wall_seconds"],
        "stages": {stage: round(value, 2) for stage, value in totals["seconds"].items()},
        "tile": report["chunks"],
        "n_tile": totals["n_tile"],
        **({"gpu_peak_gb": round(peak / 1e9, 2)} if peak else {}),
    }
