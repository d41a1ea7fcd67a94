"""Open, chunk, solve, write: the path of a scene. Read this first.

:func:`run` is the run form, for scenes: it opens a stack, cuts it into tiles, and lets whatever Dask
scheduler is current read, solve and write them, a bounded number at a time. The lazy form, for notebooks, is
:mod:`fringefleet.inversion`. Neither knows who the workers are; :mod:`fringefleet.cli` starts them.
"""

import logging
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from dask.system import CPU_COUNT
from distributed import Client

from fringefleet import lazy
from fringefleet.answers import describe_no_answer, named_counts
from fringefleet.attempts import FailurePolicy
from fringefleet.chunks import check_tile, choose_tile, count_workers, is_common_tile
from fringefleet.clients import check_client, client_to_compute_with, warn_of_open
from fringefleet.cores import count_on_cores, own_cores, share_of_records
from fringefleet.earlier_report import read_report
from fringefleet.errors import OptionError, OutputExistsError, RunError
from fringefleet.execute import Done, Outcome, Watch, execute
from fringefleet.facts import origin_of
from fringefleet.io import open_stack
from fringefleet.io.describe import count_status
from fringefleet.io.disk import free_bytes
from fringefleet.io.lock import Lock, check_not_in_use, locked
from fringefleet.io.origin import Origin
from fringefleet.io.output_names import check_output_name
from fringefleet.io.pair_table import pair_table
from fringefleet.io.place import check_apart, check_writable
from fringefleet.io.stack import largest_chunk, pair_folders, read_step, source_version
from fringefleet.io.staging import put_back
from fringefleet.io.store import (
    ResultStore,
    check_result_of_ours,
    create_result,
    result_tile,
    resume_result,
)
from fringefleet.io.unpacked import cut_apart
from fringefleet.kinds import PATH, check_kind, check_two_numbers
from fringefleet.main_program import end_if_reimported
from fringefleet.memory_model import Means, bytes_of_worker
from fringefleet.option_words import in_words_of_python, option
from fringefleet.options import Options
from fringefleet.paths import check_local
from fringefleet.prepare import Prepared, Setting, check_setting, prepare
from fringefleet.report import RunReport, report_path, reported
from fringefleet.solvers import check_solver
from fringefleet.stack_check import StackCheck, check_stack_at_end, write_if_unchanged
from fringefleet.tile import Tile
from fringefleet.unpack import Unpacking, unpacked
from fringefleet.variables import bytes_of_result, wanted_variables
from fringefleet.versions import software_versions
from fringefleet.worker import Record, ask_workers, sharing

logger = logging.getLogger(__name__)

Existing = Literal["refuse", "resume", "overwrite"]


