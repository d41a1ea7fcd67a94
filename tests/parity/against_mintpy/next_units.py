"""Print what MintPy's later steps make of the unit of a grid; run by MintPy's interpreter, not by ours."""


def bounding_box(arguments: list[str]) -> None:
    """Print where a file is as the tropospheric step (``tropo_pyaps3``) and others understand it [degree]."""
    from mintpy import tropo_pyaps3
    from mintpy.utils import readfile, utils0

    for path in arguments:
        meta = readfile.read_attribute(path)
        print("box", tropo_pyaps3.get_bounding_box(meta))  # noqa: T201 - the output is compared
        if "Y_UNIT" in meta:  # the function needs it
            lats, lons = utils0.get_lat_lon(meta)
            print("places", lats.min(), lats.max(), lons.min(), lons.max())  # noqa: T201
