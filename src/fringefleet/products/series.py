"""Displacement at every date."""

from fringefleet.products.base import MOTION_COLOURS, SERIES, MapStyle, Product, ResultVariable

DISPLACEMENT = Product(
    variables={
        "displacement": ResultVariable(
            "f4",
            SERIES,
            {"units": "m", "long_name": "line-of-sight displacement, positive towards the satellite"},
            attrs_of_offsets={
                "range_offset": {"long_name": "displacement in slant range, positive towards the satellite"},
                "azimuth_offset": {"long_name": "displacement in azimuth, with the sign of the offsets"},
            },
            is_rounded=True,
            style=MapStyle(MOTION_COLOURS, "symmetric", "cm"),
        )
    },
    compute=lambda batch: {"displacement": batch.displacement},
)
