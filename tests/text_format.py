"""Output format of a test, written as the module of a new one is: a line of text for each pixel and date."""

from pathlib import Path

from fringefleet.io.writers.base import Progress, Writer
from fringefleet.io.writers.files import FileFormat, plan_files, write_files
from fringefleet.io.writers.selected import date_names_of
from fringefleet.io.writers.targets import PlannedFiles

TEXT = Writer("text", "y, x, date and value of each pixel that has one.", ".txt", "text_format")


def plan_result(selected, target: Path) -> PlannedFiles:
    return plan_files(selected, target, FileFormat(TEXT.suffix, write_file))


def write_result(selected, target: Path, progress: Progress) -> None:
    write_files(selected, target, FileFormat(TEXT.suffix, write_file), progress)


def write_file(selected, names, path, progress):
    with path.open("w") as file:
        file.write("y,x,date,value\n")
        for place, tile in selected.tiles(names, progress):
            values = tile[names[0]].transpose("y", "x", "date").values
            for (i, j, k), value in ((at, values[at]) for at in zip(*values.nonzero(), strict=True)):
                if value == value:
                    dates = date_names_of(selected.result)
                    at = place["y"].start + i, place["x"].start + j, dates[place["date"].start + k]
                    file.write(f"{at[0]},{at[1]},{at[2]},{value:.6g}\n")
