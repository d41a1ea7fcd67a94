"""Phases and weights from raw observations: referenced, masked, weighed.

What counts as an observation follows MintPy (``ifgram_inversion.mask_stack_obs``,
``ifgram_inversion.run_ifgram_inversion_patch``): a phase of exactly 0 is missing, before and after the
reference phase is subtracted; masked pairs are missing. Beyond MintPy, so is an infinite phase. An offset of
exactly 0 is valid, and stays 0 when its pair is referenced.
"""

from functools import cached_property

import torch
from torch import Tensor

from fringefleet.engine.context import InversionContext
from fringefleet.engine.rules import given_to_kernel, mask_values, rules_of
from fringefleet.engine.transfer import RawBatch
from fringefleet.observation.masks import keep_by_std, keep_by_value
from fringefleet.observation.quantity import STD_MASKS
from fringefleet.observation.weights import coherence_to_weight, offset_weight
from fringefleet.options import Options
from fringefleet.solver.raw import Raw, Rules


class Weighing:
    """Conversion of the observations of a scene into phases and weights.

    Parameters
    ----------
    scene, options
        Reference values, looks and medians; observation, weights and masks.
    dtype, device
        Dtype and device of phases and weights.
    """

    def __init__(
        self, scene: InversionContext, options: Options, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.scene, self.options, self.dtype, self.device = scene, options, dtype, device
        self.looks = max(1, scene.looks)
        self.reference = torch.tensor(scene.reference_values, dtype=dtype, device=device)[:, None]
        self.medians = torch.tensor(scene.medians, dtype=torch.float32, device=device)[:, None]

    def prepare(self, raw: RawBatch, rows: slice, phase: Tensor, weight: Tensor) -> None:
        """Reference and weigh the observations of some pairs; the weight is zero where they are missing.

        Parameters
        ----------
        raw
            Observations.
        rows
            Pairs to prepare.
        phase, weight
            Arrays (pair, pixel) of these pairs, written in place.
        """
        observed = raw.observed[rows].to(self.dtype)
        torch.sub(observed, self.reference[rows], out=phase)
        if self.options.is_offset:
            phase.mul_(torch.sign(observed).abs_())
            weight.fill_(1)
        else:
            torch.mul(observed, phase, out=weight)
            weight.sign_().abs_()  # 0 where the phase is exactly 0 before or after
        if self.options.mask_dataset is not None:
            weight.mul_(self._keep(mask_values(raw, self.options)[rows], rows, phase))
        if self.options.needs_std and raw.observed_std is not None:
            weight.mul_(offset_weight(raw.observed_std[rows].to(self.dtype)))
        elif self.options.weight_func != "no" and raw.coherence is not None:
            coherence = raw.coherence[rows].to(self.dtype)
            weight.mul_(coherence_to_weight(coherence, self.options.weight_func, self.looks))
        if raw.water_mask is not None:
            weight.mul_(raw.water_mask[0])

    def prepare_pixels(self, raw: RawBatch, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return phase and weight of the pixels with the given indices, (pair, pixel)."""
        some = RawBatch._make(None if values is None else values[:, pixels] for values in raw)
        phase, weight = torch.empty((2, *some.observed.shape), dtype=self.dtype, device=self.device)
        self.prepare(some, slice(None), phase, weight)
        return phase, weight

    def for_kernel(self, batch: RawBatch) -> tuple[Raw, Rules]:
        """Return the observations of a batch and the rules of :meth:`prepare` for a kernel."""
        return given_to_kernel(batch, self._rules, self.options)

    @cached_property
    def _rules(self) -> Rules:
        """Rules with arrays that are on the device already."""
        rules = rules_of(self.scene, self.options)
        table = None
        if rules.table is not None:
            table = torch.as_tensor(rules.table, dtype=self.dtype, device=self.device)
        return rules._replace(
            reference=self.reference[:, 0],
            table=table,
            limits=torch.as_tensor(rules.limits, device=self.device),
            medians=self.medians[:, 0],
        )

    def _keep(self, values: Tensor, rows: slice, phase: Tensor) -> Tensor:
        """Return which observations the mask keeps."""
        dataset, threshold = self.options.mask_dataset, self.options.mask_threshold
        if dataset is not None and dataset not in STD_MASKS:
            return keep_by_value(values, dataset, threshold)
        return keep_by_std(values, phase.to(torch.float32), self.medians[rows], threshold)
