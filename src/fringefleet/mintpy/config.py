"""Translate the user's input to a task: files, options, workers. No data are read yet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fringefleet.arguments.paths import real_path
from fringefleet.cluster import ClusterOptions
from fringefleet.errors import InputError, OptionError
from fringefleet.execution.compose import compose_options, idle_values
from fringefleet.execution.prepare import Setting
from fringefleet.execution.retry import FailurePolicy
from fringefleet.io.mintpy.names import MINTPY_NAMES, OUR_NAMES, mintpy_name, our_name
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_writable
from fringefleet.io.writers.mintpy import covariance_name, product_names
from fringefleet.mintpy.coherence_mask import Reliable, mask_name
from fringefleet.mintpy.project import (
    TEMPLATE,
    Project,
    average_coherence,
    find_project,
    geometry_of,
    stack_datasets,
)
from fringefleet.mintpy.template import TemplateOptions, read_covariance_date, read_template
from fringefleet.mintpy.workers import WorkerWish, asks_for_workers, choose_workers, limit_memory
from fringefleet.observation.quantity import PHASE, is_offset
from fringefleet.option_words import suggest
from fringefleet.options import Options

logger = logging.getLogger(__name__)

_DEFAULT_MINIMUM = 0.7  # temporal coherence, as MintPy has it
_DEFAULT_RELIABLE = 100  # pixels
_NO_MASK = ("no", "none", "false")


@dataclass(frozen=True)
class Request:
    """What the command line says, None where nothing; ``given``: options and settings by our names."""

    path: Path | None
    template: Path | None
    given: Mapping[str, Any]
    workers: WorkerWish = WorkerWish()  # noqa: RUF009 - frozen
    memory: float | None = None  # [GB]
    outputs: tuple[Path, Path, Path] | None = None
    coherence_mask: bool | None = None
    update: bool | None = None
    on_failure: FailurePolicy = FailurePolicy()  # noqa: RUF009 - frozen
    result: Path | None = None
    accept_touched: bool = False


@dataclass(frozen=True)
class MaskWish:
    """A mask of reliable pixels: which, how many of them there should be, and whether the user insists."""

    path: Path
    reliable: Reliable
    least: int
    is_asked_for: bool


@dataclass(frozen=True)
class Task:
    """What is to be done; ``outputs``: series, quality, count and, if wanted, the covariance."""

    project: Project
    options: Options
    setting: Setting
    outputs: tuple[Path, ...]
    workers: ClusterOptions
    asks_for_workers: bool
    memory: int | None  # [byte]
    mask: MaskWish | None
    is_update: bool
    on_failure: FailurePolicy
    result: Path | None
    covariance_date: str | None  # as the stack writes dates; None for the reference date of the series
    unmasked: str  # what MintPy calls it in the products if nothing is masked
    accept_touched: bool
    idle: Mapping[str, Any]  # what the template says that has no effect, and MintPy writes all the same

    @property
    def store(self) -> Path:
        """Where the result is computed: out of sight, beside the series, unless the user wants it."""
        series = self.outputs[0]
        return self.result or series.with_name(f".{series.stem}.fringefleet.zarr")


def understand(request: Request) -> Task:
    """Put the command line and the template together.

    Raises
    ------
    InputError
        One of its children: a file is missing, or an option has a value that it cannot take.
    """
    project = find_project(request.path, request.template)
    template = _read_template(project)
    given = dict(request.given)
    given["observation"] = _observation(given.get("observation"), template, project.stack)
    if "mask_dataset" in given:
        given["mask_dataset"] = _mask(given["mask_dataset"])
    average = average_coherence(project.stack, given["observation"])
    given["average_coherence"] = average
    options, setting = compose_options(given, vars(template), template.keys)
    _refuse_missing(setting.water_mask)
    outputs = _outputs(request, project, options)
    mask = _mask_wish(request, project, template, outputs[1], options)
    _refuse_bad_outputs([*outputs, *([mask.path] if mask else [])], project.stack)
    workers = choose_workers(request.workers, template, options)
    _say_what_is_not_used(project, template)
    return Task(
        project,
        options,
        setting,
        outputs,
        workers,
        asks_for_workers(request.workers, template),
        limit_memory(request.memory, template, workers),
        mask,
        project.is_whole if request.update is None else request.update,
        request.on_failure,
        request.result,
        _covariance_date(project) if options.covariance and setting.reference_date is None else None,
        str(False if "mask_dataset" in template.keys else None),
        request.accept_touched,
        {
            name: value
            for name, value in idle_values(given, vars(template)).items()
            if name == "mask_threshold"
        },
    )


def _read_template(project: Project) -> TemplateOptions:
    if project.template is None:
        return TemplateOptions()
    folder = project.folder if project.is_whole else None
    return read_template(project.template, over=project.over, folder=folder, complete=project.is_whole)


def _covariance_date(project: Project) -> str | None:
    """Find the date of the covariance as MintPy does: in the template of the project that the stack is in."""
    folder = project.stack.absolute().parent.parent
    template = (project.template if project.is_whole else None) or folder / TEMPLATE
    date = read_covariance_date(template, folder, over=project.over) if template.is_file() else None
    if date is not None:
        logger.info("the covariance is relative to %s, as %s says", date, template)
    return date


def _say_what_is_not_used(project: Project, template: TemplateOptions) -> None:
    if template.unused:
        logger.info("not used: %s", ", ".join(template.unused))
    if project.template is not None:
        logger.debug("template: %s, over %s", project.template, project.over or "nothing")


def _observation(given: str | None, template: TemplateOptions, stack: Path) -> str:
    """Find the dataset to invert, by MintPy's name or ours; it must be there."""
    wanted = our_name(given or template.observation or PHASE)
    there = stack_datasets(stack)
    if mintpy_name(wanted) in there:
        return wanted
    key = template.keys.get("observation")
    reason = f" as {key} in the template says" if given is None and key and wanted != PHASE else ""
    raise OptionError(
        f"found no dataset {mintpy_name(wanted)} to invert{reason}: {stack} has "
        f"{', '.join(there) or 'none'}. Make it with MintPy's step before, or choose one with --dset."
    )


