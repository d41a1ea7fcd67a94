"""Invert networks of InSAR interferograms into displacement time series, on one core or many GPUs.

Observations
    open_stack        open a stack of interferograms as a lazy Dataset
    convert_stack     copy a stack to Zarr, chunked for fast reading

Inversion
    invert            invert a Dataset lazily, in a notebook
    run               invert a stack of any size into a Zarr store, tile by tile
    Run               what a run reads, computes and writes
    Options           weights, masks, norm, products, precision, device
    Setting           facts that the stack does not contain, such as the reference point
    Selection         the part of the scene, the dates and the pairs that are inverted
    FailurePolicy     what happens to tiles that fail
    Summary           outcome of a run
    Status            what the codes of the map ``status`` mean

After the inversion
    velocity          fit velocity and other functions of time lazily
    run_velocity      the same for a scene of any size, into a Zarr store
    VelocityRun       what it reads, fits and writes
    TimeFunctions     the functions of time
    FitOptions        dates and standard errors of a fit
    rereference       make a result relative to another pixel or date
    mask_result       write a mask of reliable pixels into a result
    export_result     write GeoTIFF, NetCDF, KMZ, tables or MintPy's files

Workers
    connect           start workers on this machine, its GPUs or Slurm, or join a cluster
    cluster           options of workers

More modules
    plot              maps, series and networks as pictures
    simulate          scenes of known motion
    mintpy            MintPy's step ``invert_network``
    errors            what is raised, all of it a ``FringefleetError``

On the command line: ``fringefleet --help``. The shortest program::

    import fringefleet

    fringefleet.run("ifgramStack.h5", "result.zarr")
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("fringefleet")

# Imported when first used: torch takes two seconds, and `fringefleet --help` does not need it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
