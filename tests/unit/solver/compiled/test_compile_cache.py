"""Code that is kept: by all that it was made of, compiled once however many want it, and never an error."""

import os
import signal
import subprocess
import sys
import types
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from fringefleet.solver.compiled import compile_cache
from fringefleet.solver.compiled import irls as compiled_robust
from fringefleet.solver.compiled import kernel as compiled_kernel
from fringefleet.solver.compiled import observe as compiled_observe
from fringefleet.solver.compiled import steps as compiled_steps
from fringefleet.solver.compiled import variances as compiled_variances
from fringefleet.solver.compiled.code_files import VARIABLE, write_code
from fringefleet.solver.compiled.compile_cache import name_of

PROCESSOR = ("x86_64", "some", "+avx2")
ARRAY = numba.float32[::1]
KERNEL = """
from typing import NamedTuple
import math
import numpy as np
from fringefleet.solver.compiled.jit import exact, fast

STEP, TABLE, ROWS = 2.0, (1, 2.5), np.arange(3.0)

class Cells(NamedTuple):
    right: object
    left: object

@fast
def scale(values):
    for p in range(len(values)):
        values[p] *= STEP

@exact
def twice(values):
    scale(values)
    scale(values)
    return values[0] + TABLE[1] + ROWS[2] + math.floor(np.float64(0.5))

@exact
def take(cells):
    return twice(cells.right)
"""
STRANGE = """
from numba.extending import overload

def floor(x):
    raise NotImplementedError

@overload(floor)
def _(x):
    return lambda x: math.floor(x)
"""
# Wait for the word to begin; tell when something is compiled, and how often it was.
PROCESS = """
import os, sys, logging
import numpy as np
from numba.core import event
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
import kernel

class Count(event.Listener):
    names = []
    def on_start(self, e):
        self.names.append(e.data["dispatcher"].__name__)
        if len(self.names) == 1 and len(sys.argv) > 1:
            print("compiling", flush=True)
            sys.stdin.readline()
        if sys.argv[1:] == ["fail"]:
            raise RuntimeError("no LLVM here")
    def on_end(self, e):
        pass

event.register("numba:compile", Count())
print("ready", flush=True)
sys.stdin.readline()
try:
    print(kernel.take(kernel.Cells(np.ones(64, np.float32), np.zeros(64, np.float32))))
except RuntimeError as error:
    print("failed:", error)
print("compiled", sorted(Count.names), flush=True)
if len(sys.argv) > 1:
    sys.stdin.readline()
"""
SAYS = "compiling the solver for this processor, once; this takes about"
COMPILED, LOADED = "compiled ['scale', 'take', 'twice']", "compiled []"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with the kernel, and an empty cache."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path


