"""A signal to end that comes where Python can raise nothing, and would ignore it."""

import os
import subprocess
import sys

import pytest

from fringefleet.simulate import Scene, simulate_stack
from long_cases import mostly_long

# Each sends the process a signal from such a place, so often that the first times are lost.
PLACES = {
    "a callback of the garbage collector": """
import gc
def inside(phase, _info):
    if phase == "stop":
        strike()
gc.callbacks.append(inside)
""",
    "__del__": """
class Last:
    def __del__(self):
        strike()
""",
    "a callback of a weak reference": """
import weakref
class Last:
    pass
def watch(thing):
    return weakref.ref(thing, lambda _: strike())
""",
}
PROGRAM = """
import os, signal, sys
n_left = 3
def strike():
    global n_left
    if is_ready and n_left:
        n_left -= 1
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass
is_ready = False
{place}
from fringefleet.execution import scheduler
from fringefleet.cli import main

look = scheduler._TileLoop._abort_reason
def look_and_leave_something(self):
    global is_ready
    is_ready = True
    thing = globals().get("Last", object)()
    kept = globals().get("watch", id)(thing)
    del thing
    import gc
    gc.collect()
    return look(self)
scheduler._TileLoop._abort_reason = look_and_leave_something
sys.argv[1:] = ["invert", "stack.zarr", "result.zarr", "--chunks", "2", "2", "--workers", "1"]
if __name__ == "__main__":
    main()
"""


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("place", "name"), mostly_long(zip(PLACES, ("SIGINT", "SIGTERM", "SIGHUP"), strict=True), 1)
)
def test_an_interrupt_that_python_ignores_ends_the_run_all_the_same(place, name, tmp_path):
    simulate_stack(Scene(n_date=6, shape=(48, 48)), tmp_path / "stack.zarr")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(place=PLACES[place], name=name))
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "error: interrupted. Finished tiles are kept" in done.stderr.splitlines()[-1]
    assert "ignored" not in done.stderr
