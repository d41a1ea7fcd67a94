"""Memory, cores and limits of this process, and whether this machine is shared with others."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from fringefleet.doctor.finding import Finding, note, ok, problem, with_unit
from fringefleet.doctor.slurm import answers, is_in_job
from fringefleet.processes.cores import own_cores

_LITTLE_MEMORY = 500 * 10**6  # [byte] of a worker
_FILES_OF_A_WORKER, _FILES_BESIDES = 40, 100
_THREADS_OF_A_WORKER = 30
_MANY_USERS = 3
_FIRST_USER = 1000  # number; those below are the system's
_BUSY = 1.5  # processes for each core
_CGROUPS = {"": ("", ("memory.max", "memory.high")), "memory": ("memory", ("memory.limit_in_bytes",))}
_ROOT = Path("/sys/fs/cgroup")


def cgroup_memory_limit(own: Path = Path("/proc/self/cgroup"), root: Path = _ROOT) -> int | None:
    """Find the least memory limit [byte] of the control groups of this process; None if there is none.

    Dask looks at the outermost group only, where a container has its limit, but a job of Slurm has not.
    """
    limits: list[int] = []
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            for kind, (folder, names) in _CGROUPS.items():
                if kind in kinds.split(","):
                    limits += _limits_in(root / folder, path, names)
    return min(limits, default=None)


def _limits_in(base: Path, path: str, names: tuple[str, ...]) -> Iterator[int]:
    group = base / path.strip("/")
    for folder in (group, *group.parents):
        if folder.is_relative_to(base):
            for name in names:
                with suppress(OSError, ValueError):  # "max": there is no limit
                    yield int((folder / name).read_text())


def examine_memory() -> Iterator[Finding]:
    """Compare the memory of the machine with what this process may use, and with the cores."""
    memory = psutil.virtual_memory()
    group = cgroup_memory_limit()
    facts = {"total": memory.total, "available": memory.available, "limit": MEMORY_LIMIT, "cgroup": group}
    text = f"{with_unit(memory.total)}, of which {with_unit(memory.available)} are available"
    if memory.total > MEMORY_LIMIT:
        text += f"; workers may use {with_unit(MEMORY_LIMIT)}, by a control group or ulimit"
    if group is not None and group < MEMORY_LIMIT:
        yield problem(
            "memory",
            f"{text}; a control group of this process allows {with_unit(group)}, and kills what takes more",
            f"Limit the workers: --worker-memory {group // CPU_COUNT // 10**6}MB for {CPU_COUNT}, or request "
            "more memory from Slurm.",
            **facts,
        )
        return
    each = min(MEMORY_LIMIT, memory.available) // CPU_COUNT
    if each < _LITTLE_MEMORY:
        advice = "Start fewer workers: --workers N; fringefleet plan says how much memory each needs."
        yield note(
            "memory", f"{text}; that is {with_unit(each)} for each of {CPU_COUNT} workers", advice, **facts
        )
        return
    yield ok("memory", text, **facts)


def examine_cores() -> Iterator[Finding]:
    """Compare the cores of the machine with those of this process, and with the work on them."""
    total, cores = os.cpu_count() or CPU_COUNT, own_cores()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    load = os.getloadavg()[0]
    facts = {"host": socket.gethostname(), "total": total, "affinity": affinity}
    facts |= {"n_core": cores.number, "n_worker": CPU_COUNT, "load": round(load, 1)}
    text = f"{cores.number} of {total}; --workers is {CPU_COUNT} by default; load {load:.1f}"
    if affinity < total:
        text += f"; the system binds this process to {affinity}"
    if load > _BUSY * total:
        advice = "Others compute here: expect runs to take longer, or use another machine."
        yield note("cores", f"{text}: the machine is busy", advice, **facts)
        return
    yield ok("cores", text, **facts)


def examine_limits() -> Iterator[Finding]:
    """Compare limits of open files and processes with what workers on all cores need."""
    most_files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_BESIDES + _FILES_OF_A_WORKER * CPU_COUNT
    yield _limit("open files", most_files, hard, needed, "ulimit -n")
    used = _count_own_threads()
    most, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    found = [limit for limit in (most, _pid_limit()) if limit not in (None, resource.RLIM_INFINITY)]
    least = min(found, default=resource.RLIM_INFINITY)
    yield _limit("processes", least, hard, used + _THREADS_OF_A_WORKER * CPU_COUNT, "ulimit -u")


def _limit(name: str, most: int, hard: int, needed: int, how: str) -> Finding:
    facts = {"limit": most, "hard_limit": hard, "needed": needed}
    if most == resource.RLIM_INFINITY:
        return ok(name, "no limit", **facts | {"limit": None})
    text = f"at most {most}; {CPU_COUNT} workers need about {needed}"
    if most >= needed:
        return ok(name, text, **facts)
    can = hard == resource.RLIM_INFINITY or hard >= needed
    advice = f"{how} {needed}" if can else "Ask the operators for more"
    return problem(name, text, f"{advice}, or start fewer workers: --workers N.", **facts)


def _count_own_threads() -> int:
    """Count the threads of this user, which the system limits as processes."""
    n_thread, user = 0, os.getuid()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            n_thread += process.num_threads() if process.uids().real == user else 0
    return n_thread


def _pid_limit() -> int | None:
    """Find the number of processes that the outermost control group allows, as containers have it."""
    for path in (_ROOT / "pids.max", _ROOT / "pids" / "pids.max"):
        with suppress(OSError, ValueError):
            return int(path.read_text())
    return None


def examine_login_node() -> Iterator[Finding]:
    """Guess whether this is a login node, by Slurm and by the number of users."""
    users = _count_users()
    signs: list[str] = []
    if is_in_job():
        yield ok("login node", "no: this is inside a job of Slurm", n_user=users, signs=signs)
        return
    if answers():
        signs.append("Slurm answers, and this is not inside a job")
    if "login" in socket.gethostname().lower():
        signs.append("the name of the machine has login in it")
    if users >= _MANY_USERS:
        signs.append(f"{users} users have processes here")
    if not signs:
        yield ok("login node", "no sign of it", n_user=users, signs=signs)
        return
    advice = "Do not compute where others log in: --cluster slurm, or fringefleet in a job (srun, sbatch)."
    yield note("login node", f"perhaps, a guess: {'; '.join(signs)}", advice, n_user=users, signs=signs)


def _count_users() -> int:
    """Count the users, other than the system's, that have processes here."""
    users = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            users.add(process.uids().real)
    return sum(user >= _FIRST_USER for user in users)
