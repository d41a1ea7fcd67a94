"""Draw the figures of the concept pages with fringefleet itself: ``python docs/figures.py [FOLDER]``."""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Arc

import fringefleet
from fringefleet import plot
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.network.network import Network
from fringefleet.simulate import Scene, simulate_dataset

FOLDER = Path(__file__).with_name("images")
# Okabe and Ito: told apart under the common deficiencies of colour vision, too.
BLACK, ORANGE, YELLOW, BLUE, RED = "#000000", "#E69F00", "#F0E442", "#0072B2", "#D55E00"
MILLIMETRES = 1000.0  # in a metre


def network() -> Figure:
    """Draw a small network with the order of its elimination, and the pattern of its matrix with the fill."""
    scene = Scene(n_date=9, neighbours=2)
    pairs = (*scene.pairs, (1, 6), (2, 8))
    plan = plan_elimination(Network(tuple(scene.dates.astype(str).tolist()), pairs))
    fill = fill_of(plan)
    figure = Figure(figsize=(9.6, 3.7), layout="constrained")
    arcs, matrix = figure.subplots(1, 2, width_ratios=(1.9, 1))
    for ends in (*pairs, *fill):
        is_fill = ends in fill
        middle, width = sum(ends) / 2, abs(ends[1] - ends[0])
        low, high = (180, 360) if is_fill else (0, 180)
        style = {"ls": "--", "color": RED} if is_fill else {"color": BLUE}
        arcs.add_patch(Arc((middle, 0), width, 0.9 * width, theta1=low, theta2=high, lw=1.8, **style))
    for place, date in enumerate(plan.order):
        is_root = date == plan.root
        arcs.plot(date, 0, "o", ms=20, mfc=YELLOW if is_root else "white", mec=BLACK, zorder=3)
        arcs.text(date, -0.02, place + 1, ha="center", va="center", fontsize=11, zorder=4)
    arcs.set(xlim=(-0.7, 8.7), ylim=(-2.3, 3.2), xlabel="date")
    arcs.set_xticks(range(9), [f"{date:%m-%d}" for date in scene.dates.astype("datetime64[D]").tolist()])
    arcs.set_yticks([])
    arcs.spines[["top", "left", "right"]].set_visible(False)
    arcs.set_title(
        f"{len(pairs)} pairs (above), {len(fill)} of fill (below, dashed)", loc="left", fontsize=11
    )
    position = np.argsort(plan.order)
    pattern = np.eye(9)
    for level, edges in ((2, pairs), (3, fill)):
        for i, j in position[np.array(edges)]:
            pattern[i, j] = pattern[j, i] = level
    colours = ListedColormap(["white", "0.7", BLUE, RED])
    matrix.imshow(
        pattern, cmap=colours, norm=BoundaryNorm(np.arange(-0.5, 4), 4), extent=(0.5, 9.5, 9.5, 0.5)
    )
    matrix.set(xticks=range(1, 10), yticks=range(1, 10), xlabel="order of elimination")
    matrix.set_title("normal matrix, in that order", loc="left", fontsize=11)
    return figure


def fill_of(plan: EliminationPlan) -> list[tuple[int, int]]:
    """List the edges that the elimination creates, as indices of dates."""
    edges = {
        tuple(sorted((plan.order[place], plan.order[run.target + index])))
        for place, turn in enumerate(plan.turns)
        for run in turn.neighbours
        for index in range(run.stop - run.start)
    }
    return sorted(edges - {tuple(sorted(pair)) for pair in plan.network.pairs})