def _refuse_missing(water_mask: Any) -> None:
    if water_mask is not None and not Path(water_mask).is_file():
        raise InputError(
            f"found no water mask at {water_mask}; give the path of an HDF5 file, or no for none."
        )


def _mask(given: str) -> str:
    """Take MintPy's name of a mask dataset, or ours, or a word for none."""
    if given.lower() in _NO_MASK:
        return "none"
    ours = our_name(given)
    masks = [name for name in MINTPY_NAMES if not name.startswith(PHASE) and not is_offset(name)]
    if ours in masks:
        return ours
    known = [theirs for theirs, name in OUR_NAMES.items() if name in masks]
    raise OptionError(f"found --mask-dset {given}; use one of {', '.join(known)}, no.{suggest(given, known)}")


def _outputs(request: Request, project: Project, options: Options) -> tuple[Path, ...]:
    names = request.outputs or product_names(options.observation, project.stack.name)
    outputs = tuple(project.folder / name for name in names)
    if options.covariance:
        outputs += (covariance_name(outputs[0], options.observation),)
    return outputs


def _mask_wish(
    request: Request, project: Project, template: TemplateOptions, quality: Path, options: Options
) -> MaskWish | None:
    offset = is_offset(options.observation)
    if request.coherence_mask and offset:
        raise OptionError(
            f"found --mask-temp-coh with {mintpy_name(options.observation)}, which has no temporal "
            "coherence; leave it out."
        )
    if request.coherence_mask is False or offset or not (request.coherence_mask or project.is_whole):
        return None
    minimum, least, shadow = (
        default if said is None else said
        for said, default in (
            (template.min_temporal_coherence, _DEFAULT_MINIMUM),
            (template.min_reliable, _DEFAULT_RELIABLE),
            (template.shadow_mask, True),
        )
    )
    geometry = geometry_of(project.stack) if shadow else None
    if shadow and geometry is None:
        logger.info("no geometry file beside %s: no pixel is left out for shadow", project.stack)
    reliable = Reliable(float(minimum), bool(shadow), geometry)
    return MaskWish(mask_name(quality), reliable, int(least), bool(request.coherence_mask))


def _refuse_bad_outputs(paths: list[Path], stack: Path) -> None:
    """Refuse what could not be written at the end: now, before the work."""
    resolved = [real_path(path) for path in paths]
    if len(set(resolved)) < len(resolved) or real_path(stack) in resolved:
        raise OptionError(
            f"found the outputs {', '.join(map(str, paths))}; give names that differ from each other and "
            "from the stack."
        )
    for path in paths:
        check_output_name(path, "HDF5", "timeseries.h5")
        if not path.parent.is_dir():
            raise InputError(f"found no folder {path.parent} for {path.name}; make it, or give another one.")
        if path.is_dir():
            raise InputError(
                f"found a folder where {path} is to be written; remove it, or give another name."
            )
        check_writable(path)
