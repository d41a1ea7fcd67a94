"""The commands: their arguments, and nothing else. What they do is imported when it is done."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fringefleet.cli.application import app, examples
from fringefleet.cli.console import echo, err, exit_codes, out, start_logging
from fringefleet.cli.options import cluster as opt_cluster
from fringefleet.cli.options import inversion as opt
from fringefleet.cli.progress import show_progress
from fringefleet.importing import without_collection
from fringefleet.io.writers import WRITERS, writer_named


@app.command(epilog=examples("fringefleet demo", "fringefleet demo /tmp/first-look"))
@exit_codes()
def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write; its own files in it are replaced.")
    ] = Path("demo"),
    verbose: opt.Verbose = False,
) -> None:
    """Simulate a scene whose motion is known, invert it, compare, and draw pictures."""
    console = err()
    start_logging(console, verbose=verbose)
    from fringefleet.cli.outcome import print_outcome
    from fringefleet.demo import run_demo

    print_outcome(run_demo(directory, lambda label: show_progress(console, label)), out())


@app.command(
    epilog=examples(
        "fringefleet simulate scene.zarr",
        "fringefleet simulate large.zarr --dates 98 --shape 1000 1000 --missing 0.02",
        "fringefleet simulate wrong.zarr --unwrapping-errors 0.1 --dem-error-std 20",
    )
)
@exit_codes()
def simulate(
    output: opt.Output,
    dates: Annotated[
        int | None,
        typer.Option(
            metavar="D", help="Acquisitions, 12 days apart." + opt.default("50"), show_default=False
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(
            metavar="C",
            help="Pair each date with this many next ones." + opt.default("3"),
            show_default=False,
        ),
    ] = None,
    shape: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="Y X", help="Rows and columns." + opt.default("256 256"), show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="S", help="The same seed gives the same scene." + opt.default("0"), show_default=False
        ),
    ] = None,
    missing: Annotated[
        float | None,
        typer.Option(
            metavar="F",
            help="Fraction of the observations without data." + opt.default("0"),
            show_default=False,
        ),
    ] = None,
    annual: Annotated[
        bool, typer.Option("--annual", metavar="", help="Pair each date with the one a year later, too.")
    ] = False,
    unwrapping_errors: Annotated[
        float,
        typer.Option(metavar="F", help="Fraction of the pairs that are a cycle off in a part of the scene."),
    ] = 0,
    dem_error_std: Annotated[
        float, typer.Option(metavar="METRES", help="Standard deviation of the error of the DEM.")
    ] = 0,
    overwrite: opt.Overwrite = False,
    verbose: opt.Verbose = False,
) -> None:
    """Make a stack of any size whose motion is known; the truth goes to OUT_truth.zarr."""
    console = err()
    start_logging(console, verbose=verbose)
    from fringefleet.simulate import Scene, simulate_stack

    given = {"n_date": dates, "neighbours": neighbours, "shape": shape, "seed": seed, "missing": missing}
    scene = Scene(
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        annual=annual,
        unwrapping_errors=unwrapping_errors,
        dem_error_std=dem_error_std,
    )
    with show_progress(console, "Simulating") as report:
        truth = simulate_stack(
            scene, output, overwrite=overwrite, progress=lambda done, total: report(done / total, done)
        )
    for path in (output, truth):
        echo(path)


@app.command(
    epilog=examples(
        "fringefleet invert inputs/ifgramStack.h5 result.zarr -t smallbaselineApp.cfg",
        "fringefleet invert stack.zarr result.zarr --mask-dataset coherence --mask-threshold 0.5",
        "fringefleet invert stack.zarr result.zarr --norm huber --std --diagnose",
        "fringefleet invert stack.zarr result.zarr --dem-error --geometry inputs/geometryRadar.h5",
        "fringefleet invert offsets.h5 result.zarr --dataset range_offset --mask-dataset offset_snr "
        "--mask-threshold 5",
        "fringefleet invert stack.zarr result.zarr --resume",
        "fringefleet invert stack.zarr result.zarr --workers 0",
        "fringefleet invert stack.zarr result.zarr --device cuda",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster tls://10.0.0.1:8786 "
        "--tls-credentials credentials.pem",
        "fringefleet invert stack.zarr result.zarr --device cuda --cluster-config gpus.toml",
    )
)
@exit_codes()
def invert(
    stack: opt.Stack,
    output: opt.Output,
    dataset: opt.DatasetOption = None,
    weight_func: opt.WeightFuncOption = None,
    mask_dataset: opt.MaskDatasetOption = None,
    mask_threshold: opt.MaskThreshold = None,
    min_redundancy: opt.MinRedundancy = None,
    norm: opt.NormOption = None,
    huber_threshold: opt.HuberThreshold = None,
    max_iterations: opt.MaxIterations = None,
    gap_rule: opt.GapRuleOption = None,
    min_norm: opt.MinNormOption = None,
    template: opt.Template = None,
    std: opt.Std = False,
    covariance: opt.Covariance = False,
    diagnose: opt.Diagnose = False,
    dem_error: opt.DemError = False,
    polynomial_order: opt.PolynomialOrder = None,
    atmosphere_std: opt.AtmosphereStd = None,
    geometry: opt.Geometry = None,
    water_mask: opt.WaterMask = None,
    average_coherence: opt.AverageCoherence = None,
    reference_point: opt.ReferencePoint = None,
    reference_date: opt.ReferenceDate = None,
    skip_reference: opt.SkipReference = False,
    drop_unreferenced: opt.DropUnreferenced = False,
    reader: opt.ReaderName = None,
    drop_incomplete: opt.DropIncomplete = False,
    wavelength: opt.Wavelength = None,
    looks: opt.Looks = None,
    device: opt.DeviceOption = None,
    gpu_chunk_size: opt.GpuChunkSize = None,
    cluster: opt_cluster.Cluster = None,
    workers: opt_cluster.NWorker = None,
    cluster_config: opt_cluster.Config = None,
    worker_memory: opt_cluster.Memory = None,
    interface: opt_cluster.Interface = None,
    share_gpu: opt_cluster.ShareGpu = False,
    wait: opt_cluster.Wait = None,
    tls: opt_cluster.Tls = None,
    tls_ca: opt_cluster.TlsCa = None,
    tls_cert: opt_cluster.TlsCert = None,
    tls_key: opt_cluster.TlsKey = None,
    tls_credentials: opt_cluster.TlsCredentials = None,
    dashboard: opt_cluster.Dashboard = False,
    dtype: opt.DTypeOption = None,
    solver: opt.SolverOption = None,
    chunks: opt.Chunks = None,
    keep_bits: opt.KeepBits = None,
    resume: opt.Resume = False,
    accept_touched: opt.AcceptTouched = False,
    overwrite: opt.Overwrite = False,
    on_error: opt.OnErrorOption = "stop",
    retries: opt.Retries = 2,
    performance_report: opt.PerformanceReport = None,
    verbose: opt.Verbose = False,
) -> None:
    """Invert a stack of interferograms into a displacement time series."""
    given = dict(locals())  # the options by name, as `plan` has them, too
    console = err()
    start_logging(console, verbose=verbose)
    with without_collection():
        from fringefleet.cli.early import early_workers
    with early_workers(given) as begun:
        with without_collection():
            from fringefleet.cli import invert as command
        job, wanted_workers = command.understand(given, begun.wanted)
        command.invert(job, wanted_workers, console, performance_report, begun.early)


if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(writer.name for writer in WRITERS)]


@app.command(epilog=examples("fringefleet export result.zarr mintpy/ --format mintpy"))
@exit_codes()
def export(
    result: Annotated[
        Path, typer.Argument(metavar="OUT.zarr", help="What invert wrote.", show_default=False)
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.", show_default=False)],
    file_format: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help=" ".join(f"{writer.name}: {writer.title}" for writer in WRITERS),
        ),
    ] = WRITERS[0].name,
    verbose: opt.Verbose = False,
) -> None:
    """Write a result as the files of another program."""
    console = err()
    start_logging(console, verbose=verbose)
    from fringefleet.cli.products import write_products
    from fringefleet.io.describe import check_finished
    from fringefleet.io.store.open_result import check_result
    from fringefleet.io.store.place import check_apart, check_writable
    from fringefleet.io.writers.export import export_result

    first = writer_named(file_format).file_in(directory)
    check_result(result)
    check_apart(first, result)
    check_writable(first)
    check_finished(result)
    to_go_on = "Remove the cause and repeat the command."
    write = partial(export_result, file_format=file_format)
    for path in write_products(result, directory, console, to_go_on, write=write):
        echo(path)


@app.command(
    epilog=examples(
        "fringefleet convert inputs/ifgramStack.h5 stack.zarr",
        "fringefleet convert inputs/ifgramStack.h5 stack.zarr --resume",
    )
)
@exit_codes()
def convert(
    stack: opt.Stack,
    output: opt.Output,
    chunks: opt.Chunks = None,
    reader: opt.ReaderName = None,
    drop_incomplete: opt.DropIncomplete = False,
    resume: opt.Resume = False,
    accept_touched: opt.AcceptTouched = False,
    overwrite: opt.Overwrite = False,
    verbose: opt.Verbose = False,
) -> None:
    """Copy a stack to Zarr, with all pairs of a pixel together, for fast parallel reading."""
    console = err()
    start_logging(console, verbose=verbose)
    from fringefleet.io import convert_stack, open_stack

    opened = open_stack(stack, chunks=None, reader=reader, drop_incomplete=drop_incomplete)
    with show_progress(console, "Converting") as report:
        convert_stack(
            opened,
            output,
            chunks=chunks,
            overwrite=overwrite,
            resume=resume,
            accept_touched=accept_touched,
            progress=lambda done, total: report(done / total, done),
        )
    echo(output)


def _print_formats(value: bool) -> None:
    if value:
        from fringefleet.cli.info import print_formats

        print_formats(out())
        raise typer.Exit


@app.command(
    epilog=examples(
        "fringefleet info inputs/ifgramStack.h5",
        "fringefleet info --formats",
        "fringefleet info result.zarr --json | jq .status",
    )
)
@exit_codes()
def info(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A stack, whatever it is stored as, or a result.", show_default=False
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="For programs: everything, as JSON.")
    ] = False,
    _formats: Annotated[
        bool,
        typer.Option(
            "--formats",
            metavar="",
            callback=_print_formats,
            is_eager=True,
            help="List what can be read, by which reader.",
        ),
    ] = False,
    reader: opt.ReaderName = None,
    drop_incomplete: opt.DropIncomplete = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show what a stack or a result holds, without reading the phase."""
    start_logging(err(), verbose=verbose)
    with without_collection():
        from fringefleet.cli.info import print_description, print_json
        from fringefleet.io.describe import describe
    show = print_json if as_json else print_description
    show(describe(path, reader=reader, drop_incomplete=drop_incomplete), out())


@app.command(
    epilog=examples(
        "fringefleet plot result.zarr pictures/", "fringefleet plot result.zarr pictures/ --truth truth.zarr"
    )
)
@exit_codes()
def plot(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A stack, whatever it is stored as, or a result.", show_default=False
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.", show_default=False)],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="TRUTH.zarr", help="Displacement that is known, to compare with."),
    ] = None,
    reader: opt.ReaderName = None,
    drop_incomplete: opt.DropIncomplete = False,
    verbose: opt.Verbose = False,
) -> None:
    """Draw maps, series, error and network, as far as there are data for them, as PNG files."""
    start_logging(err(), verbose=verbose)
    from fringefleet.cli.plot import draw_pictures

    for picture in draw_pictures(path, directory, truth, reader=reader, drop_incomplete=drop_incomplete):
        echo(picture)
