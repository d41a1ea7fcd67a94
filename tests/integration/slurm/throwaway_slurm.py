"""A real Slurm on this machine, for as long as the tests run: two nodes with two pretend GPUs each.

No systemd, no cgroups, no accounting daemon; everything listens on the loopback and keeps its files in one
folder. A pretend GPU is a link to ``/dev/null``: Slurm counts it, hands it out, and sets
``CUDA_VISIBLE_DEVICES``, which it does not for a plain file. Memory is booked, not enforced.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from polling import wait_until

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "srun")
NODES = ("n1", "n2")
GPUS, CPUS, MEMORY = 2, 4, 32000  # of each node; [MB]
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

CONFIGURATION = """\
ClusterName=fringefleettest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits as long as its credential is valid
AuthInfo=socket={base}/munge/munge.sock,cred_expire=15
# listen on what the name of the host resolves to, not on every address
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={base}/state
SlurmctldPidFile={base}/run/slurmctld.pid
SlurmctldLogFile={base}/log/slurmctld.log
SlurmdSpoolDir={base}/spool/%n
SlurmdPidFile={base}/run/slurmd.%n.pid
SlurmdLogFile={base}/log/slurmd.%n.log
# announce more CPUs than there are
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={base}/log/jobcomp.log
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5,sched_min_interval=0
ReturnToService=2
SlurmdTimeout=60
InactiveLimit=0
KillWait=2
CompleteWait=0
MinJobAge=600
DefMemPerCPU=500
MailProg=/bin/true
PropagateResourceLimits=NONE
GresTypes=gpu
{nodes}
PartitionName=gpu Nodes={names} Default=YES DefaultTime=10 MaxTime=60 State=UP
"""


class ThrowawaySlurm:
    """Daemons that :meth:`start` starts and :meth:`stop` stops, and the queue that they keep."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.configuration = base / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.configuration), "PATH": PATH}

    @staticmethod
    def missing() -> list[str]:
        """Programs that are not installed."""
        return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]

    def start(self) -> None:
        for folder in ("log", "run", "munge", "dev", "state", *(f"spool/{node}" for node in NODES)):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        for number in range(GPUS):
            (self.base / "dev" / f"nvidia{number}").symlink_to("/dev/null")
        self._configure()
        key = self.base / "munge" / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        munge = {
            "socket": "munge/munge.sock",
            "key-file": "munge/munge.key",
            "seed-file": "munge/munged.seed",
        }
        munge |= {"pid-file": "run/munged.pid", "log-file": "log/munged.log"}
        # --force: it refuses a socket in a folder that others cannot enter, as pytest's are
        self._run("munged", "--force", *(f"--{name}={self.base / file}" for name, file in munge.items()))
        self._run("slurmctld", "-f", self.configuration)
        for node in NODES:
            self._run("slurmd", "-f", self.configuration, "-N", node)
        wait_until(self._all_nodes_are_up, 60, lambda: self._output("sinfo", "-N", "-o", "%N %t %E"))

    def stop(self) -> None:
        """Cancel what is queued and end the daemons, those that were started here and no others."""
        with suppress(subprocess.SubprocessError):
            if jobs := self.jobs():
                self._run("scancel", *jobs)
                wait_until(lambda: not self.jobs(), 30)
        pids = []
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "munged"):
            with suppress(FileNotFoundError, ProcessLookupError):
                pids.append(int((self.base / "run" / f"{name}.pid").read_text()))
                os.kill(pids[-1], signal.SIGTERM)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30)

    def jobs(self) -> dict[str, str]:
        """The queue: state of each job by its number."""
        lines = self._output("squeue", "-h", "-o", "%A %T").splitlines()
        return dict(line.split() for line in lines)

    def job_details(self, job: str) -> str:
        return self._output("scontrol", "show", "job", job)

    def cancel(self, job: str) -> None:
        self._run("scancel", job)

    def drain(self, node: str) -> None:
        self._run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")

    def resume(self, node: str) -> None:
        self._run("scontrol", "update", f"nodename={node}", "state=resume")

    def finished(self, job: str) -> dict[str, str]:
        """What Slurm wrote down about a job that has ended, such as JobState and ExitCode."""
        for line in (self.base / "log" / "jobcomp.log").read_text().splitlines():
            facts = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if facts.get("JobId") == job:
                return facts
        return {}

    def _all_nodes_are_up(self) -> bool:
        states = self._output("sinfo", "-h", "-N", "-o", "%t").split()
        return states == ["idle"] * len(NODES)

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        _map_to_loopback(host)
        ports = _free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} Boards=1 "
            f"SocketsPerBoard=1 CoresPerSocket={CPUS} ThreadsPerCore=1 RealMemory={MEMORY} Gres=gpu:{GPUS}"
            for node, port in zip(NODES, ports[1:], strict=True)
        )
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                port=ports[0],
                user=getpass.getuser(),
                base=self.base,
                nodes=nodes,
                names=",".join(NODES),
            )
        )
        devices = f"{self.base}/dev/nvidia[0-{GPUS - 1}]"
        lines = ["AutoDetect=off", *(f"NodeName={node} Name=gpu File={devices}" for node in NODES)]
        (self.base / "gres.conf").write_text("\n".join(lines) + "\n")
        (self.base / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def _run(self, *command: object) -> None:
        self._output(*command)

    def _output(self, *command: object) -> str:
        program = shutil.which(str(command[0]), path=PATH)
        done = subprocess.run(
            [program, *map(str, command[1:])],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise subprocess.SubprocessError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout


def _free_ports(n_port: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_port)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _map_to_loopback(host: str) -> None:
    """Slurm's daemons listen on what the host's name resolves to; see to it that it is the loopback."""
    with suppress(OSError):
        if socket.gethostbyname(host).startswith("127."):
            return
    with Path("/etc/hosts").open("a") as file:
        file.write(f"127.0.0.1 {host}\n")
