"""Reader of the options of this step in a MintPy template (``smallbaselineApp.cfg``).

The template is text, ``key = value # comment`` in each line; the last line of a key applies. Of all its keys
``mintpy.networkInversion.*``, ``mintpy.compute.*`` and ``mintpy.unwrapError.method``, which names the
dataset, concern this step. Nothing in a template is ever executed.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fringefleet.choices import DeviceName, MaskDataset, MinimumNorm, WeightFunction
from fringefleet.errors import InputError, OptionError
from fringefleet.io.files.text_file import MOST_BYTES, read_text_file
from fringefleet.mintpy.template_values import (
    NO,
    STANDARD,
    YES,
    ValueParser,
    choice,
    cluster,
    memory,
    number,
    section_name,
    water_mask,
    whole_number,
    worker_count,
)
from fringefleet.option_words import nearest_name, suggest

PREFIX = "mintpy.networkInversion."
_COMPUTE_PREFIX = "mintpy.compute."
_UNWRAPPING_KEY = "mintpy.unwrapError.method"
_REFERENCE_DATE_KEY = "mintpy.reference.date"
_WATER_MASK_KEY = f"{PREFIX}waterMaskFile"
# Keys that MintPy has or had, and that have no effect here.
_UNUSED_KEYS = (
    *(f"{PREFIX}{name}" for name in ("residualNorm", "parallel", "cluster", "config", "walltime")),
    *(f"{PREFIX}{name}" for name in ("numWorker", "numWorkers", "memorySize", "redundancyRatio")),
    *(
        f"{_COMPUTE_PREFIX}{name}"
        for name in ("parallel", "walltime", "numWorkers", "memorySize", "chunkSize")
    ),
)
_PYSAR = "pysar."  # former name of MintPy, whose keys it no longer reads
_DEFAULT_MASK_THRESHOLD = 0.4
# Sections of other steps, which are not misspelt keys of this step.
_OTHER_SECTIONS = (
    *("deramp", "geocode", "ionosphericDelay", "load", "multilook", "network", "plot", "reference"),
    *("residualRMS", "residualRms", "save", "solidEarthTides", "subset", "timeFunc"),
    *("topographicResidual", "troposphericDelay", "unwrapError", "velocity"),
    "inversion",  # of MiNoPy, which adopted MintPy's template
)
_ALMOST = 0.8  # fraction of the letters of a section that makes it a misspelt one
_NEAR = 0.6  # the same for the name of a key
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class TemplateOptions:
    """Options of the inversion in a template; None, or MintPy's default, where it has none.

    ``auto`` is already replaced by MintPy's default, or by None where that depends on the machine:
    ``n_worker`` (a number, ``all`` or a share such as ``80%``) and ``memory`` [GB]. ``config_name``: section
    of Dask's configuration of job queues. ``unused``: keys, as spelled, that MintPy knows and that have no
    effect here, to be reported to the user; ``keys``: keys of the other values, by field.
    """

    weight_func: WeightFunction | None = None
    mask_dataset: MaskDataset | Literal["none"] | None = None
    mask_threshold: float | None = None
    min_redundancy: float | None = None
    min_norm: MinimumNorm | None = None
    water_mask: Path | None = None
    observation: str | None = None
    device: DeviceName | None = None
    gpu_chunk_size: int | None = None
    min_temporal_coherence: float = 0.7
    min_reliable: int = 100  # pixels
    shadow_mask: bool = True
    cluster: str | None = None
    n_worker: str | None = None
    memory: float | None = None
    config_name: str | None = None
    unused: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict, compare=False)


def read_template(
    path: str | os.PathLike[str],
    *,
    over: Path | None = None,
    folder: Path | None = None,
    complete: bool = False,
) -> TemplateOptions:
    """Read the options of the network inversion from a MintPy template.

    Parameters
    ----------
    path
        Path of the template.
    over
        ``smallbaselineApp.cfg`` of a project, whose values apply for keys that the template lacks; it
        may be missing.
    folder
        Working folder of MintPy: a water mask in the template is relative to it, and ``auto`` is the
        ``waterMask.h5`` there, if it exists. The template's own folder if None.
    complete
        Use ``auto`` for every missing key, as ``smallbaselineApp`` does.

    Raises
    ------
    InputError
        The template is missing, is not text or has no ``key = value`` line.
    OptionError
        An unknown key of this step, a misspelt section, an invalid value, or a water mask that does not
        exist.
    """
    template = Path(path)
    found = _merge(template, over)
    for key in found:
        _check_section(key)
    if complete:
        found = dict.fromkeys((*_READERS, _WATER_MASK_KEY), "auto") | found
    chosen: dict[str, object] = {}
    keys: dict[str, str] = {}
    for key, value in found.items():
        if _is_ours(key) and key not in _UNUSED_KEYS:
            name, chosen_value = _interpret(key, value, folder or template.parent)
            chosen[name], keys[name] = chosen_value, key
    unused = tuple(
        key for key in found if key in _UNUSED_KEYS or key.startswith(f"{_PYSAR}networkInversion.")
    )
    return TemplateOptions(**chosen, unused=unused, keys=keys)  # type: ignore[arg-type]


def read_covariance_date(path: Path, folder: Path, *, over: Path | None = None) -> str | None:
    """Return the date that MintPy's covariance of the series is relative to; None for that of the series.

    Parameters
    ----------
    path
        A template, whose ``mintpy.reference.date`` is a date, a file with one, ``no`` or ``auto`` for
        ``reference_date.txt``.
    folder
        Folder that paths are relative to.
    over
        As for :func:`read_template`.

    Raises
    ------
    InputError
        The template cannot be read.
    """
    value = _merge(path, over).get(_REFERENCE_DATE_KEY, "auto")
    file = folder / ("reference_date.txt" if value.lower() == "auto" else value)
    if file.is_file():
        return read_text_file(file).strip()
    return None if value.lower() in ("", "auto", *NO) else value


def _merge(path: Path, over: Path | None) -> dict[str, str]:
    """Read a template, and that of its project, into which MintPy copies it.

    Only in that case loose words such as ``off`` are taken for those that MintPy knows.
    """
    found = _parse(path)
    if over is None:
        return found
    own = _parse(over) if over.is_file() else {}
    return own | {key: STANDARD.get(value, value) for key, value in found.items()}


def _parse(path: Path) -> dict[str, str]:
    """Split lines into keys and values without comments; the last line of a key with a value applies.

    As in MintPy, lines end as in any text file, and ``~`` at the beginning of a value and environment
    variables such as ``$HOME`` are expanded. An undefined variable is left unchanged.
    """
    found = {}
    for line in _END_OF_LINE.split(_read_text(path)):
        key, _, value = line.partition("#")[0].partition("=")
        value = os.path.expandvars(_expand_home(value.strip()))
        if key.strip() and value and not key.strip().startswith(("%", "!")):
            found[key.strip()] = value
    if not found:
        raise InputError(
            f"found no 'key = value' line in {path}; give a MintPy template, for example "
            "smallbaselineApp.cfg."
        )
    return found


def _expand_home(value: str) -> str:
    """Replace a leading ``~`` by the home folder; the rest of the text is unchanged."""
    return os.path.expanduser(value)  # noqa: PTH111 - a Path would change texts that are not paths


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"template {path} does not exist or is not a file. Check the path.")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            content = b"" if b"\0" in head else head + file.read(MOST_BYTES)
    except OSError as error:
        raise InputError(f"template {path} cannot be read ({error.strerror}).") from error
    if b"\0" in head:
        raise InputError(
            f"template {path} is not a text file; give a MintPy template, for example smallbaselineApp.cfg."
        )
    return content.decode("utf-8-sig", errors="replace")


def _is_ours(key: str) -> bool:
    return key.startswith((PREFIX, _COMPUTE_PREFIX)) or key == _UNWRAPPING_KEY


def _check_section(key: str) -> None:
    """Reject a key whose section is nearly one of ours: it would be ignored as one of another step."""
    section = key.rpartition(".")[0]
    ours = [prefix.rstrip(".") for prefix in (PREFIX, _COMPUTE_PREFIX)]
    second = key.split(".")[1] if section.startswith("mintpy.") else ""
    if not section or section in ours or second in _OTHER_SECTIONS or key.startswith(_PYSAR):
        return
    meant = nearest_name(section, ours, cutoff=_ALMOST)
    if meant is not None:
        raise OptionError(
            f"unknown key {key} in the template. Did you mean {meant}.{key.rpartition('.')[2]}? Correct it, "
            "or remove the line."
        )


def _interpret(key: str, value: str, folder: Path) -> tuple[str, object]:
    if value.lower() in STANDARD:
        standard = STANDARD[value.lower()]
        raise OptionError(
            f"found {key} = {value!r}; MintPy takes that for {standard} only in a template that it merges "
            f"into that of a project, and in others for non-empty text. Write {standard}."
        )
    if unset := [name for name in _VARIABLE.findall(value) if name not in os.environ]:
        raise OptionError(
            f"found {key} = {value!r} in the template, but no variable {', '.join(unset)} in the "
            "environment; set it, or write its value."
        )
    if key == _WATER_MASK_KEY:
        return "water_mask", water_mask(key, value, folder)
    if key not in _READERS:
        prefix = PREFIX if key.startswith(PREFIX) else _COMPUTE_PREFIX
        known = [name for name in (*_READERS, _WATER_MASK_KEY, *_UNUSED_KEYS) if name.startswith(prefix)]
        names = [name.removeprefix(prefix) for name in known]
        hint = suggest(key.removeprefix(prefix), names, before=prefix, cutoff=_NEAR)
        raise OptionError(
            f"unknown key {key} in the template.{hint} Known are {', '.join(names)}; correct or remove it."
        )
    name, read = _READERS[key]
    return name, read(key, value)


def _unwrapping(key: str, value: str) -> object:
    return _read_unwrapping(key, value.replace(" ", ""))


_read_unwrapping = choice(
    dict.fromkeys(("auto", *NO), "unwrapped_phase")
    | {
        "bridging": "unwrapped_phase_bridging",
        "phase_closure": "unwrapped_phase_phase_closure",
        "bridging+phase_closure": "unwrapped_phase_bridging_phase_closure",
    }
)

_READERS: dict[str, tuple[str, ValueParser]] = {
    f"{PREFIX}weightFunc": (
        "weight_func",
        choice({"auto": "var", "var": "var", "fim": "fim", "coh": "coh"} | dict.fromkeys(NO, "no")),
    ),
    f"{PREFIX}minNormVelocity": (
        "min_norm",
        choice(dict.fromkeys(("auto", *YES), "velocity") | dict.fromkeys(NO, "phase")),
    ),
    f"{PREFIX}maskDataset": (
        "mask_dataset",
        choice(
            dict.fromkeys(("auto", *NO), "none")
            | {
                "coherence": "coherence",
                "connectComponent": "connected_component",
                "offsetSNR": "offset_snr",
                "rangeOffsetStd": "range_offset_std",
                "azimuthOffsetStd": "azimuth_offset_std",
            }
        ),
    ),
    # In MintPy "no" keeps the default of these two.
    f"{PREFIX}maskThreshold": ("mask_threshold", number(_DEFAULT_MASK_THRESHOLD, unset=("auto", *NO))),
    f"{PREFIX}minRedundancy": ("min_redundancy", number(1.0, unset=("auto", *NO))),
    f"{PREFIX}minTempCoh": ("min_temporal_coherence", number(TemplateOptions.min_temporal_coherence)),
    f"{PREFIX}minNumPixel": ("min_reliable", whole_number(TemplateOptions.min_reliable)),
    f"{PREFIX}shadowMask": (
        "shadow_mask",
        choice(dict.fromkeys(("auto", *YES), True) | dict.fromkeys(NO, False)),
    ),
    f"{PREFIX}solver": ("device", choice({"auto": "cpu", "cpu": "cpu", "torch": "cuda"})),
    f"{PREFIX}gpuChunkSize": ("gpu_chunk_size", whole_number(0)),
    f"{_COMPUTE_PREFIX}cluster": ("cluster", cluster),
    f"{_COMPUTE_PREFIX}numWorker": ("n_worker", worker_count),
    f"{_COMPUTE_PREFIX}maxMemory": ("memory", memory),
    f"{_COMPUTE_PREFIX}config": ("config_name", section_name),
    _UNWRAPPING_KEY: ("observation", _unwrapping),
}
