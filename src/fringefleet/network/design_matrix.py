r"""Dense design matrices of a network: the problem that the elimination solver solves, written out.

A pair :math:`k = (i, j)` measures :math:`y_k = \varphi_j - \varphi_i`, the reference date minus and
the secondary date plus. Two sets of unknowns describe it:

- the phase at every date but one, the anchor, where it is zero: :math:`y = A \varphi`, with
  :math:`A_{kj} = +1`, :math:`A_{ki} = -1`;
- the velocity in every interval between neighbouring dates: :math:`y = B v`, with
  :math:`B_{kn} = +\Delta t_n` [year] for the intervals from i to j, :math:`-\Delta t_n` if j is the
  earlier date. Then :math:`\varphi_0 = 0`, :math:`\varphi_{n+1} = \varphi_n + v_n \Delta t_n`.

On a connected network both yield the same series. On a disconnected one they differ in the quantity
whose norm is minimum. The dense solver, the tests and the small systems per network use these matrices.

References
----------
Berardino et al. (2002), doi:10.1109/TGRS.2002.803792. MintPy:
``ifgramStack.get_design_matrix4timeseries``.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from fringefleet.network.network import Network


def phase_design_matrix(network: Network) -> Float64[np.ndarray, "pair epoch"]:
    """Return the design matrix of phases at the dates: -1 for the reference date, +1 for the secondary.

    Returns
    -------
    ndarray
        One column per date in ascending order, except ``network.anchor``.

    Examples
    --------
    >>> dates = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    >>> phase_design_matrix(Network(dates, ((0, 1), (0, 2), (1, 2))))
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  1.]])
    """
    rows = np.arange(network.n_pair)
    incidence = np.zeros((network.n_pair, network.n_date))
    incidence[rows, network.pair_array[:, 0]] = -1
    incidence[rows, network.pair_array[:, 1]] = 1
    return np.delete(incidence, network.anchor, axis=1)


def velocity_design_matrix(network: Network) -> Float64[np.ndarray, "pair interval"]:
    """Return the design matrix of velocities, with the durations [year] of the intervals each pair spans.

    Examples
    --------
    >>> dates = ("2018-01-01T00:00:00", "2019-01-01T06:00:00", "2021-01-01T06:00:00")
    >>> velocity_design_matrix(Network(dates, ((0, 1), (0, 2), (2, 1)))).round(3)
    array([[ 1.   ,  0.   ],
           [ 1.   ,  2.001],
           [ 0.   , -2.001]])
    """
    interval = np.arange(network.n_date - 1)
    first, second = network.pair_array.T[:, :, None]
    spanned = (np.minimum(first, second) <= interval) & (interval < np.maximum(first, second))
    signed: Float64[np.ndarray, "pair interval"] = np.sign(second - first) * spanned * np.diff(network.years)
    return signed


def date_baselines(
    network: Network, pair_baseline: Float[np.ndarray, " pair"]
) -> Float32[np.ndarray, " date"]:
    """Compute the perpendicular baseline [m] of every date from those of the pairs.

    Parameters
    ----------
    network
        Dates and pairs.
    pair_baseline
        Perpendicular baseline of every pair [m], secondary minus reference date. Pairs with a NaN or
        infinite baseline are excluded.

    Returns
    -------
    ndarray
        Least-squares baselines, zero at the first date; float32 as in MintPy. Dates that no pair with a
        finite baseline connects to the others get those of minimum norm: an isolated date gets the baseline
        of ``network.anchor``.

    Notes
    -----
    MintPy leaves the columns of a single-reference network in the wrong order if its common date is not
    the first; here every baseline stays with its date.

    Examples
    --------
    >>> dates = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    >>> date_baselines(Network(dates, ((1, 0), (1, 2))), np.array([-30.0, 20.0]))
    array([ 0., 30., 50.], dtype=float32)
    """
    known = np.isfinite(pair_baseline)
    design = phase_design_matrix(network)[known]
    epochs = np.linalg.lstsq(design, pair_baseline[known].astype(np.float64), rcond=None)[0]
    baseline = np.insert(epochs, network.anchor, 0.0)
    relative: Float32[np.ndarray, " date"] = (baseline - baseline[0]).astype(np.float32)
    return relative
