"""Draw the picture of README from what the demo wrote: python docs/images/draw_demo.py DEMO PICTURE.png."""

import sys
from pathlib import Path

import xarray as xr
from fringefleet.products.colour_limits import symmetric
from matplotlib.figure import Figure

from fringefleet.plot.canvas import draw_map, format_dates, save

CENTIMETRES = 100.0  # in a metre
COLOURS = ("#b2182b", "#2166ac")  # of the pixels that moved away and towards


def draw_demo(demo: Path, picture: Path) -> None:
    """Draw the displacement at the last date, and the series of its extremes beside the truth.

    Parameters
    ----------
    demo
        Folder that ``fringefleet demo`` wrote.
    picture
        PNG file to write.
    """
    with xr.open_zarr(demo / "result.zarr", chunks=None) as result:
        series = CENTIMETRES * result["displacement"].load()
    with xr.open_zarr(demo / "stack_truth.zarr", chunks=None) as known:
        truth = CENTIMETRES * known["displacement"].load()
    last = series.isel(date=-1, drop=True)
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    place, course = figure.subplots(1, 2, width_ratios=(1, 1.5))
    draw_map(place, last, "Displacement at the last date", "cm", cmap="RdBu", **symmetric(last.values))
    row, column = result.attrs["reference_point"]
    extremes = last.argmin(("y", "x")), last.argmax(("y", "x"))
    for pixel, colour in zip(extremes, COLOURS, strict=True):
        moved = series.isel(pixel)
        expected = truth.isel(pixel) - truth.isel(y=row, x=column).values
        course.plot(truth["date"], expected - expected[0].values, color="0.25", lw=1.2)
        course.plot(moved["date"], moved, "o", ms=5, color=colour)
        place.plot(moved["x"], moved["y"], "o", ms=7, mfc=colour, mec="white")
    course.set_title("Series of the two marked pixels, and the truth as lines", loc="left", fontsize=11)
    course.set_ylabel("Displacement [cm]")
    format_dates(course)
    save(figure, picture)


if __name__ == "__main__":
    draw_demo(Path(sys.argv[1]), Path(sys.argv[2]))