@dataclass(frozen=True)
class Run:
    """One inversion: what to read, where to write, how to cut and solve it.

    ``chunks``: rows and columns of a tile; if None they are chosen so that ``n_worker`` workers have
    something to do, and a run that is resumed keeps those that it has. ``existing``: what to do with an
    output that is there. ``memory_limit`` [byte]: of all workers together; where that is less than they would
    take, tiles are smaller, and then workers fewer. ``worker_memory`` [byte]: of each worker, however many
    there are; tiles are smaller where that takes it, or refused. ``n_thread``: Dask threads of each, and
    ``n_core``: threads of each that read and write; None: its share of this machine's cores. ``gpu_memory``
    [byte]: of the GPU of each, if that is known. ``on_failure``: what to do with tiles that
    fail. ``reader``: name of the reader of the stack; None: the only one that recognises it.
    ``drop_incomplete``: leave out pairs of a folder that lack a file. ``accept_touched``: take files of
    the stack whose time alone has changed, since the run that is resumed or while this one goes on, for the
    same; only who knows that nothing was written to them may say so.

    Raises
    ------
    OptionError
        ``existing`` is none of those words, a path is none, or a setting has no effect with the options.
    """

    stack: Path
    output: Path
    options: Options = Options()  # noqa: RUF009 - frozen
    setting: Setting = Setting()  # noqa: RUF009 - frozen
    chunks: tuple[int, int] | None = None
    existing: Existing = "refuse"
    n_worker: int = 1
    memory_limit: int | None = None
    worker_memory: int | None = None
    n_thread: int = 1
    n_core: int | None = None
    gpu_memory: int | None = None
    on_failure: FailurePolicy = FailurePolicy()  # noqa: RUF009 - frozen
    reader: str | None = None
    drop_incomplete: bool = False
    accept_touched: bool = False

    def __post_init__(self) -> None:
        """Take paths as text, too, and refuse a word that would mean another one in silence."""
        for name in ("stack", "output"):
            path = getattr(self, name)
            check_kind(name, path, *PATH)
            check_local(path)
            object.__setattr__(self, name, Path(path))
        if self.existing not in get_args(Existing):
            wanted = ", ".join(get_args(Existing))
            raise OptionError(f"found existing = {self.existing!r}; give one of {wanted}.")
        for name, kind in (("options", Options), ("setting", Setting), ("on_failure", FailurePolicy)):
            check_kind(name, getattr(self, name), kind)
        if self.chunks is not None:
            check_two_numbers("chunks", self.chunks, "rows and columns of a tile")
        check_setting(self.setting, self.options)


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    output: Path
    n_tile: int
    n_resumed: int  # tiles that were done before
    n_infinite: int  # infinite phases, left out
    status_count: tuple[int, ...]  # pixels of each status, of the tiles done now
    skipped: tuple[Tile, ...] = ()  # tiles that failed, and that the run was told to go on without


@dataclass(frozen=True)
class Checked:
    """A run whose input, options and output have been found good; nothing has been written yet."""

    job: Run
    prepared: Prepared
    tile: tuple[int, int]  # rows and columns
    origin: Origin  # everything that the result depends on
    is_touched: bool  # files of the stack were, since the run that is resumed
    n_tile: int
    n_left: int  # tiles that are not done
    means: Means  # of as many workers as the memory is enough for; at most those that the run was told of

    @property
    def n_worker(self) -> int:
        """Workers that the memory is enough for."""
        return self.means.n_worker

    @property
    def fingerprint(self) -> str:
        """Digest of what the result depends on."""
        return self.origin.fingerprint

    @property
    def memory_needed(self) -> int:
        """What a worker takes at most [byte], be it the only one that comes."""
        means = replace(self.means, n_core=max(self.means.n_core, own_cores().number))
        return bytes_of_worker(math.prod(self.tile), self.prepared.scene.network, self.job.options, means)


def run(job: Run, on_progress: Callable[[Done], None] | None = None) -> Summary:
    """Invert one stack on whatever Dask scheduler is current, threads if none, into a Zarr store.

    Parameters
    ----------
    job
        What to do.
    on_progress
        Told of every finished tile.

    Raises
    ------
    InputError
        One of its children: something cannot be used, and nothing was done.
    RunError
        Tiles failed, or the run could not go on; the message says what is kept. As a rule finished tiles are,
        and the same run with ``existing="resume"`` goes on.
    """
    end_if_reimported()
    client = client_to_compute_with()  # once: what computes does not change while it is checked what to do
    summary = compute(check(with_workers(job, client)), on_progress, client=client)
    if reason := no_answer(summary, job):
        logger.warning("%s", in_words_of_python(reason))
    return summary


def with_workers(job: Run, client: Client | None) -> Run:
    """Tell a run what is known of the workers that are there already, or of the threads of this process."""
    if client is None:
        n_thread = max(job.n_thread, CPU_COUNT)  # as many tiles are solved at a time, and have memory
        return replace(job, n_thread=n_thread, n_core=job.n_core or max(n_thread, own_cores().number))
    n_thread = max(client.nthreads().values(), default=job.n_thread)
    if job.options.device == "cuda" and job.gpu_memory is None:
        memory = [int(record["gpu_bytes"] or 0) for record in ask_workers(client, "cuda")]
        job = replace(job, gpu_memory=min(memory, default=None))
    return replace(job, n_thread=n_thread)


