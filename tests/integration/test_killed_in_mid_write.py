"""Runs and conversions killed before a file gets its name: what is marked is whole, what is resumed equal.

One process imports everything, and forks a child for every moment, which SIGKILL ends there.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import fringefleet
from fringefleet import Options, Run
from fringefleet.io.store.marks import IS_DONE, read_marks
from fringefleet.simulate import Scene, simulate_stack

CHUNKS = (8, 8)
OPTIONS = Options(std=True, diagnose=True, keep_bits=12)
DRIVER = """
import json, os, signal, sys
from pathlib import Path
import fringefleet
from fringefleet import Options, Run

what, stack, folder, moments = sys.argv[1], *map(Path, sys.argv[2:4]), json.loads(sys.argv[4])
run = fringefleet.run, fringefleet.convert_stack  # imported before the fork
replace, n_named = Path.replace, 0


def do(output):
    if what == "invert":
        options = Options(std=True, diagnose=True, keep_bits=12)
        fringefleet.run(Run(stack, output, options, chunks=(8, 8)))
    else:
        fringefleet.convert_stack(stack, output, chunks=(8, 8), total_memory=10_000)


for moment in moments:
    child = os.fork()
    if child == 0:
        def watched(self, target):
            global n_named
            n_named += 1
            if n_named == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return replace(self, target)
        Path.replace = watched
        do(folder / f"{moment}.zarr")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(moment, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "stack.zarr"
    simulate_stack(Scene(n_date=5, shape=(18, 15), missing=0.1), path)
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kill_at(what: str, stack: Path, folder: Path, moments: list[int]) -> list[int]:
    """Kill at each of the moments; returns those that came before the end."""
    command = [sys.executable, "-c", DRIVER, what, str(stack), str(folder), json.dumps(moments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    ended = dict(map(int, line.split()) for line in done.stdout.splitlines())
    assert set(ended.values()) <= {0, signal.SIGKILL}
    return [moment for moment, how in ended.items() if how == signal.SIGKILL]


@pytest.mark.long
def test_an_inversion_killed_at_any_moment_marks_whole_tiles_only_and_is_resumed(stack, tmp_path):
    job = Run(stack, tmp_path / "whole.zarr", OPTIONS, chunks=CHUNKS)
    fringefleet.run(job)
    whole, expected = zarr.open_group(job.output, mode="r"), files_of(job.output)
    killed = kill_at("invert", stack, tmp_path, list(range(20, 140, 5)))
    assert len(killed) > 12
    n_marked = 0
    for moment in killed:
        output = tmp_path / f"{moment}.zarr"
        group = zarr.open_group(output, mode="r") if output.exists() else None
        marked = np.argwhere(read_marks(group) == IS_DONE).tolist() if group is not None else []
        n_marked += len(marked)
        for row, column in marked:
            tile = (slice(row * 8, row * 8 + 8), slice(column * 8, column * 8 + 8))
            for name, array in whole.arrays():
                if array.chunks[-2:] == CHUNKS:
                    np.testing.assert_array_equal(group[name][(..., *tile)], array[(..., *tile)])
        fringefleet.run(Run(stack, output, OPTIONS, chunks=CHUNKS, existing="resume"))
        assert files_of(output) == expected
    assert n_marked > 20


def test_a_conversion_killed_at_any_moment_is_resumed_to_the_same_bytes(stack, tmp_path):
    fringefleet.convert_stack(stack, tmp_path / "whole.zarr", chunks=CHUNKS, total_memory=10_000)
    expected = files_of(tmp_path / "whole.zarr")
    killed = kill_at("convert", stack, tmp_path, list(range(14, 80, 3)))
    assert len(killed) > 7
    n_kept = 0
    for moment in killed:
        output, partial = tmp_path / f"{moment}.zarr", tmp_path / f".{moment}.zarr.partial"
        assert not output.exists()
        group = zarr.open_group(partial, mode="r") if partial.exists() else None
        done = np.argwhere(read_marks(group) == IS_DONE).tolist() if group is not None else []
        n_kept += len(done)
        for row, column in done:
            for name in ("unwrapped_phase", "coherence"):
                key = f"{name}/c/0/{row}/{column}"
                assert (partial / "stack" / key).read_bytes() == expected[key]
        pixels = []
        fringefleet.convert_stack(
            stack,
            output,
            chunks=None if done else CHUNKS,  # those that it has
            resume=True,
            total_memory=10_000,
            progress=lambda n_done, _, add=pixels.append: add(n_done),
        )
        assert pixels[-1] == 18 * 15
        assert (pixels[0] > 0) == bool(done)
        assert files_of(output) == expected
        assert not partial.exists()
    assert n_kept > 5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
