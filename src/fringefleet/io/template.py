"""Read the options of this step from a MintPy template (``smallbaselineApp.cfg``).

The template is text, ``key = value # comment`` a line; the last line of a key wins. Of all its keys
only ``mintpy.networkInversion.*`` concern this step. Nothing in a template is ever executed.
"""

import difflib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fringefleet.errors import InputError, OptionError

PREFIX = "mintpy.networkInversion."
COMPUTE_PREFIX = "mintpy.compute."
DEFAULT_MASK_THRESHOLD = 0.4
UNUSED_KEYS = (
    "minTempCoh",
    "minNumPixel",
    "shadowMask",
    "residualNorm",
    "solver",
    "gpuChunkSize",
)


@dataclass(frozen=True)
class TemplateOptions:
    """What a template says about the inversion; None where it says nothing.

    ``auto`` has become MintPy's default already. ``unused`` names the keys that MintPy knows and
    this step has no use for, as they are written, so that the user can be told.
    """

    weight_func: Literal["var", "fim", "coh", "no"] | None = None
    mask_dataset: Literal["none", "coherence", "connected_component"] | None = None
    mask_threshold: float | None = None
    min_redundancy: float | None = None
    min_norm: Literal["velocity", "phase"] | None = None
    water_mask: Path | None = None
    unused: tuple[str, ...] = ()


def read_template(path: str | os.PathLike[str]) -> TemplateOptions:
    """Read the options of the network inversion from a MintPy template.

    Parameters
    ----------
    path
        The template. A water mask that it names is sought relative to the template's folder, where
        MintPy works; ``auto`` is the ``waterMask.h5`` there, if there is one.

    Raises
    ------
    InputError
        The template is missing, is no text or has no ``key = value`` line.
    OptionError
        An unknown ``mintpy.networkInversion`` key, a value that it cannot take, or a water mask
        that is named and missing.
    """
    template = Path(path)
    found = _parse(_read_text(template))
    if not found:
        raise InputError(
            f"found no 'key = value' line in {template}; give a MintPy template, for example "
            "smallbaselineApp.cfg."
        )
    unused = tuple(key for key in found if key.startswith(COMPUTE_PREFIX) or _is_unused(key))
    chosen: dict[str, object] = {}
    for key, value in found.items():
        if key.startswith(PREFIX) and key not in unused:
            chosen.update(_interpret(key, value, template.parent))
    return TemplateOptions(**chosen, unused=unused)  # type: ignore[arg-type]


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"template {path} is not there or is no file. Check the path.")
    with path.open("rb") as file:
        head = file.read(4096)
        if b"\0" in head:
            raise InputError(
                f"template {path} is no text file; give a MintPy template, for example smallbaselineApp.cfg."
            )
        return (head + file.read()).decode("utf-8", errors="replace")


def _parse(text: str) -> dict[str, str]:
    """Split lines into keys and values without comments; a later line replaces an earlier one."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        if equals and key.strip():
            found[key.strip()] = value.strip()
    return found


def _is_unused(key: str) -> bool:
    return key.startswith(PREFIX) and key.removeprefix(PREFIX) in UNUSED_KEYS


def _interpret(key: str, value: str, folder: Path) -> Mapping[str, object]:
    name = key.removeprefix(PREFIX)
    if name == "waterMaskFile":
        return {"water_mask": _water_mask(key, value, folder)}
    if name not in _READERS:
        known = [*_READERS, "waterMaskFile", *UNUSED_KEYS]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise OptionError(
            f"unknown key {key} in the template. Did you mean {PREFIX}{near}? Known are {', '.join(known)}."
        )
    option, read = _READERS[name]
    return {option: read(key, value)}


def _choice(choices: Mapping[str, str]) -> Callable[[str, str], str]:
    """Make the reader of a key that takes one of some words; MintPy's booleans are words, too."""

    def read(key: str, value: str) -> str:
        words = {word.lower(): choice for word, choice in choices.items()}
        if value.lower() in words:
            return words[value.lower()]
        near = difflib.get_close_matches(value.lower(), words, n=1)
        hint = f" Did you mean {next(w for w in choices if w.lower() == near[0])}?" if near else ""
        raise OptionError(f"found {key} = {value!r}; use one of {', '.join(choices)}.{hint}")

    return read


def _number(default: float, *, unset: tuple[str, ...]) -> Callable[[str, str], float]:
    """Make the reader of a key that takes a number, or one of some words for its default."""

    def read(key: str, value: str) -> float:
        if value.lower() in unset:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise OptionError(f"found {key} = {value!r}; use a number of at least 0, or auto.")
        return number

    return read


def _water_mask(key: str, value: str, folder: Path) -> Path | None:
    if value.lower() in {"no", "false", "none"}:
        return None
    if value.lower() == "auto":
        beside = folder / "waterMask.h5"
        return beside if beside.is_file() else None
    path = folder / value
    if not (value and path.is_file()):
        raise OptionError(
            f"found {key} = {value!r}, but there is no file {path}; paths are relative to the "
            "template's folder. Correct the path, or write no for no water mask."
        )
    return path


_READERS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "weightFunc": (
        "weight_func",
        _choice(
            {"auto": "var", "var": "var", "fim": "fim", "coh": "coh"}
            | dict.fromkeys(("no", "false", "none"), "no")
        ),
    ),
    "minNormVelocity": (
        "min_norm",
        _choice(dict.fromkeys(("auto", "yes", "true"), "velocity") | dict.fromkeys(("no", "false"), "phase")),
    ),
    "maskDataset": (
        "mask_dataset",
        _choice(
            dict.fromkeys(("auto", "no", "false", "none"), "none")
            | {"coherence": "coherence", "connectComponent": "connected_component"}
        ),
    ),
    # A mask threshold of "no" keeps the default in MintPy.
    "maskThreshold": (
        "mask_threshold",
        _number(DEFAULT_MASK_THRESHOLD, unset=("auto", "no", "false", "none")),
    ),
    "minRedundancy": ("min_redundancy", _number(1.0, unset=("auto",))),
}