def no_answer(summary: Summary, job: Run) -> str | None:
    """Say why no pixel of a finished run has an answer, with marked options; None if some have."""
    said = vars(job.options) | vars(job.setting)
    if describe_no_answer(named_counts(summary.status_count), said) is None:
        return None
    return describe_no_answer(count_status(summary.output), said)  # tiles that were done before count, too


def check(job: Run) -> Checked:
    """Find whatever is wrong with a run, and how much there is to do, before anything is done.

    Raises
    ------
    InputError
        As :func:`run`.
    """
    check_kind("job", job, Run)
    _check_output_path(job)
    stack = open_stack(job.stack, chunks=None, reader=job.reader, drop_incomplete=job.drop_incomplete)
    check_apart(job.output, job.stack, pair_folders(stack))
    prepared = prepare(stack, job.options, job.setting)
    if job.chunks is not None:
        check_tile(job.chunks, prepared.scene.network, job.options, Means())
    _check_output_usable(job)  # options that are wrong come before it
    begun = job.existing == "resume" and job.output.exists()
    shape = (prepared.stack.sizes["y"], prepared.stack.sizes["x"])
    tile = job.chunks or (result_tile(job.output) if begun else None)
    network, means = prepared.scene.network, _means(job, prepared)
    if tile is None:
        tile = _choose_tile(job, prepared, shape, means)
    check_tile(tile, network, job.options, Means())
    tile = min(tile[0], shape[0]), min(tile[1], shape[1])
    check_tile(tile, network, job.options, means)
    n_tile = math.ceil(shape[0] / tile[0]) * math.ceil(shape[1] / tile[1])
    origin = origin_of(prepared, job.options, tile, source_version(stack))
    n_done, is_touched = _found(job, tile, origin) if begun else (0, False)
    n_worker = count_workers(tile[0] * tile[1], network, job.options, means)
    means = replace(means, n_worker=n_worker)
    return Checked(job, prepared, tile, origin, is_touched, n_tile, n_tile - n_done, means)


