r"""Simulated scenes with known truth, for the demo, the notebooks, the tests and the benchmarks.

A :class:`Scene` defines size and difficulty; :func:`simulate_stack` streams it to disk tile by tile,
:func:`simulate_dataset` makes a small one in memory. The simulator is independent of the code that it tests:
it subtracts the phases of two dates and uses no design matrix, weight or solver.

The radar's observation at date ``t``, relative to the first date and the reference point, is the
``displacement`` of the truth [m], positive towards the satellite: motion of the ground plus atmospheric
delay, which no network of interferograms can separate,

.. math:: d(t) = \sum_s u_s f_s(t) + a(t).

The motion has two bowls of steady subsidence, one seasonal aquifer and one volcanic source that
starts to inflate half-way; the delay ``a`` is a power-law random field, drawn anew for each date. A
pair (i, j) is then

.. math:: y = -\frac{4\pi}{\lambda} (d_j - d_i) + c + e,

with a constant ``c`` per pair, as left by unwrapping, and decorrelation noise ``e``, Gaussian and
independent, whose variance is the Cramer-Rao bound for coherence ``g`` and ``L`` looks,

.. math:: \sigma^2 = \frac{1 - g^2}{2 L g^2}, \qquad
          g = g_\infty + (g_0 - g_\infty) e^{-|t_j - t_i| / \tau}.

The stored coherence is an estimate of ``g`` with standard deviation ``(1 - g^2) / sqrt(2 L)``. The
reference point carries neither noise nor gaps: its noise would be an error common to all pixels.

Two kinds of errors can be added to a stack. **Unwrapping errors**: some pairs, drawn at random, are one
cycle too high or too low in a disc that does not contain the reference point,

.. math:: y \mathrel{+}= \pm 2\pi \quad \text{where} \quad |p - p_0| < r.

**DEM error**: the height error :math:`\Delta z` of the DEM, a power-law random field [m] that is
zero at the reference point, adds to the phase of each date in proportion to its perpendicular baseline,

.. math:: -\frac{4\pi}{\lambda} \frac{B_\perp}{R \sin\theta} \Delta z.

Slant range ``R`` and incidence angle are those of the middle of the scene at all pixels, derived from the
attributes of the stack for a spherical Earth. The displacement of the truth excludes it.

The truth does not depend on how the scene is cut into tiles. Noise and gaps are drawn per tile, from the
seed and the number of the tile; the tiles are determined by the scene alone, so that the same scene always
yields the same stack.

References
----------
Mogi (1958), Bull. Earthq. Res. Inst. 36, 99-134: the volcanic source.
Rodriguez and Martin (1992), doi:10.1049/ip-f-2.1992.0018: the variance of the phase.
Touzi et al. (1999), doi:10.1109/36.739146: the estimate of the coherence.
Hanssen (2001), doi:10.1007/0-306-47633-9: the spectrum of the delay, section 4.7.
Fattahi and Amelung (2013), doi:10.1109/TGRS.2012.2227761: the phase of a DEM error.
Rocca (2007), doi:10.1109/TGRS.2007.902286: temporal decorrelation.
"""

import lazy_loader

# Imported when first used: the help of the command needs the options only.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