class Process:
    """A process that uses the kernel when it is told to."""

    def __init__(self, *words):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen([sys.executable, "-c", PROCESS, *words], text=True, **pipes)

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait_for(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return
        raise AssertionError(f"ended without {word}")

    def end(self):
        lines = self.process.communicate("\n\n\n", timeout=120)[0].splitlines()
        assert self.process.returncode == 0, lines
        return lines


@contextmanager
def ready(n, *words):
    processes = [Process(*words) for _ in range(n)]
    with ExitStack() as opened:
        for it in processes:
            opened.enter_context(it.process)
            opened.callback(it.process.kill)
            it.wait_for("ready")
        yield processes


def used_by_one():
    with ready(1) as (it,):
        return it.end()


def code_files(home):
    return sorted(path.name.partition("-")[0] for path in (home / "cache" / "compiled").glob("*"))


def test_of_several_that_start_at_once_one_compiles_and_says_so(home):
    with ready(3) as processes:
        for it in processes:
            it.go()
        said = [it.end() for it in processes]
    assert sorted(lines[-1] for lines in said) == [COMPILED, LOADED, LOADED]
    assert {lines[-2] for lines in said} == {"8.5"}
    assert sum(line.startswith(SAYS) for lines in said for line in lines) == 1
    assert code_files(home) == ["scale", "take", "twice"]
    assert used_by_one() == ["8.5", LOADED]


def test_one_that_is_killed_while_it_compiles_keeps_nobody_waiting(home):
    with ready(2, "slowly") as (first, second):
        first.go()
        first.wait_for("compiling")
        second.go()
        os.kill(first.process.pid, signal.SIGKILL)
        assert second.end()[-1] == COMPILED
    assert used_by_one() == ["8.5", LOADED]


def test_one_that_cannot_compile_keeps_nobody_waiting(home):
    with ready(1, "fail") as (bad,), ready(1) as (good,):
        bad.go()
        bad.wait_for("compiling")
        good.go()
        bad.go()
        bad.wait_for("failed: no LLVM here")
        assert good.end()[-1] == COMPILED  # while the other lives
        bad.end()
    assert code_files(home) == ["scale", "take", "twice"]


def test_broken_files_are_compiled_again_and_replaced(home):
    """One of them is whole, as if numba had changed what it writes and not its version."""
    used_by_one()
    flipped, empty, other = sorted((home / "cache" / "compiled").iterdir())
    flipped.write_bytes(flipped.read_bytes()[:-200] + os.urandom(200))
    empty.write_bytes(b"")
    assert write_code(other.stem, b"no pickle") == other
    assert used_by_one()[-2:] == ["8.5", COMPILED]
    assert used_by_one() == ["8.5", LOADED]


def test_a_constant_of_another_module_makes_other_code(home):
    """Numba's own cache would go on with the code that it has."""
    other = KERNEL.replace("STEP, TABLE", "from constant import STEP\n_, TABLE")
    (home / "kernel.py").write_text(other)
    (home / "constant.py").write_text("STEP = 2.0")
    assert used_by_one()[-2:] == ["8.5", COMPILED]
    (home / "constant.py").write_text("STEP = 3.0 ")
    assert used_by_one()[-2:] == ["13.5", COMPILED]
    (home / "constant.py").write_text("STEP = 2.0  # as it was")
    assert used_by_one()[-2:] == ["8.5", LOADED]


def test_without_a_folder_it_is_kept_among_temporary_files(home, monkeypatch):
    monkeypatch.setenv(VARIABLE, "/proc/no/such")
    lines = used_by_one()
    assert "it is kept in" in lines[0]
    assert str(home / "temporary") in lines[0]
    assert used_by_one() == ["8.5", LOADED]


def test_the_users_own_functions_are_left_to_numba(home, monkeypatch):
    code = """
import numba, kernel, numpy as np
kernel.scale(np.ones(64, np.float32))
from own import plus
plus(1)
print(plus.stats.cache_path, dict(plus.stats.cache_misses) != {}, numba.config.CACHE_DIR)
"""
    (home / "own.py").write_text("import numba\n@numba.njit(cache=True)\ndef plus(x):\n    return x + 1\n")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(home / "theirs"))
    monkeypatch.delenv(VARIABLE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path, missed, said = done.stdout.split()
    assert (Path(path).parent, missed, said) == (home / "theirs", "True", str(home / "theirs"))
    assert len(list((home / "theirs" / "fringefleet" / "compiled").glob("scale-*.code"))) == 1


# --- names ------------------------------------------------------------------------------------------------


def module_of(source):
    module = types.ModuleType("kernel")
    exec(compile(source, "kernel.py", "exec"), module.__dict__)
    return module


def name(source=KERNEL, processor=PROCESSOR, of="take"):
    module = module_of(source)
    arrays = numba.types.NamedTuple([ARRAY, ARRAY], module.Cells) if of == "take" else ARRAY
    return name_of(getattr(module, of), (arrays,), processor)


OTHER = {
    "a constant of a function that is called by one that is called": (
        "STEP, TABLE, ROWS = 2.0",
        "STEP, TABLE, ROWS = 2.5",
    ),
    "a kind of constant": ("STEP, TABLE, ROWS = 2.0", "STEP, TABLE, ROWS = 2"),
    "a table": ("(1, 2.5)", "(1, 2.25)"),
    "an array": ("np.arange(3.0)", "np.arange(4.0)"),
    "a kind of array": ("np.arange(3.0)", "np.arange(3)"),
    "what a function does": ("*= STEP", "/= STEP"),
    "which function is called": ("math.floor", "math.ceil"),
    "a number in a function": ("float64(0.5)", "float64(1.5)"),
    "the order of fields": ("right: object\n    left: object", "left: object\n    right: object"),
    "how a function is compiled": ("@fast", "@exact"),
    "which field is read": ("cells.right", "cells.left"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_whatever_changes_the_code_changes_its_name(kind):
    before, after = OTHER[kind]
    assert KERNEL.count(before) == 1
    assert name(KERNEL.replace(before, after)) != name()


def test_what_does_not_change_the_code_does_not_change_its_name():
    assert name() == name()
    assert name("\n\n# a comment\n" + KERNEL.replace("STEP", "PACE").replace("PACE", "STEP")) == name()
    assert name(KERNEL + "\nOTHER = 5\n") == name()


def test_processors_types_and_settings_have_names_of_their_own(monkeypatch):
    names = {
        name(),
        name(processor=("x86_64", "some", "+avx512f")),
        name(processor=("x86_64", "other", "+avx2")),
    }
    module = module_of(KERNEL)
    for kind in (ARRAY, numba.float64[::1], numba.float32[:]):
        names.add(name_of(module.scale, (kind,), PROCESSOR))
    monkeypatch.setattr(numba.core.config, "OPT", 1)
    names.add(name())
    monkeypatch.setattr(numba, "__version__", "0.0")
    names.add(name())
    assert len(names) == 8


def test_a_function_that_uses_who_knows_what_has_no_name_and_works(home):
    """Such as one that numba has been told elsewhere how to compile."""
    strange = KERNEL.replace("math.floor", "floor") + STRANGE
    with pytest.raises(TypeError, match="it uses <function floor"):
        name(strange)
    (home / "kernel.py").write_text(strange)
    for _ in range(2):
        said = used_by_one()
        assert said[0] == "compiling the solver for this processor; this takes about 15 s"
        assert said[-2] == "8.5"
    assert code_files(home) == ["scale"]


SOLVER = (compiled_kernel, compiled_observe, compiled_robust, compiled_steps, compiled_variances)


def test_every_function_of_the_solver_has_a_name():
    functions = {
        f"{value.py_func.__module__}.{value.__name__}": value
        for module in SOLVER
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    assert len(functions) > 20
    for function in functions.values():
        assert isinstance(function._cache, compile_cache.CodeCache)
        assert name_of(function, (ARRAY,), PROCESSOR).startswith(f"{function.__name__}-")
    reached = {fact[1:] for fact in compile_cache._facts(compiled_kernel.invert_vectors) if len(fact) == 3}
    reached = {".".join(fact) for fact in reached if fact[0].startswith("fringefleet")}
    assert reached | {"fringefleet.solver.compiled.kernel.invert_vectors"} == set(functions)


def test_constants_of_other_modules_are_in_the_name_of_the_solver(monkeypatch):
    found = {name_of(compiled_kernel.invert_vectors, (ARRAY,), PROCESSOR)}
    for module, constant in (
        (compiled_observe, "_FLOOR"),
        (compiled_observe, "_LARGEST_PHASE"),
        (compiled_observe, "_REGULARISATION"),
        (compiled_robust, "_STEP"),
        (compiled_kernel, "_SMALLEST_SHARE"),
        (compiled_kernel, "LARGEST_CHANGE"),
    ):
        monkeypatch.setattr(module, constant, np.nextafter(getattr(module, constant), 1))
        found.add(name_of(compiled_kernel.invert_vectors, (ARRAY,), PROCESSOR))
    assert len(found) == 7


def test_what_operations_on_vectors_do_is_in_the_name(monkeypatch):
    before = name_of(compiled_kernel.measure_vector, (ARRAY,), PROCESSOR)
    monkeypatch.setattr(compile_cache.inspect, "getsource", lambda module: f"another {module.__name__}")
    assert name_of(compiled_kernel.measure_vector, (ARRAY,), PROCESSOR) != before
