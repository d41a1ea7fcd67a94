"""Translation of many of GDAL's datasets, in several processes where that gains time.

``rasterio`` holds Python's lock as long as GDAL translates, so that threads gain nothing. The processes
import none of the main program, which therefore needs no guard, and end with it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

from fringefleet.io.writers.translate import Translation, translate
from fringefleet.processes.cores import own_cores

_WORTH_A_PROCESS = 8_000_000  # values; as many are translated while a process starts
_MOST_PROCESSES = 8
_SECONDS_TO_END = 10.0


class Translators:
    """Processes that translate; this one does, where there are none."""

    def __init__(self, processes: "Sequence[subprocess.Popen[str]]") -> None:
        self._n_process = len(processes)
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def run(self, wanted: Sequence[Translation]) -> Iterator[int]:
        """Make all datasets; yields how many are made, whenever one is.

        Raises
        ------
        OSError
            One could not be made; says why.
        """
        with ThreadPoolExecutor(max(1, self._n_process)) as threads:
            left = {threads.submit(self._translate, one) for one in wanted}
            try:
                while left:
                    done, left = wait(left, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    yield len(wanted) - len(left)
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _translate(self, one: Translation) -> None:
        if not self._n_process:
            said = translate(one)
        else:
            process = self._idle.get()
            said = _ask(process, one)
            self._idle.put(process)
        if said:
            raise OSError(f"{one.target} could not be written: {said}")


def n_translator(n_value: int, n_dataset: int) -> int:
    """Return the number of processes that gain time; 0: this one translates."""
    most = min(own_cores().number, _MOST_PROCESSES, n_dataset, n_value // _WORTH_A_PROCESS)
    return most if most > 1 else 0


@contextmanager
def translators(n_value: int, n_dataset: int) -> Iterator[Translators]:
    """Start processes for so many values in so many datasets, as far as they gain time; end them at last."""
    with ExitStack() as opened:
        yield Translators([opened.enter_context(_process()) for _ in range(n_translator(n_value, n_dataset))])


@contextmanager
def _process() -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", translate.__module__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        process.communicate(timeout=_SECONDS_TO_END)
    finally:
        process.kill()
        process.wait()


def _ask(process: "subprocess.Popen[str]", one: Translation) -> str:
    """Have a dataset made; gives the reason why it could not be."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(one) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        return f"the process that was to write it ended with the exit code {process.wait()}"
    return answer.strip()
