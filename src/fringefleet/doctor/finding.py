"""Finding of an examination, and the outside programs and libraries that findings are made from."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "note", "problem"]
_SECONDS_FOR_PROGRAM = 10.0


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes
    ----------
    name : str
        Name of what was checked.
    level : {"ok", "note", "problem"}
        ``note``: worth knowing; ``problem``: something will fail.
    text : str
        What was found.
    advice : str
        What to do about it; empty where there is nothing to do.
    facts : Mapping
        The same as plain values, for programs.
    subject : str
        Part of the examination.
    """

    name: str
    level: Level
    text: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    subject: str = ""


def ok(name: str, text: str, /, **facts: Any) -> Finding:
    """Make a finding that is as it should be."""
    return Finding(name, "ok", text, facts=facts)


def note(name: str, text: str, advice: str = "", /, **facts: Any) -> Finding:
    """Make a finding that is worth knowing."""
    return Finding(name, "note", text, advice, facts)


def problem(name: str, text: str, advice: str, /, **facts: Any) -> Finding:
    """Make a finding that something will fail of, with what to do about it."""
    return Finding(name, "problem", text, advice, facts)


def ask_program(*command: str) -> tuple[str | None, str]:
    """Run a program that only reports.

    Returns
    -------
    tuple
        What it prints, None where it fails; and the end of its complaints, or why it did not run.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS_FOR_PROGRAM,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{command[0]} gives no answer within {_SECONDS_FOR_PROGRAM:g} s"
    except OSError as error:
        return None, f"{command[0]}: {error.strerror or error}"
    lines = done.stderr.strip().splitlines() or [f"{command[0]} ends with {done.returncode}"]
    return (done.stdout.strip() if done.returncode == 0 else None), lines[-1]


def with_unit(n_byte: float) -> str:
    """Write a number of bytes as Dask does.

    Examples
    --------
    >>> with_unit(2**31)
    '2.00 GiB'
    """
    from dask.utils import format_bytes  # noqa: PLC0415 - heavy

    return str(format_bytes(int(n_byte)))
