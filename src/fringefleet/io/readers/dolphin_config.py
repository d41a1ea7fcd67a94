"""Constants of the radar from ``dolphin_config.yaml``.

``dolphin config`` writes it where it is called, by default into the work directory. It provides
``input_options.wavelength`` [m] and the names in ``cslc_file_list``: a burst of Sentinel-1, such as
``t042_088905_iw1``, proves the platform, as it does for dolphin; the first word of a name of another mission
names it. It does not contain looks: the windows of dolphin's phase linking are not those of its correlation.

References
----------
dolphin: ``workflows.config.InputOptions`` (wavelength), ``DisplacementWorkflow`` (names of bursts).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.left_out import optional
from fringefleet.io.files.text_file import read_text_file
from fringefleet.io.readers.radar import SENTINEL1, is_known_platform, platform_name, stated_radar

CONFIGURATION = "dolphin_config.yaml"
_BURST = re.compile(r"t\d{3}[-_]\d{6}[-_]iw[123]", re.IGNORECASE)
_WHAT = "dolphin's configuration"


def radar_attributes(work: Path) -> dict[str, Any]:
    """Return the radar attributes in the configuration of a work directory, under MintPy's names.

    Parameters
    ----------
    work
        Work directory. A configuration in the parent folder is used if it names this one.

    Raises
    ------
    StackFormatError
        It names two radars.
    """
    path, said = _configuration(work)
    if path is None:
        return {}
    options = said.get("input_options")
    with optional(_WHAT, path):
        if not isinstance(options, Mapping):
            raise StackFormatError("found no input_options in it")
    stated = (
        {"wavelength": options["wavelength"]}
        if isinstance(options, Mapping) and options.get("wavelength")
        else {}
    )
    radar = stated_radar(stated, path, missions=dict(_missions(said.get("cslc_file_list"))))
    return radar.attributes()


def _configuration(work: Path) -> tuple[Path | None, Mapping[str, Any]]:
    for path in (work / CONFIGURATION, work.parent / CONFIGURATION):
        if not path.is_file():
            continue
        said: Any = {}
        with optional(_WHAT, path):
            said = _read(path)
        is_of_work = path.parent == work or Path(str(said.get("work_directory", ""))).name == work.name
        if is_of_work:
            return path, said
    return None, {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        said = yaml.load(read_text_file(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise StackFormatError(f"found invalid YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(said, Mapping):
        raise StackFormatError(f"found {type(said).__name__} instead of options")
    return said


def _missions(names: Any) -> Iterator[tuple[str, str]]:
    """Yield the missions that the names of images prove, with one name for each."""
    images = [Path(str(path)).name for path in names] if isinstance(names, list) else []
    if burst := next(filter(_BURST.search, images), None):
        yield f"the image {burst}", SENTINEL1
    words = {re.split(r"[._-]", name, maxsplit=1)[0]: name for name in images if not _BURST.search(name)}
    for word, name in words.items():
        mission = platform_name(word)
        if is_known_platform(mission) and mission != SENTINEL1:
            yield f"the image {name}", mission