def gaps() -> Figure:
    """Draw the series of a pixel whose network is in two parts, by each rule."""
    stack, truth = simulate_dataset(Scene(n_date=16, neighbours=2, shape=(64, 64), noise=0.3))
    middle = truth["date"].values[7]
    joined = (stack["reference_date"] <= middle) & (stack["secondary_date"] > middle)
    parts = stack.isel(pair=~joined.values)
    pixel = {axis: int(at) for axis, at in truth.isel(date=-1).argmin(("y", "x")).items()}
    known = MILLIMETRES * truth.isel(pixel)
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, rule in zip(panels, ("minimum-norm", "linear", "none"), strict=True):
        result = fringefleet.invert(parts, gap_rule=rule).isel(pixel).compute()
        series = MILLIMETRES * result["displacement"]
        filled = result["gap_filled"].values == 1
        panel.plot(known["date"], known, color="0.55", lw=1.5, label="truth")
        panel.plot(series["date"][:8], series[:8], "o", color=BLUE, label="part with the reference date")
        panel.plot(series["date"][8:], series[8:], "s", color=ORANGE, label="the other part")
        at = int(np.flatnonzero(filled)[0]) if filled.any() else 8
        step = series["date"].values[at - 1 : at + 1]
        panel.axvspan(*step, color="0.88", label="no pair observes this step")
        panel.set_title(f"--gap-rule {rule}", loc="left", fontsize=11, family="monospace")
        panel.tick_params(axis="x", rotation=40)
    panels[0].set_ylabel("displacement [mm]")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def status() -> Figure:
    """Draw a scene with bad data, and the status that each pixel gets."""
    stack, _ = simulate_dataset(Scene(n_date=12, neighbours=3, shape=(60, 90)))
    spoiled, middle = spoil(stack), stack["reference_date"].values[len(stack["pair"]) // 2]
    result = fringefleet.invert(spoiled, mask_dataset="coherence", mask_threshold=0.3).compute()
    pair = int(np.flatnonzero(stack["reference_date"].values == middle)[-1])
    figure = Figure(figsize=(11, 2.1), layout="constrained")
    panels = figure.subplots(1, 3)
    plot.map(spoiled["unwrapped_phase"].isel(pair=pair), ax=panels[0])
    plot.map(result, "pair_count", ax=panels[1])
    plot.map(result, "status", ax=panels[2])
    for panel, title in zip(panels, ("One interferogram [rad]", "Pairs used", "Status"), strict=True):
        panel.set_title(title, loc="left", fontsize=11)
        panel.set(xticks=[], yticks=[], xlabel="", ylabel="")
    return figure


def spoil(stack: xr.Dataset) -> xr.Dataset:
    """Take observations away as real data lack them: layover, water, a season of snow, a damaged date."""
    spoiled = stack.copy(deep=True)
    phase, coherence = spoiled["unwrapped_phase"].values, spoiled["coherence"].values
    reference, secondary = spoiled["reference_date"].values, spoiled["secondary_date"].values
    dates = np.unique([reference, secondary])
    phase[:, 5:18, 8:24] = np.nan  # layover: no pair
    coherence[:, 34:56, 60:86] = 0.1  # water: no coherence
    across = (reference < dates[6]) & (secondary >= dates[6])
    phase[across, 5:25, 48:80] = np.nan  # snow: no pair across the winter
    at_one_date = (reference == dates[4]) | (secondary == dates[4])
    phase[at_one_date, 28:50, 22:44] = np.nan  # unwrapping failed at one date
    return spoiled


def pictures() -> Figure:
    """Draw a velocity and its distribution, in axes beside one another."""
    stack, _ = simulate_dataset(Scene(n_date=20, shape=(50, 60), missing=0.05))
    maps = fringefleet.velocity(fringefleet.invert(stack)).compute()
    figure = Figure(figsize=(9.2, 3.3), layout="constrained")
    panels = figure.subplots(1, 2)
    plot.map(maps, "velocity", ax=panels[0])
    plot.histogram(maps, "velocity", ax=panels[1])
    return figure


def uncertainty() -> Figure:
    """Draw the standard deviation of each date beside the error that it should describe."""
    scene = Scene(n_date=24, neighbours=3, shape=(96, 96))
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    cases = (("decorrelation only", scene), ("5 % of pairs a cycle off", wrong(scene)))
    for panel, (title, case) in zip(panels, cases, strict=True):
        stack, truth = simulate_dataset(case)
        result = fringefleet.invert(stack, std=True).compute()
        error = MILLIMETRES * (result["displacement"] - truth)
        panel.plot(error["date"], np.sqrt((error**2).mean(("y", "x"))), "o", color=ORANGE, label="RMS error")
        std = MILLIMETRES * np.sqrt((result["displacement_std"] ** 2).mean(("y", "x")))
        panel.plot(std["date"], std, color=BLUE, label="displacement_std")
        panel.set_title(title, loc="left", fontsize=11)
        panel.tick_params(axis="x", rotation=40)
    panels[0].set_ylabel("[mm]")
    panels[0].legend(loc="upper left")
    return figure


def wrong(scene: Scene) -> Scene:
    """Give the same scene with unwrapping errors."""
    return Scene(n_date=scene.n_date, neighbours=scene.neighbours, shape=scene.shape, unwrapping_errors=0.05)


FIGURES: dict[str, Callable[[], Figure]] = {
    "network.svg": network,
    "gaps.svg": gaps,
    "pictures.png": pictures,
    "status.png": status,
    "uncertainty.svg": uncertainty,
}


def draw(folder: Path) -> None:
    """Draw all figures into a folder; the same bytes each time."""
    with mpl.rc_context({"svg.hashsalt": "fringefleet", "font.size": 10, "svg.fonttype": "none"}):
        for name, make in FIGURES.items():
            metadata = {"Date": None} if name.endswith("svg") else None
            make().savefig(folder / name, dpi=110, metadata=metadata, facecolor="white")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
