"""The command ``mintpy``: its arguments, and nothing else."""

from fringefleet.cli.application import app, examples
from fringefleet.cli.console import err, exit_codes, start_logging
from fringefleet.cli.options import cluster as opt_cluster
from fringefleet.cli.options import inversion as ours
from fringefleet.cli.options import mintpy as opt
from fringefleet.importing import without_collection


@app.command(
    epilog=examples(
        "fringefleet mintpy",
        "fringefleet mintpy ~/FernandinaSenDT128/mintpy",
        "fringefleet mintpy -t smallbaselineApp.cfg --solver torch",
        "fringefleet mintpy inputs/ifgramStack.h5 -w no -m waterMask.h5 --update",
        "fringefleet mintpy inputs/ifgramStack.h5 -i rangeOffset -w no --md offsetSNR --mt 5",
        "fringefleet mintpy inputs/ionStack.h5 -t smallbaselineApp.cfg",
        "fringefleet mintpy -c slurm --num-worker 40 --config large --interface ib0",
    )
)
@exit_codes()
def mintpy(
    path: opt.ProjectOrStack = None,
    template: opt.Template = None,
    dset: opt.Dataset = None,
    weight_func: opt.Weight = None,
    min_norm_phase: opt.MinNormPhase = False,
    mask_dset: opt.Mask = None,
    mask_thres: opt.Threshold = None,
    min_redun: opt.Redundancy = None,
    water_mask: opt.WaterMask = None,
    ref_date: opt.ReferenceDate = None,
    skip_reference: opt.SkipReference = False,
    drop_unreferenced: ours.DropUnreferenced = False,
    reference_point: ours.ReferencePoint = None,
    wavelength: ours.Wavelength = None,
    looks: ours.Looks = None,
    solver: opt.Solver = None,
    gpu_chunk_size: opt.GpuChunkSize = None,
    cluster: opt.Cluster = None,
    num_worker: opt.WorkerCount = None,
    ram: opt.Memory = None,
    config: opt.Config = None,
    cluster_config: opt_cluster.Config = None,
    interface: opt_cluster.Interface = None,
    wait: opt_cluster.Wait = None,
    tls: opt_cluster.Tls = None,
    tls_credentials: opt_cluster.TlsCredentials = None,
    dashboard: opt_cluster.Dashboard = False,
    output: opt.Outputs = None,
    calc_cov: opt.Covariance = False,
    mask_temp_coh: opt.CoherenceMask = None,
    update: opt.Update = None,
    on_error: opt.OnErrorOption = "stop",
    retries: ours.Retries = 2,
    accept_touched: ours.AcceptTouched = False,
    result: opt.Result = None,
    verbose: ours.Verbose = False,
) -> None:
    """Do MintPy's step invert_network: the same template, options and products, in the same folder."""
    console = err()
    start_logging(console, verbose=verbose)
    with without_collection():
        from fringefleet.execution.retry import FailurePolicy
        from fringefleet.mintpy.config import Request
        from fringefleet.mintpy.step import run
        from fringefleet.mintpy.workers import WorkerWish
    given = {
        "observation": dset,
        "weight_func": weight_func,
        "min_norm": "phase" if min_norm_phase else None,
        "mask_dataset": mask_dset,
        "mask_threshold": mask_thres,
        "min_redundancy": min_redun,
        "covariance": calc_cov or None,
        "device": {"auto": "cpu", "cpu": "cpu", "torch": "cuda", None: None}[solver],
        "gpu_chunk_size": gpu_chunk_size,
        "water_mask": water_mask,
        "reference_date": ref_date,
        "skip_reference": skip_reference or None,
        "drop_unreferenced": drop_unreferenced or None,
        "reference_point": reference_point,
        "wavelength": wavelength,
        "looks": looks,
    }
    request = Request(
        path=path,
        template=template,
        given={name: value for name, value in given.items() if value is not None},
        workers=WorkerWish(
            cluster,
            num_worker,
            config,
            cluster_config,
            interface,
            tls,
            wait,
            tls_credentials,
            dashboard or None,
        ),
        memory=ram,
        outputs=output,
        coherence_mask=mask_temp_coh,
        update=update,
        on_failure=FailurePolicy(on_error, retries),
        accept_touched=accept_touched,
        result=result,
    )
    run(request, console)
