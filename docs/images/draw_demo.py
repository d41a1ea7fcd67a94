"""Draw the picture of README from what the demo wrote: python docs/images/draw_demo.py DEMO PICTURE.png."""

import sys
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from fringefleet import plot
from fringefleet.plot.canvas import save

COLOURS = ("#b2182b", "#2166ac")  # of the pixels that moved away and towards, as on the map


def draw_demo(demo: Path, picture: Path) -> None:
    """Draw the displacement at the last date, and the series of its extremes beside the truth.

    Parameters
    ----------
    demo
        Folder that ``fringefleet demo`` wrote.
    picture
        PNG file to write.
    """
    with xr.open_zarr(demo / "result.zarr", chunks=None) as opened:
        result = opened.load()
    with xr.open_zarr(demo / "stack_truth.zarr", chunks=None) as opened:
        truth = opened["displacement"].load()
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    place, course = figure.subplots(1, 2, width_ratios=(1, 1.5))
    course.set_prop_cycle(color=COLOURS)
    plot.map(result, "displacement", ax=place)
    last = result["displacement"].isel(date=-1)
    for extreme, colour in zip((last.argmin(("y", "x")), last.argmax(("y", "x"))), COLOURS, strict=True):
        row, column = int(extreme["y"]), int(extreme["x"])
        plot.series(result, yx=(row, column), truth=truth, ax=course)
        place.plot(result["x"][column], result["y"][row], "o", ms=7, mfc=colour, mec="white")
    course.set_title("Series of the two marked pixels, and the truth as lines", loc="left", fontsize=10)
    save(figure, picture)


if __name__ == "__main__":
    draw_demo(Path(sys.argv[1]), Path(sys.argv[2]))
