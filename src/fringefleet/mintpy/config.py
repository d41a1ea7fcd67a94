"""Translation of arguments and template to a task: files, options, workers. No data are read yet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

from fringefleet.arguments.paths import real_path
from fringefleet.choices import DeviceName, MinimumNorm, OnError, WeightFunction
from fringefleet.cluster import ClusterOptions
from fringefleet.errors import InputError, KindError, OptionError
from fringefleet.execution.compose import compose_options, idle_values, part_of
from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.setting import Setting
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
from fringefleet.mintpy.workers import asks_for_workers, choose_workers, limit_memory
from fringefleet.observation.quantity import PHASE, is_offset
from fringefleet.option_words import option, suggest
from fringefleet.options import Options

logger = logging.getLogger(__name__)

_NO_MASK = ("no", "none", "false")


class StepOptions(TypedDict, total=False):
    """Keyword arguments of :func:`fringefleet.mintpy.run_network_inversion`, where they are described."""

    observation: str
    weight_func: WeightFunction
    mask_dataset: str
    mask_threshold: float
    min_redundancy: float
    min_norm: MinimumNorm
    covariance: bool
    device: DeviceName
    gpu_chunk_size: int
    water_mask: Path | str
    reference_date: str
    skip_reference: bool
    drop_unreferenced: bool
    reference_point: tuple[int, int]
    wavelength: float  # [m]
    looks: int
    cluster: str
    num_worker: int | str
    ram: float  # [GB]
    config: str
    cluster_config: Path | str
    interface: str
    tls: bool
    wait_seconds: float  # [s]
    tls_credentials: Path | str
    dashboard: bool
    outputs: tuple[Path | str, Path | str, Path | str]
    coherence_mask: bool
    update: bool
    on_error: OnError
    retries: int
    accept_touched: bool
    result: Path | str


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
    idle: Mapping[str, Any] = field(default_factory=dict)  # without effect; MintPy writes it all the same

    @property
    def store(self) -> Path:
        """Where the result is computed: out of sight, beside the series, unless the user wants it."""
        series = self.outputs[0]
        return self.result or series.with_name(f".{series.stem}.fringefleet.zarr")


def make_task(path: Path | str | None, template: Path | str | None, said: StepOptions) -> Task:
    """Put the arguments and the template together.

    Parameters
    ----------
    path, template
        As for :func:`fringefleet.mintpy.project.find_project`.
    said
        All other arguments; None where nothing was given.

    Raises
    ------
    InputError
        One of its children: a file is missing, or an option has a value that it cannot take.
    """
    said = _known(said)
    project = find_project(*(None if given is None else Path(given) for given in (path, template)))
    words = _read_template(project)
    given = part_of(said, Options, Setting)
    given["observation"] = _observation(given.get("observation"), words, project.stack)
    if "mask_dataset" in given:
        given["mask_dataset"] = _mask(given["mask_dataset"])
    given["average_coherence"] = average_coherence(project.stack, given["observation"])
    options, setting = compose_options(given, vars(words), words.keys)
    if isinstance(water := setting.water_mask, Path | str) and not Path(water).is_file():
        raise InputError(f"found no water mask at {water}; give the path of an HDF5 file, or no for none.")
    outputs = _outputs(said, project, options)
    mask = _mask_wish(said.get("coherence_mask"), project, words, outputs[1], options)
    _check_outputs([*outputs, *([mask.path] if mask else [])], project.stack)
    workers = choose_workers(said, words, options)
    if words.unused:
        logger.info("not used: %s", ", ".join(words.unused))
    return Task(
        project,
        options,
        setting,
        outputs,
        workers,
        asks_for_workers(said, words),
        limit_memory(said.get("ram"), words, workers),
        mask,
        is_update=said.get("update", project.is_whole),
        on_failure=FailurePolicy(**part_of(said, FailurePolicy)),
        result=Path(said["result"]) if "result" in said else None,
        covariance_date=_covariance_date(project)
        if options.covariance and not setting.reference_date
        else None,
        unmasked=str(False if "mask_dataset" in words.keys else None),
        accept_touched=said.get("accept_touched", False),
        idle={
            name: value for name, value in idle_values(given, vars(words)).items() if name == "mask_threshold"
        },
    )


def _known(said: StepOptions) -> StepOptions:
    """Leave out what was not given, and refuse names that mean nothing."""
    known = StepOptions.__annotations__
    for name in said:
        if name not in known:
            raise KindError(f"found no argument {name} of MintPy's step.{suggest(name, known)}")
    return cast("StepOptions", {name: value for name, value in said.items() if value is not None})


def _read_template(project: Project) -> TemplateOptions:
    if project.template is None:
        return TemplateOptions()
    logger.debug("template: %s, over %s", project.template, project.over or "nothing")
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
        f"{', '.join(there) or 'none'}. Make it with MintPy's step before, or choose one with "
        f"{option('observation')}."
    )


def _mask(given: str) -> str:
    """Take MintPy's name of a mask dataset, or ours, or a word for none."""
    ours = "none" if given.lower() in _NO_MASK else our_name(given)
    masks = [name for name in MINTPY_NAMES if not name.startswith(PHASE) and not is_offset(name)]
    if ours in ("none", *masks):
        return ours
    known = [theirs for theirs, name in OUR_NAMES.items() if name in masks]
    raise OptionError(
        f"found {option('mask_dataset', given)}; use one of {', '.join(known)}, no.{suggest(given, known)}"
    )


def _outputs(said: StepOptions, project: Project, options: Options) -> tuple[Path, ...]:
    names = said.get("outputs") or product_names(options.observation, project.stack.name)
    outputs = tuple(project.folder / name for name in names)
    return outputs + (covariance_name(outputs[0], options.observation),) * options.covariance


def _mask_wish(
    wish: bool | None, project: Project, template: TemplateOptions, quality: Path, options: Options
) -> MaskWish | None:
    offset = is_offset(options.observation)
    if wish and offset:
        raise OptionError(
            f"found {option('coherence_mask', True)} with {mintpy_name(options.observation)}, which has no "
            "temporal coherence; leave it out."
        )
    if offset or not (project.is_whole if wish is None else wish):
        return None
    geometry = geometry_of(project.stack) if template.shadow_mask else None
    if template.shadow_mask and geometry is None:
        logger.info("no geometry file beside %s: no pixel is left out for shadow", project.stack)
    reliable = Reliable(template.min_temporal_coherence, template.shadow_mask, geometry)
    return MaskWish(mask_name(quality), reliable, template.min_reliable, bool(wish))


def _check_outputs(paths: list[Path], stack: Path) -> None:
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
