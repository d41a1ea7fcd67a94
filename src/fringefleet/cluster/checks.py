"""Fitness checks of workers: the same software everywhere, one GPU each, and nobody else's GPU."""

from collections.abc import Mapping, Sequence
from typing import Any

from distributed import Client

from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import DeviceError, InputError
from fringefleet.processes.versions import MUST_AGREE, say_differences, versions_that_must_agree
from fringefleet.processes.worker_info import Record, ask_workers, sharing


def check_workers(client: Client, options: ClusterOptions) -> None:
    """Refuse workers that could not do the work, or would do it otherwise than they should.

    An ``InputError`` says that a worker, or the scheduler, has other versions than this process, a
    ``DeviceError`` that a worker has no GPU where one was asked for, or shares it with another.
    """
    found: Any = client.get_versions(packages=list(MUST_AGREE))
    check_versions(found["client"], {"scheduler": found["scheduler"], **found["workers"]})
    records = ask_workers(client, options.device) if options.device == "cuda" else []
    if not options.share_gpu:
        check_gpus_are_not_shared(records)


def check_versions(ours: Mapping[str, Any], theirs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse workers whose software is not this process's: what they compute might be something else.

    Both are as ``Client.get_versions`` says them; theirs by name or address.
    """
    wanted = versions_that_must_agree(ours["packages"])
    wrong = []
    for name, answer in theirs.items():
        if other := say_differences(versions_that_must_agree(answer["packages"]), wanted):
            host = answer["host"].get("node", "its host")
            who = name if name == "scheduler" else f"worker {name} on {host}"
            wrong.append(f"{who} has {other}")
    if wrong:
        raise InputError(
            f"found other software on {len(wrong)} of {len(theirs)} processes of the cluster: "
            f"{'; '.join(wrong)}. Start them in the same environment as this process."
        )


def check_gpus_are_not_shared(records: Sequence[Record]) -> None:
    """Refuse workers that have the same GPU, whatever number each of them knows it by.

    Hosts are not compared: containers of one machine have names of their own, and no two GPUs have one UUID.
    """
    listed = []
    for uuid, theirs in sharing(records).items():
        users = (
            f"{record['worker']} on {record['host']} (pid {record['pid']}, "
            f"CUDA_VISIBLE_DEVICES={record['cuda_visible_devices']})"
            for record in sorted(theirs, key=lambda record: str(record["worker"]))
        )
        listed.append(f"{theirs[0]['gpu_name']} {uuid} by workers {', '.join(users)}")
    if listed:
        raise DeviceError(
            f"found a GPU that several workers share: {'; '.join(listed)}. Start one worker for each GPU "
            "(--cluster local-cuda does it on this machine, one job for each GPU does it under Slurm), or "
            "say --share-gpu."
        )
