"""Invert one scene on the cores of this machine: python invert_scene.py STACK OUT.zarr [WORKERS].

Run it again after an interruption: it goes on where it stopped.
"""

import sys
from pathlib import Path

import fringefleet


def main(stack: str, output: str, n_worker: int | None) -> None:
    """Start workers, invert, say what came out."""
    with fringefleet.connect("local", n_worker) as workers:
        job = fringefleet.Run(
            stack=Path(stack),
            output=Path(output),
            options=fringefleet.Options(weight_func="var", min_redundancy=1.0),
            existing="resume",
            n_worker=workers.n_worker,
        )
        summary = fringefleet.run(job)
    print(f"{summary.output}: {summary.n_tile} tiles, {summary.n_resumed} of them done before")


if __name__ == "__main__":  # worker processes import this file
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
