"""Rules by which a kernel turns raw observations into phases and weights, from a scene and its options."""

from dataclasses import fields
from typing import Any, Protocol

import numpy as np

from fringefleet.engine.context import InversionContext
from fringefleet.observation.quantity import RELAXATION, STD_MASKS
from fringefleet.observation.weight_tables import phase_variance_table
from fringefleet.options import Options
from fringefleet.solver.config import Method
from fringefleet.solver.raw import MaskRule, Raw, Rules, WeightRule


class Observed(Protocol):
    """Observations of some pixels, as arrays or tensors of (pair, pixel); None where absent."""

    @property
    def observed(self) -> Any:
        """Phases [rad], or offsets [pixel]."""

    @property
    def coherence(self) -> Any:
        """Coherences."""

    @property
    def mask_values(self) -> Any:
        """Values of the mask dataset."""

    @property
    def water_mask(self) -> Any:
        """Pixels to invert, (1, pixel)."""

    @property
    def observed_std(self) -> Any:
        """Standard deviations of offsets [pixel]."""


def rules_of(scene: InversionContext, options: Options) -> Rules:
    """Return the rules shared by all pixels, as arrays in float64; medians in float32.

    Parameters
    ----------
    scene, options
        Reference values, looks and medians; observation, weights and masks.
    """
    function, looks = options.weight_func, max(1, scene.looks)
    weight: WeightRule = "none" if function == "no" else "offset" if options.needs_std else function
    table = None
    if weight == "var":
        table = 1 / phase_variance_table(looks)
    elif weight == "fim":
        table = np.array([2.0 * looks])
    return Rules(
        weight=weight,
        mask=_mask_rule(options),
        is_offset=options.is_offset,
        reference=np.array(scene.reference_values, np.float64),
        table=table,
        limits=np.array([options.mask_threshold, RELAXATION * options.mask_threshold]),
        medians=np.array(scene.medians, np.float32),
    )


def given_to_kernel(batch: Observed, rules: Rules, options: Options) -> tuple[Raw, Rules]:
    """Return the observations of a batch that a kernel needs, and the rules for them."""
    beside = batch.observed_std if rules.weight == "offset" else batch.coherence
    if beside is None or rules.weight == "none":
        beside, rules = None, rules._replace(weight="none")
    mask = None if options.mask_dataset is None else mask_values(batch, options)
    land = None if batch.water_mask is None else batch.water_mask[0]
    return Raw(batch.observed, beside, mask, land), rules


def mask_values(batch: Observed, options: Options) -> Any:
    """Return the values that the mask examines, (pair, pixel).

    Raises
    ------
    ValueError
        The block has none.
    """
    values = batch.mask_values
    if options.mask_dataset == "coherence":
        values = batch.coherence
    elif not options.reads_mask:
        values = batch.observed_std
    if options.mask_dataset is None or values is None:
        raise ValueError(f"the block has no {options.mask_dataset}")
    return values


def _mask_rule(options: Options) -> MaskRule:
    if options.mask_dataset is None:
        return "none"
    if options.mask_dataset in STD_MASKS:
        return "std"
    return "positive" if options.mask_dataset == "connected_component" else "at least"


def method_of(options: Options, columns: Any = None) -> Method:
    """Return the configuration of a solver: the options that it has under the same name.

    Parameters
    ----------
    options
        Options of the inversion.
    columns
        Columns of the temporal model for the DEM error, as a tensor (date, column); None without.
    """
    names = [field.name for field in fields(Method) if hasattr(options, field.name)]
    given = {name: getattr(options, name) for name in names}
    for name in ("huber_threshold", "min_redundancy"):
        given[name] = float(given[name])  # an int would trigger another compilation
    return Method(**given, unweighted=options.weight_func == "no", columns=columns)
