"""Forecast of a session: what a run would need with the workers that it would have. Nothing is started."""

from dataclasses import replace
from functools import partial

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import expected_memory
from fringefleet.errors import DeviceError
from fringefleet.execution.check import Checked
from fringefleet.execution.estimate import (
    Forecast,
    for_other_machines,
    forecast,
    seconds_per_pixel,
    with_seconds,
)
from fringefleet.execution.job import Run
from fringefleet.execution.overhead import (
    SECONDS_TO_BEGIN,
    measure_elsewhere,
    predict_overhead,
    seconds_lived,
)
from fringefleet.session.early import begins_early
from fringefleet.session.fitting import Session, fit_to_tiles, prepare_session


def plan_session(
    job: Run, wanted: ClusterOptions, *, is_asked_for: bool = False, measures: bool = True
) -> tuple[Session, Forecast]:
    """Fit a run to its workers, and predict what it needs.

    Parameters
    ----------
    job
        The run.
    wanted
        Which workers.
    is_asked_for
        Whether something is wanted that only workers have.
    measures
        Measure how long reading, solving and writing take on this machine.

    Raises
    ------
    InputError
        One of its children: something cannot be used, or does not fit.
    """
    session = prepare_session(job, wanted, is_asked_for=is_asked_for, needs_device=False)
    checked, workers = session.checked, session.workers
    n_worker = 0 if workers.n_worker == 0 else min(checked.n_worker, max(1, checked.n_left))
    memory = checked.job.total_memory if n_worker == 0 else None
    found = forecast(checked, n_worker, memory or expected_memory(fit_to_tiles(workers, checked), n_worker))
    if not measures:
        return session, found
    if not found.n_left:
        return session, with_seconds(found, checked)
    resumes = job.existing == "resume"
    begins = begins_early(wanted, job.stack, resumes=resumes, is_asked_for=is_asked_for)
    is_here = workers.kind in ("local", "local-cuda")
    return session, _measured(found, checked, begins if is_here else None)


def _measured(found: Forecast, checked: Checked, begins: bool | None) -> Forecast:
    """Add what is measured, in another process: this one does without torch.

    ``begins``: whether the first worker is begun before the stack is opened; None: the workers are not of
    this machine, or are there already.
    """
    lived = seconds_lived()
    try:
        measured = measure_elsewhere(checked.job.options.device, partial(seconds_per_pixel, checked))
    except DeviceError as error:
        raise error if "--quick" in str(error) else for_other_machines(error) from error
    found = with_seconds(found, checked, measured.found)
    if begins is None:
        return found
    begun = SECONDS_TO_BEGIN if begins and found.n_worker == 1 else lived
    return replace(found, overhead=predict_overhead(measured, found.n_worker, begun))
