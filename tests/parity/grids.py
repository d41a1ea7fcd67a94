"""Grid attributes of stacks as MintPy's ``prep_*`` and ``load_data`` set them, by processor.

Facts of MintPy 1.6.4: ``prep_gamma`` (deg, meter), ``prep_hyp3`` with ``readfile.read_gdal_vrt`` (meters,
EPSG, UTM_ZONE, corners in metres), ``readfile.read_isce_xml`` (degrees of geocoded files, and what the header
says besides), ``prep_nisar`` (degree or meters, UTM_ZONE from the last digits of any EPSG code),
``prep_aria`` (degrees), ROI_PAC's ``.rsc`` (no unit, or X_UNIT degres).
"""

_MEXICO = {
    "X_FIRST": "-99.19106978163674",
    "X_STEP": "0.0013888889",
    "Y_FIRST": "19.451292623451756",
    "Y_STEP": "-0.0013888889",
}
_UTM = {"X_FIRST": "479960.0", "X_STEP": "80.0", "Y_FIRST": "2150080.0", "Y_STEP": "-80.0"}
_CORNERS = {
    "LAT_REF1": "2145280.0",
    "LAT_REF2": "2145280.0",
    "LAT_REF3": "2150080.0",
    "LAT_REF4": "2150080.0",
    "LON_REF1": "479960.0",
    "LON_REF2": "487960.0",
    "LON_REF3": "479960.0",
    "LON_REF4": "487960.0",
}


def _units(unit: str) -> dict[str, str]:
    return {"Y_UNIT": unit, "X_UNIT": unit}


GEOCODED: dict[str, dict[str, str]] = {
    "gamma": _MEXICO | _units("deg") | {"PROCESSOR": "gamma", "FILE_LENGTH": "60", "azimuth_looks": "2"},
    "gamma UTM": _UTM | _units("meter") | {"PROCESSOR": "gamma", "UTM_ZONE": "14N"},
    "gamma lookup table": _MEXICO | _units("degrees") | {"PROCESSOR": "gamma"},
    "roipac": _MEXICO | {"PROCESSOR": "roipac", "X_FIRST": "-99.191069781", "DATE12": "180106-180118"},
    "roipac degres": _MEXICO | _units("degres") | {"PROCESSOR": "roipac", "Z_OFFSET": "0", "Z_SCALE": "1"},
    "hyp3": _UTM
    | _units("meters")
    | _CORNERS
    | {
        "PROCESSOR": "hyp3",
        "EPSG": "32614",
        "UTM_ZONE": "14N",
        "CENTER_LINE_UTC": "2421.889852",
        "NoDataValue": "0.0",
        "INTERLEAVE": "PIXEL",
        "beam_mode": "IW",
        "beam_swath": "123",
        "relative_orbit": "5",
        "unwrap_method": "SNAPHU",
    },
    "isce geocoded": _MEXICO
    | _units("degrees")
    | {
        "PROCESSOR": "isce",
        "access_mode": "read",
        "byte_order": "l",
        "family": "image",
        "number_bands": "2",
        "scheme": "BIL",
        "image_type": "unw",
        "xmin": "0",
        "xmax": "100",
        "beam_mode": "IW",
        "trackNumber": "5",
    },
    "nisar": _MEXICO | _units("degree") | {"PROCESSOR": "isce", "EPSG": "4326", "PLATFORM": "NISAR"},
    "nisar UTM": _UTM | _units("meters") | {"EPSG": "32614", "UTM_ZONE": "14N", "PLATFORM": "NISAR"},
    "nisar polar": _UTM | _units("meters") | {"EPSG": "3031", "UTM_ZONE": "1S", "PLATFORM": "NISAR"},
    "aria": _MEXICO | _units("degrees") | {"PROCESSOR": "isce", "unwrap_method": "SNAPHU"},
    "vrt without a CRS": _MEXICO | _units("degrees") | {"EPSG": "None", "NoDataValue": "None"},
    "vrt without anything": _UTM | {"EPSG": "None"},
    "contradiction": _UTM | _units("degrees") | {"PROCESSOR": "isce"},
    "text of corners": _MEXICO
    | _units("Degrees")
    | {"Y_FIRST": "+19.45129262345175600", "X_STEP": "1.3888889E-3"},
}
OF_A_GRID = ("X_FIRST", "X_STEP", "X_UNIT", "Y_FIRST", "Y_STEP", "Y_UNIT", "EPSG", "UTM_ZONE")
DEGREES = {name for name, attrs in GEOCODED.items() if attrs["Y_FIRST"].startswith(("19", "+19"))}
CODES = {  # of the CRS of a Zarr result; None where it is not known
    name: 4326 if name in DEGREES else int(attrs.get("EPSG", "32614").replace("None", "0")) or None
    for name, attrs in GEOCODED.items()
} | {"contradiction": None}
