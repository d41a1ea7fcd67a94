"""The same small scene in every format that is read, and a result of it."""

import shutil

import h5py
import xarray as xr

import fringefleet
from fringefleet.simulate import simulate_stack
from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar, test_gunw, test_isce


def write_good_inputs(root):
    """Write one input of each kind, in a folder of its own; returns their paths by the names of the kinds."""
    stack = checks.simulated()
    made = {kind: root / kind / "stack" for kind in ("hyp3", "hyp3 zips", "licsar", "isce", "aria", "gmtsar")}
    made |= {"gunw": root / "gunw" / "stack", "dolphin": root / "dolphin" / "stack"}
    made |= {"nothing": root / "nothing" / "stack", "zarr": root / "zarr" / "stack.zarr"}
    made |= {"zarr 2": root / "zarr 2" / "stack.zarr", "netcdf": root / "netcdf" / "stack.nc"}
    made |= {"mintpy": root / "mintpy" / "stack.h5", "result": root / "result" / "result.zarr"}
    for path in made.values():
        path.parent.mkdir()
    made["nothing"].mkdir()
    simulate_stack(checks.SCENE, made["zarr"])
    shutil.rmtree(made["zarr"].with_name("stack_truth.zarr"))
    source = xr.open_zarr(made["zarr"], consolidated=False, chunks=None).load()
    source.drop_encoding().to_zarr(made["zarr 2"], zarr_format=2, consolidated=False)
    source.drop_encoding().to_netcdf(made["netcdf"], engine="h5netcdf")
    write_mintpy(source, made["mintpy"])
    shutil.copytree(made["zarr"], made["result"].with_name("stack.zarr"))
    fringefleet.run(fringefleet.Run(made["result"].with_name("stack.zarr"), made["result"], chunks=(8, 16)))
    geotiffs.hyp3_gamma(made["hyp3"], stack)
    geotiffs.pack(geotiffs.hyp3_gamma(made["hyp3 zips"], stack))
    geotiffs.licsar(made["licsar"], stack)
    made["licsar"] = made["licsar"] / "GEOC"
    geotiffs.dolphin(made["dolphin"], stack)
    test_isce.write_work(made["isce"])
    made["aria"].mkdir()
    test_aria.write_work(made["aria"])
    test_gunw.write_folder(made["gunw"])
    test_gmtsar.write_stack(made["gmtsar"])
    return made


def write_mintpy(source, path):
    """Write a stack as MintPy has it."""
    dates = [source[name].dt.strftime("%Y%m%d").values for name in ("reference_date", "secondary_date")]
    with h5py.File(path, "w") as file:
        for name, theirs in (("unwrapped_phase", "unwrapPhase"), ("coherence", "coherence")):
            file.create_dataset(theirs, data=source[name].values, chunks=(1, 8, 8), compression="lzf")
        file["connectComponent"] = (source["coherence"].values > 0).astype("i2")
        file["date"] = [[one.encode(), other.encode()] for one, other in zip(*dates, strict=True)]
        file["bperp"] = source["perpendicular_baseline"].values
        file["dropIfgram"] = [True] * source.sizes["pair"]
        file.attrs.update({name: str(value) for name, value in source.attrs.items() if name.isupper()})
        file.attrs.update({"WAVELENGTH": "0.0555", "ALOOKS": "4", "RLOOKS": "4", "FILE_TYPE": "ifgramStack"})
