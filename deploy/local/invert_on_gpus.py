"""Invert one scene on the GPUs of this machine: python invert_on_gpus.py STACK OUT.zarr [GPUS].

GPUS are numbers or UUIDs as CUDA_VISIBLE_DEVICES takes them, such as 0,2; all that are visible if not given.
Run it again after an interruption: it goes on where it stopped. It needs the extra cuda12 or cuda13.
"""

import sys
from pathlib import Path

import fringefleet
from fringefleet.errors import FringefleetError


def main(stack: str, output: str, gpus: str | None) -> None:
    """Start one worker for each GPU, invert, say what came out."""
    options = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
    with fringefleet.connect("local-cuda", options=options) as workers:
        job = fringefleet.Run(
            stack=Path(stack),
            output=Path(output),
            options=fringefleet.Options(device="cuda", weight_func="var", min_redundancy=1.0),
            existing="resume",
            n_worker=workers.n_worker,
        )
        summary = fringefleet.run(job)
    print(f"{summary.output}: {summary.n_tile} tiles, {summary.n_resumed} of them done before")


if __name__ == "__main__":  # worker processes import this file
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    except FringefleetError as error:
        sys.exit(f"error: {error}")