def _means(job: Run, prepared: Prepared) -> Means:
    """Say what tiles are computed with, as far as that is known before the workers are there."""
    n_core = job.n_core or max(job.n_thread, own_cores().number // job.n_worker)
    return Means(
        n_worker=job.n_worker,
        n_thread=job.n_thread,
        n_core=n_core,
        memory_limit=job.memory_limit,
        worker_memory=job.worker_memory,
        gpu_memory=job.gpu_memory,
        chunk_bytes=largest_chunk(prepared.stack),
    )


def _choose_tile(job: Run, prepared: Prepared, shape: tuple[int, int], means: Means) -> tuple[int, int]:
    """Choose a tile that cuts no packed chunk, if there is one; whole rows, if all chunks are cut anyway."""
    network, stack = prepared.scene.network, prepared.stack

    def choose(stored: tuple[int, int] | None) -> tuple[int, int]:
        return choose_tile(shape, stored, network, job.options, means)

    step = read_step(stack)
    tile = choose(step)
    if step is None or not cut_apart(stack, tile, small_ones=True):
        return tile
    whole = min(max(step[0], tile[0]), shape[0]), min(max(step[1], tile[1]), shape[1])
    each = job.worker_memory or (job.memory_limit and job.memory_limit // job.n_worker)
    means = replace(means, worker_memory=each)
    return whole if is_common_tile(whole, network, job.options, means) else choose((1, shape[1]))


def compute(
    checked: Checked,
    on_progress: Callable[[Done], None] | None = None,
    *,
    memory_limit: int | None = None,
    lock: Lock | None = None,
    client: Client | Literal["current"] | None = "current",
) -> Summary:
    """Do the tiles that are left on whatever Dask scheduler is current; see :func:`run`.

    Parameters
    ----------
    checked
        A run that :func:`check` found good.
    on_progress
        Told of every finished tile.
    memory_limit
        What each worker has [byte], if known.
    lock
        That of the output (:func:`fringefleet.io.lock.locked`), where the caller has it already.
    client
        Whose workers compute, where the caller has asked for it already; None: threads of this process.
    """
    job, prepared, tile = checked.job, checked.prepared, checked.tile
    if client == "current":
        client = client_to_compute_with()
    n_on_cores, means = _workers_for(client, job.options, checked.means)
    means = replace(means, worker_memory=memory_limit)
    check_tile(tile, prepared.scene.network, job.options, means)
    packed = Unpacking(packed_variables(checked), job.output, job.accept_touched, n_on_cores)
    with (
        locked(job.output) if lock is None else nullcontext(lock) as lock,
        unpacked(prepared, packed, Watch(lock.check), client) as prepared,
    ):
        store = _open_output(checked)
        check_stack = StackCheck.of(checked.origin.source, accept_touched=job.accept_touched)
        tasks = lazy.tile_tasks(
            prepared,
            job.options,
            tile,
            partial(write_if_unchanged, store, check_stack),
            accept_touched=job.accept_touched,
            n_on_cores=n_on_cores,
        )
        done = store.done()
        left = [(where, task) for where, task in tasks if not done[where.number]]
        logger.info("%d of %d tiles of %d x %d pixels to do", len(left), len(tasks), *tile)
        _warn_of_full_disk(checked, (where for where, _ in left))
        report = _report(checked, min(CPU_COUNT, len(left)) if client is None else None)
        report.add_uncounted((where for where, _ in tasks if done[where.number]), job.output)
        watch = Watch(partial(_look, checked, store, lock), lambda where: store.skip_tile(where.number))
        with reported(report):
            outcome = execute(left, report.watch(on_progress), job.on_failure, watch, client=client)
            check_stack_at_end(checked.origin.source, store, accept_touched=job.accept_touched)
            store.finish()
    for sentence in outcome.odd.sentences(prepared.scene.network).values():
        logger.warning("%s", sentence)
    return _summary(checked, outcome)


def _workers_for(client: Client | None, options: Options, means: Means) -> tuple[dict[str, int], Means]:
    """Refuse workers, or a process, without the device; count who shares cores, and what each has of them."""
    if client is None:
        check_solver(options)  # in threads of this process
        return {}, means
    records = _check_workers(client, options)
    n_thread = max(client.nthreads().values(), default=means.n_thread)
    return count_on_cores(records), replace(
        means, n_thread=n_thread, n_core=share_of_records(records, n_thread)
    )


def packed_variables(checked: Checked) -> tuple[str, ...]:
    """Name what has to be unpacked before, if anything is left to do."""
    if not checked.n_left:
        return ()
    return tuple(cut_apart(checked.prepared.stack, checked.tile, small_ones=checked.job.chunks is None))


def _check_workers(client: Client, options: Options) -> list[Record]:
    """Refuse workers without the device; whoever made the client may want two on one GPU, but is told."""
    check_client(client)
    warn_of_open(str(client.scheduler_info(n_workers=0)["address"]))
    records = ask_workers(client, options.device)
    for gpu, workers in sharing(records).items():
        names = ", ".join(str(worker["address"]) for worker in workers)
        logger.warning("%d workers share the GPU %s: %s", len(workers), gpu, names)
    return records


def _summary(checked: Checked, outcome: Outcome) -> Summary:
    return Summary(
        output=checked.job.output,
        n_tile=checked.n_tile,
        n_resumed=checked.n_tile - checked.n_left,
        n_infinite=outcome.odd.n_infinite,
        status_count=outcome.status_count,
        skipped=tuple(failure.tile for failure in outcome.failures),
    )


def finish(checked: Checked) -> None:
    """Write what is known only when all tiles are done, for a run that was killed just before."""
    with locked(checked.job.output), reported(_report(checked, 0)):
        store = _open_output(checked)
        check_stack_at_end(checked.origin.source, store, accept_touched=checked.job.accept_touched)
        store.finish()


def _check_output_path(job: Run) -> None:
    """Check the path of an output, whatever is there."""
    check_output_name(job.output, "Zarr", "result.zarr")
    check_apart(job.output, job.stack)


def _check_output_usable(job: Run) -> None:
    check_writable(job.output)
    if job.existing == "refuse" and job.output.exists():
        raise OutputExistsError(
            f"{job.output} is there already; give --resume to finish it, "
            f"{option('existing', 'overwrite')} to replace it, or another name."
        )
    if job.existing == "overwrite" and job.output.exists():
        check_result_of_ours(job.output)
    check_not_in_use(job.output)


def _report(checked: Checked, n_thread: int | None) -> RunReport:
    """Begin the report beside the output, or go on with that of the run that is resumed."""
    job, path = checked.job, report_path(checked.job.output)
    facts = {
        "stack": job.stack,
        "output": job.output,
        "fingerprint": checked.fingerprint,
        "versions": software_versions(),
        "options": vars(job.options),
        "setting": vars(job.setting),
        "chunks": checked.tile,
        "n_pair": checked.prepared.scene.network.n_pair,
        "n_date": checked.prepared.scene.network.n_date,
        "n_tile": checked.n_tile,
    }
    earlier = read_report(path, checked.fingerprint) if job.existing == "resume" else None
    return RunReport(path, facts, earlier, n_thread=n_thread)


def _open_output(checked: Checked) -> ResultStore:
    job, tile = checked.job, checked.tile
    put_back(job.output)
    if job.existing == "resume" and job.output.exists():
        store, is_touched = resume_result(
            job.output,
            tile,
            checked.origin,
            wanted_variables(job.options),
            accept_touched=job.accept_touched,
        )
        store.clear()
        if is_touched:
            logger.warning("%s: times of files of the stack differ, and are accepted", job.output)
            store.trust(checked.origin.source.listing)
        store.forget_damaged()
        return store
    template = lazy.result_template(checked.prepared, job.options, tile)
    if job.options.diagnose:
        template = template.merge(pair_table(checked.prepared.stack))
    overwrite = job.existing == "overwrite"
    return create_result(template, job.output, checked.origin, overwrite=overwrite)


def _found(job: Run, tile: tuple[int, int], origin: Origin) -> tuple[int, bool]:
    """Count the tiles that are done and kept, and tell whether files of the stack were touched since."""
    store, is_touched = resume_result(
        job.output, tile, origin, wanted_variables(job.options), accept_touched=job.accept_touched
    )
    return int(store.kept(or_doubted=is_touched).sum()), is_touched


def _look(checked: Checked, store: ResultStore, lock: Lock) -> None:
    """Find out whether the run can go on: its input and its output are there, and nobody else writes."""
    lock.check()
    if not checked.origin.source.is_there():
        raise RunError(f"the stack {checked.origin.source.path} is gone from this worker's sight.")
    if not (store.path / "zarr.json").exists():
        store.check()


def _warn_of_full_disk(checked: Checked, left: Iterable[Tile]) -> None:
    """Say that the disk may become full; it is not sure, as the result is compressed."""
    n_pixel = sum((tile.y.stop - tile.y.start) * (tile.x.stop - tile.x.start) for tile in left)
    n_byte = n_pixel * bytes_of_result(checked.job.options, checked.prepared.scene.network.n_date)
    free = free_bytes(checked.job.output)
    if n_byte > free:
        logger.warning(
            "the disk of %s has %s bytes free; what is still to be written takes up to %s, less as far as it "
            "can be compressed",
            checked.job.output,
            f"{free:,}",
            f"{n_byte:,}",
        )
