"""Translation of arguments and template to a task: files, options, workers. No data are read yet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fringefleet.arguments.known import check_known
from fringefleet.arguments.paths import real_path
from fringefleet.cluster import ClusterOptions
from fringefleet.errors import InputError, OptionError
from fringefleet.execution.compose import compose_options, idle_values, part_of
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.setting import Setting
from fringefleet.io.mintpy.names import mintpy_name, our_name
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_writable
from fringefleet.io.writers.mintpy import covariance_name, mask_name, product_names
from fringefleet.mintpy import project as files
from fringefleet.mintpy.coherence_mask import Reliable
from fringefleet.mintpy.template import TemplateOptions, read_covariance_date, read_template
from fringefleet.mintpy.workers import choose_workers, limit_memory
from fringefleet.observation.quantity import PHASE
from fringefleet.option_words import option
from fringefleet.options import Options

logger = logging.getLogger(__name__)

_ARGUMENTS = (
    *("observation", "weight_func", "mask_dataset", "mask_threshold", "min_redundancy", "min_norm"),
    *("covariance", "device", "gpu_chunk_size", "water_mask", "reference_date", "skip_reference"),
    *("drop_unreferenced", "reference_point", "wavelength", "looks", "cluster", "num_worker", "ram"),
    *("config", "cluster_config", "interface", "tls", "wait_seconds", "tls_credentials", "dashboard"),
    *("outputs", "coherence_mask", "update", "on_error", "retries", "accept_touched", "result"),
)


@dataclass(frozen=True)
class Task:
    """Work of one call of MintPy's step."""

    project: files.Project
    job: Run
    outputs: tuple[Path, ...]
    workers: ClusterOptions
    mask: Reliable | None
    mask_path: Path
    asks_for_mask: bool
    is_update: bool
    result: Path | None
    covariance_date: str | None
    attributes: Mapping[str, Any]


def make_task(path: Path | str | None, template: Path | str | None, said: Mapping[str, Any]) -> Task:
    """Put together the arguments of the step, None where nothing was given, and the template.

    Raises
    ------
    InputError
        One of its children: a file is missing, or an option has a value that it cannot take.
    """
    said = _given(said)
    project = files.find_project(*(None if given is None else Path(given) for given in (path, template)))
    words = _read_template(project)
    inversion = part_of(said, Options, Setting)
    inversion["observation"] = _observation(said.get("observation"), words, project.stack)
    inversion["average_coherence"] = files.average_coherence(project.stack, inversion["observation"])
    options, setting = compose_options(inversion, vars(words), words.keys)
    if isinstance(water := setting.water_mask, Path | str) and not Path(water).is_file():
        raise InputError(f"found no water mask at {water}; give the path of an HDF5 file, or no for none.")
    outputs = _outputs(said, project, options)
    mask = _mask(said.get("coherence_mask"), project, words, options)
    mask_path = mask_name(outputs[1])
    _check_outputs([*outputs, *([mask_path] if mask else [])], project.stack)
    workers = choose_workers(said, words, options)
    if words.unused:
        logger.info("not used: %s", ", ".join(words.unused))
    result = Path(said["result"]) if "result" in said else None
    job = Run(
        project.stack,
        # out of sight, beside the series, unless the user wants it
        result or outputs[0].with_name(f".{outputs[0].stem}.fringefleet.zarr"),
        options,
        setting,
        total_memory=limit_memory(said.get("ram"), words, workers),
        on_failure=FailurePolicy(**part_of(said, FailurePolicy)),
        accept_touched=said.get("accept_touched", False),
    )
    # MintPy's own update mode compares its word for no mask, and a threshold without one.
    attributes = {
        "mask_dataset": options.mask_dataset or str(False if "mask_dataset" in words.keys else None)
    }
    idle = idle_values(inversion, vars(words))
    return Task(
        project,
        job,
        outputs,
        workers,
        mask,
        mask_path,
        asks_for_mask=bool(said.get("coherence_mask")),
        is_update=said.get("update", project.is_whole),
        result=result,
        covariance_date=_covariance_date(project)
        if options.covariance and not setting.reference_date
        else None,
        attributes=attributes | {name: idle[name] for name in ("mask_threshold",) if name in idle},
    )


def _given(said: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given, and refuse names that mean nothing."""
    check_known(said, _ARGUMENTS, lambda name: f"unknown argument {name} of MintPy's step.")
    return {name: value for name, value in said.items() if value is not None}


def _read_template(project: files.Project) -> TemplateOptions:
    if project.template is None:
        return TemplateOptions()
    logger.debug("template: %s, over %s", project.template, project.over or "nothing")
    folder = project.folder if project.is_whole else None
    return read_template(project.template, over=project.over, folder=folder, complete=project.is_whole)


def _covariance_date(project: files.Project) -> str | None:
    """Find the date of the covariance as MintPy does: in the template of the project that the stack is in."""
    folder = project.stack.absolute().parent.parent
    template = (project.template if project.is_whole else None) or folder / files.TEMPLATE
    date = read_covariance_date(template, folder, over=project.over) if template.is_file() else None
    if date is not None:
        logger.info("the covariance is relative to %s, as %s says", date, template)
    return date


def _observation(given: str | None, template: TemplateOptions, stack: Path) -> str:
    """Find the dataset to invert, by MintPy's name or ours; it must be there."""
    wanted = our_name(given or template.observation or PHASE)
    there = files.stack_datasets(stack)
    if mintpy_name(wanted) in there:
        return wanted
    key = template.keys.get("observation")
    reason = f" as {key} in the template says" if given is None and key and wanted != PHASE else ""
    raise OptionError(
        f"found no dataset {mintpy_name(wanted)} to invert{reason}: {stack} has "
        f"{', '.join(there) or 'none'}. Make it with MintPy's step before, or choose one with "
        f"{option('observation')}."
    )


def _outputs(said: Mapping[str, Any], project: files.Project, options: Options) -> tuple[Path, ...]:
    names = said.get("outputs") or product_names(options.observation, project.stack.name)
    outputs = tuple(project.folder / name for name in names)
    return outputs + (covariance_name(outputs[0], options.observation),) * options.covariance


def _mask(
    wish: bool | None, project: files.Project, template: TemplateOptions, options: Options
) -> Reliable | None:
    if wish and options.is_offset:
        raise OptionError(
            f"found {option('coherence_mask', True)} with {mintpy_name(options.observation)}, which has no "
            "temporal coherence; leave it out."
        )
    if options.is_offset or not (project.is_whole if wish is None else wish):
        return None
    geometry = files.geometry_of(project.stack) if template.shadow_mask else None
    if template.shadow_mask and geometry is None:
        logger.info("no geometry file beside %s: no pixel is left out for shadow", project.stack)
    return Reliable(template.min_temporal_coherence, template.shadow_mask, geometry, template.min_reliable)


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
