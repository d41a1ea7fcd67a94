"""Matrix of the pairs: dates by dates, with the coherence or the residual of each pair."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from fringefleet.arguments.calls import checked_call
from fringefleet.plot.canvas import MATRIX_PAGE, axes_for
from fringefleet.plot.colours import NO_DATA
from fringefleet.plot.options import PictureChoice
from fringefleet.plot.pair_values import Pairs, counts_of, opened_pairs, pair_values
from fringefleet.plot.shown import moment_words

_MOST_TICKS = 8
_NO_VALUE = -1.0  # below all colours


@checked_call
def matrix(
    source: Pairs,
    *,
    yx: tuple[int, int] | None = None,
    lalo: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pairs as a matrix of dates by dates.

    The colour is that of :func:`network`: residual, coherence or time span. Pairs without a value are grey,
    dates that no pair joins are white; the matrix is symmetric. As MintPy's ``plot_coherence_matrix``.

    Parameters
    ----------
    source
        Stack, or result with a table of pairs (``diagnose``); the path of one; or a network.
    yx
        Row and column of a pixel of a stack, whose coherence is drawn.
    lalo
        Its latitude and longitude instead, in degrees on WGS 84.
    ax
        Axes to draw into; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the matrix.

    Raises
    ------
    InputError
        The result has no table of pairs, or there is no coherence at a pixel.
    OptionError
        The pixel is outside of the scene.

    Examples
    --------
    >>> matrix("stack.zarr", yx=(3, 4)).images[0].get_array().shape
    (8, 8)
    """
    found = pair_values(opened_pairs(source), PictureChoice(lalo=lalo, yx=yx))
    network = found.network
    values = np.full((network.n_date, network.n_date), np.nan)
    first, second = network.pair_array.T
    values[first, second] = values[second, first] = np.nan_to_num(found.values, nan=_NO_VALUE)
    panel = axes_for(ax, MATRIX_PAGE)
    colours = colormaps[found.colours].with_extremes(under=NO_DATA)
    image = panel.imshow(values, cmap=colours, norm=found.norm, interpolation="nearest")
    bar = panel.figure.colorbar(image, ax=panel, label=found.label, pad=0.02)
    bar.ax.tick_params(labelsize=8)
    at = np.unique(np.linspace(0, network.n_date - 1, min(_MOST_TICKS, network.n_date)).round().astype(int))
    names = [moment_words(moment) for moment in network.dates]
    panel.set_xticks(at, [names[index] for index in at], rotation=45, ha="right", fontsize=8)
    panel.set_yticks(at, [names[index] for index in at], fontsize=8)
    panel.set_title(counts_of(found), loc="left", fontsize=10)
    return panel
