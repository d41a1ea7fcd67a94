"""Output format of a test, written as the module of a new one is: a line of text for each pixel and date."""

from pathlib import Path

import xarray as xr

from fringefleet.io.mintpy.attributes import date_names
from fringefleet.io.store.atomic_files import staged_files
from fringefleet.io.writers.base import Progress, Writer
from fringefleet.io.writers.targets import folder_for
from fringefleet.io.writers.tiles import ResultTiles

CSV = Writer("csv", "y, x, date and displacement of each pixel that has one.", ".csv", "csv_format")


def write_result(result: xr.Dataset, target: Path, progress: Progress) -> list[Path]:
    dates = date_names(result)
    n_byte = 64 * result["displacement"].size
    with (
        folder_for(target.parent, [target], n_byte),
        staged_files([target]) as (part,),
        part.open("w") as file,
    ):
        file.write("y,x,date,displacement\n")
        for place, tile in ResultTiles(result, ["displacement"], progress):
            series = tile["displacement"].transpose("y", "x", "date").values
            for (i, j, k), value in ((at, series[at]) for at in zip(*series.nonzero(), strict=True)):
                if value == value:
                    at = place["y"].start + i, place["x"].start + j, dates[place["date"].start + k]
                    file.write(f"{at[0]},{at[1]},{at[2]},{value:.6g}\n")
    return [target]
