"""The simulated scene as other processors write it: real names, tags and parameter files, with rasterio."""

import zipfile

import numpy as np
import rasterio
from rasterio import Affine

from unit.io.readers import checks

UTM = {"crs": "EPSG:32614", "transform": Affine(80.0, 0.0, 440_000.0, 0.0, -80.0, 2_190_000.0)}
DEGREES = {"crs": "EPSG:4326", "transform": Affine(0.001, 0.0, -99.6, 0.0, -0.001, 19.8)}
BLOCKS = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}

GAMMA_TEXT = """\
Reference Granule: S1A_IW_SLC__1SDV_{first}T022251_{first}T022318_019219_0208AF_EE89
Secondary Granule: S1A_IW_SLC__1SDV_{second}T022252_{second}T022319_019394_020E21_AFB8
Reference Pass Direction: ASCENDING
Reference Orbit Number: 19219
Secondary Pass Direction: ASCENDING
Secondary Orbit Number: 19394
Baseline: {baseline}
UTC time: 8571.989128
Heading: -13.0235756
Spacecraft height: 699974.5329
Earth radius at nadir: 6371383.6099
Slant range near: 799002.2677
Slant range center: 878813.0619
Slant range far: 958623.8560
Range looks: 20
Azimuth looks: 4
INSAR phase filter: adf
Phase filter parameter: 0.6
Resolution of output (m): 80
Range bandpass filter: no
Azimuth bandpass filter: no
DEM source: GLO-30
DEM resolution (m): 160
Unwrapping type: mcf
Phase at reference point: -4.21967
Azimuth line of the reference point in SAR space: 2737.0
Speckle filter: no
"""
BURST_TEXT = """\
Reference Granule: S1_136231_IW2_{first}T022312_VV_7C85-BURST
Secondary Granule: S1_136231_IW2_{second}T022313_VV_5D11-BURST
Reference Pass Direction: DESCENDING
Reference Orbit Number: 32861
Secondary Pass Direction: DESCENDING
Secondary Orbit Number: 33036
Baseline: {baseline}
UTC time: 8409.44936
Heading: 192.5
Spacecraft height: 693000.0
Earth radius at nadir: 6337286.638938101
Slant range near: 800421.8030922529
Slant range center: 826758.6675801671
Slant range far: 853095.5320680811
Range looks: 20
Azimuth looks: 4
INSAR phase filter: yes
Phase filter parameter: 0.5
Range bandpass filter: no
Azimuth bandpass filter: no
DEM source: GLO_30
DEM resolution (m): 30
Unwrapping type: snaphu_mcf
Speckle filter: yes
Water mask: no
"""
LICSAR_TEXT = """\
master=20180106
center_time=0:23:06.571950
heading=-13.775063
avg_incidence_angle=39.1918
azimuth_resolution=14.068910
range_resolution=2.329562
centre_range_m=880080.5691
avg_height=3165.176
applied_DEM=SRTM_30m
"""


def write(path, values, place, **profile):
    """Write one band; NaN becomes the tag's value for no data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nodata = profile.get("nodata")
    if nodata is not None and values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.float32(nodata), values)
    size = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": str(values.dtype)}
    with rasterio.open(path, "w", driver="GTiff", **size, **place, **profile) as file:
        file.write(values, 1)


def pairs(stack):
    """Dates, baseline and images of every pair."""
    for number, dates in enumerate(checks.text_dates(stack)):
        one = stack.isel(pair=number)
        yield dates, float(one["perpendicular_baseline"]), {name: one[name].values for name in stack}


def pack(folder):
    """Zip every product as HyP3 delivers it, and remove the folder."""
    for product in sorted(folder.iterdir()):
        with zipfile.ZipFile(folder / f"{product.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(product.iterdir()):
                archive.write(file, f"{product.name}/{file.name}")
                file.unlink()
        product.rmdir()
    return folder


def hyp3_gamma(folder, stack):
    for number, ((first, second), baseline, image) in enumerate(pairs(stack)):
        name = f"S1AA_{first}T022251_{second}T022252_VVP012_INT80_G_ueF_{number:04X}"
        start = folder / name / name
        write(start.with_name(f"{name}_unw_phase.tif"), image["unwrapped_phase"], UTM, nodata=0, **BLOCKS)
        write(start.with_name(f"{name}_corr.tif"), image["coherence"], UTM, nodata=0, **BLOCKS)
        write(start.with_name(f"{name}_water_mask.tif"), np.ones((5, 5), np.uint8), UTM)
        text = GAMMA_TEXT.format(first=first, second=second, baseline=baseline)
        start.with_name(f"{name}.txt").write_text(text)
        start.with_name(f"{name}.README.md.txt").write_text("# Sign: positive is away from the sensor")
    return folder


def hyp3_burst(folder, stack, multi=False):
    frame = "064_000000s1n00-136231s2n02-000000s3n00_IW" if multi else "136231_IW2"
    for number, ((first, second), baseline, image) in enumerate(pairs(stack)):
        name = f"S1_{frame}_{first}_{second}_VV_INT80_{number:04X}"
        start = folder / name / name
        write(start.with_name(f"{name}_unw_phase.tif"), image["unwrapped_phase"], UTM, nodata=0)
        write(start.with_name(f"{name}_corr.tif"), image["coherence"], UTM, nodata=0)
        component = image["connected_component"].astype(np.uint8)
        write(start.with_name(f"{name}_conncomp.tif"), component, UTM)
        text = BURST_TEXT.format(first=first, second=second, baseline=baseline)
        start.with_name(f"{name}.txt").write_text(text)
    return folder


def licsar(folder, stack, flat=False, as_bytes=True):
    root = folder / "GEOC"
    for (first, second), _, image in pairs(stack):
        name = f"{first}_{second}"
        start = root / name if flat else root / name / name
        coherence = image["coherence"]
        if as_bytes:
            coherence = np.round(np.nan_to_num(coherence) * 255).astype(np.uint8)
        phase = np.nan_to_num(image["unwrapped_phase"])
        write(start.with_name(f"{name}.geo.unw.tif"), phase, DEGREES, compress="deflate")
        write(start.with_name(f"{name}.geo.cc.tif"), coherence, DEGREES, compress="deflate")
    (root / "metadata.txt").write_text(LICSAR_TEXT)
    (root / "baselines").write_text("".join(f"20180106 {line}\n" for line in licsar_baselines(stack)))
    return root


def licsar_baselines(stack):
    """Baseline of each date to the first, from the pairs of neighbours: date, metres, days."""
    baseline = {"20180106": 0.0}
    for (first, second), metres, _ in pairs(stack):
        baseline.setdefault(second, baseline[first] + metres)
    for date, metres in baseline.items():
        if metres:
            yield f"{date} {metres} 12.0"


def dolphin(folder, stack):
    for (first, second), _, image in pairs(stack):
        name = f"{first}_{second}"
        component = image["connected_component"].copy()
        component[-1, -1] = 65535
        profile = {"tiled": True, "blockxsize": 16, "blockysize": 16}
        write(folder / "unwrapped" / f"{name}.unw.tif", image["unwrapped_phase"], UTM, nodata=0, **profile)
        write(folder / "unwrapped" / f"{name}.filt.unw.tif", image["unwrapped_phase"] + 1, UTM, **profile)
        write(folder / "unwrapped" / f"{name}.unw.conncomp.tif", component, UTM, nodata=65535, **profile)
        write(folder / "interferograms" / f"{name}.int.cor.tif", image["coherence"], UTM, nodata=0, **profile)
    return folder
