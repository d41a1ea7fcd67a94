"""Composition of the options of a run: what was given beats a file such as a template."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any

from fringefleet.arguments.declaration import needs_of
from fringefleet.arguments.needs import defaults_of, without_effect
from fringefleet.arguments.together import together
from fringefleet.errors import IdleOptionError
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.io.mintpy.names import our_name
from fringefleet.options import Options

logger = logging.getLogger(__name__)

_NEEDS = (*needs_of(Options), *needs_of(Setting))
_WORDS_FOR_NONE = ("no", "none", "false")
_NOTHING: Mapping[str, Any] = {}
_MEASURED_BY = {"mask_threshold": ("mask_dataset",)}  # what a value may be depends on another option


def part_of(named: Mapping[str, Any], *kinds: Any) -> dict[str, Any]:
    """Take what has the name of a field of these classes."""
    names = {field.name for kind in kinds for field in fields(kind)}
    return {name: value for name, value in named.items() if name in names}


def compose_options(
    given: Mapping[str, Any], of_file: Mapping[str, Any] = _NOTHING, keys: Mapping[str, str] = _NOTHING
) -> tuple[Options, Setting]:
    """Compose the options and the setting of a run.

    Parameters
    ----------
    given
        Options and settings by name; None where nothing was given.
    of_file
        What a file says, such as a MintPy template; what is no option and no setting is for somebody else.
    keys
        Names that the values have in the file.

    Raises
    ------
    OptionError
        Values that cannot be meant so, all of them.
    """
    said = _merge(given, of_file)
    if idle := idle_values(given, of_file):
        named = ", ".join(f"{keys.get(name, name)} = {value}" for name, value in idle.items())
        logger.info("without effect here, so not used: %s", named)
    said = {name: value for name, value in said.items() if name not in idle}
    ours, theirs = part_of(said, Options), part_of(said, Setting)
    options, setting = together(partial(_make, Options, ours), partial(_make, Setting, theirs))
    check_setting(setting, options)
    return options, setting


def idle_values(given: Mapping[str, Any], of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Find what a file says that has no effect with what was given, by name.

    MintPy's own templates have a threshold of a mask, and no mask.

    Parameters
    ----------
    given, of_file
        As for :func:`compose_options`.
    """
    said = _merge(given, of_file)
    defaults = defaults_of(Options) | defaults_of(Setting)
    file_only = {name: value for name, value in defaults.items() if name in said and given.get(name) is None}
    return {need.option: said[need.option] for need in without_effect(defaults | said, file_only, _NEEDS)}


def _make(kind: Any, said: Mapping[str, Any]) -> Any:
    """Make options, or say of all values that cannot be what they can; not of the first one only."""
    parts = (
        {other: said[other] for other in (name, *_MEASURED_BY.get(name, ())) if other in said}
        for name in said
    )
    together(*(partial(_look_at, kind, part) for part in parts))
    return kind(**said)


def _look_at(kind: Any, part: Mapping[str, Any]) -> None:
    with suppress(IdleOptionError):
        kind(**part)


def _merge(given: Mapping[str, Any], of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Take what is an option or a setting and was said, by our words."""
    said = part_of(of_file, Options, Setting) | {
        name: value for name, value in given.items() if value is not None
    }
    said = {name: value for name, value in said.items() if value is not None}
    for name in ("observation", "mask_dataset"):
        if name in said:
            said[name] = our_name(said[name])
    for name in ("mask_dataset", "water_mask"):
        if str(said.get(name)).lower() in _WORDS_FOR_NONE:
            said[name] = None
    return said
