r"""Weights of the observations from their coherence.

Least squares requires the inverse of the phase variance. It is derived from coherence in one of four ways,
named as in MintPy; :math:`\gamma` is the coherence, :math:`L` the number of looks:

- ``var``: :math:`w = 1/\sigma^2(\gamma, L)`, the variance of the multilooked phase of distributed
  scatterers, from a table of 200 coherences
  (:func:`fringefleet.observation.weight_tables.phase_variance_table`);
- ``fim``: :math:`w = 2 L \gamma^2 / (1 - \gamma^2)`, its Cramér-Rao bound (Fisher information);
- ``coh``: :math:`w = \gamma`;
- ``no``: :math:`w = 1`.

A coherence that is NaN or below 0.05 counts as 0.05. Offsets have a standard deviation instead of a
coherence, and ``var`` is the inverse of its square. No function here drops an observation; masks do
that. The result is the weight, not its square root.

References
----------
Tough, Blacknell & Quegan (1995), doi:10.1098/rspa.1995.0068. Hanssen (2001), Radar Interferometry,
eq. 4.2.32. MintPy: ``decorrelation.coherence2phase_variance``, ``coherence2fisher_info_index``.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from fringefleet.choices import WeightFunction
from fringefleet.errors import OptionError
from fringefleet.observation.weight_tables import (
    BIN_WIDTH,
    COHERENCE_FLOOR,
    FIRST_BIN_CENTRE,
    LARGEST_INFORMATION,
    LARGEST_STD,
    LAST_BIN_CENTRE,
    SMALLEST_STD,
    UNKNOWN_STD,
    check_looks,
    phase_variance_table,
)


def coherence_to_weight(
    coherence: Float[Tensor, "pair pixel"], function: WeightFunction, looks: int
) -> Float[Tensor, "pair pixel"]:
    """Compute the weight of every observation by the named function of its coherence.

    Parameters
    ----------
    coherence
        Coherence [1]; NaN and values below 0.05 count as 0.05.
    function
        ``var``, ``fim``, ``coh`` or ``no``, as described in the module docstring.
    looks
        Number of looks, at least 1; ignored by ``coh`` and ``no``.

    Returns
    -------
    Tensor
        Weight in the dtype and on the device of ``coherence``, finite and positive.

    Examples
    --------
    >>> coherence_to_weight(torch.tensor([[0.5, float("nan")]]), "coh", 1)
    tensor([[0.5000, 0.0500]])
    """
    match function:
        case "var":
            table = _weight_table_on(looks, coherence.dtype, coherence.device)
            return phase_variance_weight(coherence, table)
        case "fim":
            return fisher_information_weight(coherence, looks)
        case "coh":
            return coherence_weight(coherence)
        case "no":
            return torch.ones_like(coherence)
    raise OptionError(f"found weight function {function!r}; use one of var, fim, coh, no.")


def phase_variance_weight(
    coherence: Float[Tensor, "pair pixel"], table: Float[Tensor, "bin"]
) -> Float[Tensor, "pair pixel"]:
    """Compute the inverse phase variance [rad^-2] of the table bin that the coherence falls in.

    Parameters
    ----------
    coherence
        Coherence [1]; NaN and values below 0.05 count as 0.05.
    table
        :func:`weight_table` of the number of looks, preferably on the device of ``coherence``.

    Notes
    -----
    As in MintPy, a coherence takes the value of the bin centre at or below it, without interpolation:
    bin ``trunc((coherence - 0.0025) / 0.005)``, evaluated in float64. Even where a device divides by
    multiplying with the reciprocal (CUDA), every float32 coherence falls in the same bin.
    """
    clipped = _floored(coherence).clamp_(max=LAST_BIN_CENTRE).double()
    index = clipped.sub_(FIRST_BIN_CENTRE).div_(BIN_WIDTH).to(torch.int32)
    return table.to(coherence).index_select(0, index.flatten()).view_as(index)


def fisher_information_weight(
    coherence: Float[Tensor, "pair pixel"], looks: int
) -> Float[Tensor, "pair pixel"]:
    """Compute the Fisher information of the phase [rad^-2], ``2 L g^2 / (1 - g^2)``.

    A coherence above 0.999 counts as 0.999. ``looks`` has no upper limit.
    """
    check_looks(looks)
    g = _floored(coherence).clamp_(max=1.0)
    # (1 - g)(1 + g) is exact to the last digits in float32 near g = 1, where 1 - g^2 is not.
    information = g.square().div_((1 - g).mul_(1 + g)).clamp_(max=LARGEST_INFORMATION)
    return information.mul_(2.0 * looks)


def coherence_weight(coherence: Float[Tensor, "pair pixel"]) -> Float[Tensor, "pair pixel"]:
    """Return the coherence as weight; NaN and values below 0.05 count as 0.05, those above 1 as 1."""
    return _floored(coherence).clamp_(max=1.0)


def offset_weight(std: Float[Tensor, "pair pixel"]) -> Float[Tensor, "pair pixel"]:
    """Compute the inverse variance [pixel^-2] of an offset.

    Parameters
    ----------
    std
        Standard deviation [pixel]; below 0.005 it counts as 0.005, NaN as 100.

    Notes
    -----
    MintPy: ``ifgram_inversion.run_ifgram_inversion_patch``.

    Examples
    --------
    >>> offset_weight(torch.tensor([[0.1, 0.0, float("nan")]]))
    tensor([[1.0000e+02, 4.0000e+04, 1.0000e-04]])
    """
    known = std.nan_to_num(nan=UNKNOWN_STD, posinf=LARGEST_STD).clamp_(SMALLEST_STD, LARGEST_STD)
    return known.square_().reciprocal_()


def weight_table(looks: int) -> Float[Tensor, "bin"]:
    """Tabulate the weight ``1 / phase_variance_table(looks)`` [rad^-2] in float64 on the CPU."""
    return torch.from_numpy(1 / phase_variance_table(looks))


@lru_cache(maxsize=16)
def _weight_table_on(looks: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "bin"]:
    """Return the table, cached on its device, so that no block waits for the transfer of a kilobyte."""
    return weight_table(looks).to(device=device, dtype=dtype)


def _floored(coherence: Float[Tensor, "pair pixel"]) -> Float[Tensor, "pair pixel"]:
    return coherence.nan_to_num(nan=COHERENCE_FLOOR).clamp_(min=COHERENCE_FLOOR)
