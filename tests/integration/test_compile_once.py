"""The compiled solver in whole runs: made by one worker, said once; and runs where it cannot be made."""

import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import zarr

from fringefleet.cluster import connect
from fringefleet.processes.worker_logging import forward_logs
from fringefleet.simulate import Scene
from fringefleet.solver.compiled.code_files import VARIABLE
from long_cases import long_but
from polling import wait_until

SCENE = Scene(n_date=6, shape=(20, 24))
COMPILING = "compiling the solver for this processor, once; this takes about 15 s"
SLOW = "the elimination is not compiled, and several times slower: "

NOT_INSTALLED = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.partition(".")[0] in ("numba", "llvmlite") else find(name, path, target)
)
"""
REFUSED = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numba":
            raise {error}

sys.meta_path.insert(0, Finder())
"""
CANNOT_COMPILE = """
from numba.core import event

class Listener(event.Listener):
    def on_start(self, started):
        raise RuntimeError("LLVM ERROR: no such processor")

    def on_end(self, ended):
        pass

event.register("numba:compile", Listener())
"""
WITHOUT = {
    "not installed": (NOT_INSTALLED, {}, "found no module numba; the compiled solver needs it"),
    "not found": (
        REFUSED.format(error="ModuleNotFoundError(\"No module named 'numba'\", name=name)"),
        {},
        "found no module numba; the compiled solver needs it",
    ),
    "not for this NumPy": (
        REFUSED.format(error="ImportError('Numba needs NumPy 1.0 or less')"),
        {},
        "ImportError: Numba needs NumPy 1.0 or less",
    ),
    "without LLVM": (CANNOT_COMPILE, {}, "RuntimeError: LLVM ERROR: no such processor"),
    "told not to": (
        "",
        {"NUMBA_DISABLE_JIT": "1"},
        "found NUMBA_DISABLE_JIT, which disables compilation by numba",
    ),
}
BOTH_FORMS = """
import logging, sys
import fringefleet

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    fringefleet.run(fringefleet.Run(sys.argv[1], sys.argv[2]))
    print("lazy", file=sys.stderr)
    result = fringefleet.invert(fringefleet.open_stack(sys.argv[1]), chunks=(10, 12))
    assert int(result.pair_count.max()) > 0
"""


def environment(folder, program="", **more):
    (folder / "first").mkdir(exist_ok=True)
    (folder / "first" / "sitecustomize.py").write_text(program)
    path = os.pathsep.join(filter(None, (str(folder / "first"), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path} | more


def run(words, env):
    done = subprocess.run(
        [sys.executable, *map(str, words)], env=env, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def invert(stack, output, env, *words):
    return run(["-m", "fringefleet", "invert", stack, output, "--workers", "2", *words], env)


def arrays(path):
    group = zarr.open_group(path, mode="r")
    return {name: np.asarray(array) for name, array in group.arrays()}


def assert_same_bits(one, other):
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize("kind", long_but(WITHOUT, "not installed", "without LLVM"))
def test_without_a_compiler_threads_solve_in_another_way_and_say_so_once(kind, stack, tmp_path):
    program, variables, why = WITHOUT[kind]
    cache = {} if kind == "told not to" else {VARIABLE: str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    (tmp_path / "script.py").write_text(BOTH_FORMS)
    env = environment(tmp_path, program, **variables, **cache)
    said = run([tmp_path / "script.py", stack, tmp_path / "result.zarr"], env)
    in_run, _, in_lazy_form = said.partition("lazy\n")
    for part in (in_run, in_lazy_form):
        assert part.count(SLOW + why) == part.count(SLOW) == 1, said
    status = arrays(tmp_path / "result.zarr")["status"]
    assert (status == 0).mean() > 0.9


@pytest.mark.cluster
def test_without_numba_workers_solve_in_another_way_and_the_user_is_told_once(stack, tmp_path):
    env = environment(tmp_path, NOT_INSTALLED)
    said = invert(stack, tmp_path / "result.zarr", env)
    assert said.count(SLOW) == 1
    invert(stack, tmp_path / "eager.zarr", dict(os.environ), "--solver", "elimination")
    assert_same_bits(tmp_path / "result.zarr", tmp_path / "eager.zarr")


@pytest.mark.cluster
@pytest.mark.long
def test_one_of_two_workers_compiles_what_the_options_need_and_says_so(stack, tmp_path):
    env = environment(tmp_path, **{VARIABLE: str(tmp_path / "cache")})
    first = invert(stack, tmp_path / "first.zarr", env, "--std", "--chunks", "10", "12")
    assert len(re.findall(rf"INFO +worker \d: {re.escape(COMPILING)}", first)) == 1
    assert first.count("compiling") == 1
    files = list((tmp_path / "cache" / "compiled").iterdir())
    assert {path.suffix for path in files} == {".code"}
    assert sum(path.name.startswith("invert_vectors-") for path in files) == 1  # nothing that nobody needs
    again = invert(stack, tmp_path / "again.zarr", env, "--std", "--chunks", "10", "12")
    assert "compiling" not in again
    assert_same_bits(tmp_path / "first.zarr", tmp_path / "again.zarr")
    assert sorted(files) == sorted((tmp_path / "cache" / "compiled").iterdir())


@pytest.mark.cluster
def test_what_a_worker_said_before_anybody_listened_is_said_once_somebody_does(caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    say = logging.getLogger("fringefleet").info
    with connect("local", 1) as workers:
        workers.client.run(say, "an early word")
        for n_word in (1, 2):
            with forward_logs(workers.client):
                workers.client.run(say, "a word")
                wait_until(lambda n=n_word: caplog.text.count("worker 0: a word") == n, 20)
    assert caplog.text.count("worker 0: an early word") == 1
