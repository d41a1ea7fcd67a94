"""Translation of one of GDAL's datasets to another format; run as a program it makes one for each line.

A line of standard input is a :class:`Translation` in JSON, the answer a line with the reason why it could not
be made, or an empty one. The program ends with its input; it imports nothing but ``rasterio``.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import NamedTuple

import rasterio
import rasterio.shutil

_SETTINGS = {
    "GDAL_CACHEMAX": 64 * 1024**2,  # [byte], in each process
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": "1",
}


class Translation(NamedTuple):
    """A dataset that is to be made of another one: paths, GDAL's driver and its options."""

    source: str
    target: str
    driver: str
    options: Mapping[str, str]


def translate(one: Translation) -> str:
    """Make a dataset; gives the reason why it could not be made, or nothing."""
    try:
        with rasterio.Env(**_SETTINGS):
            rasterio.shutil.copy(one.source, one.target, driver=one.driver, **one.options)
    except Exception as error:  # of GDAL, in classes that rasterio does not show
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def main() -> None:
    """Translate what standard input asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks ends this process
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed
    for line in sys.stdin:
        answers.write(translate(Translation(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
