"""Phases and weights of raw observations: referenced, masked, weighed.

What counts as an observation follows MintPy (``ifgram_inversion.mask_stack_obs``,
``ifgram_inversion.run_ifgram_inversion_patch``): a phase of exactly 0 is no data, before and after the
reference phase is subtracted; masked pairs are no data. Beyond MintPy, so is an infinite phase. An offset of
exactly 0 is data, and stays 0 when its pair is referenced.
"""

from functools import cached_property

import torch
from torch import Tensor

from fringefleet.feed import RawBatch
from fringefleet.masks import RELAXATION, keep_by_std, keep_by_value
from fringefleet.observation import STD_MASKS
from fringefleet.options import Options
from fringefleet.scene import Scene
from fringefleet.solver.raw import MaskRule, Raw, Rules, WeightRule
from fringefleet.weights import coherence_to_weight, offset_weight, weight_table


class Weighing:
    """How the observations of a scene become phases and weights.

    Parameters
    ----------
    scene, options
        Reference values, looks and medians; what is inverted, weights and masks.
    dtype, device
        Of phases and weights.
    """

    def __init__(self, scene: Scene, options: Options, dtype: torch.dtype, device: torch.device) -> None:
        self.options, self.dtype, self.device = options, dtype, device
        self.looks = max(1, scene.looks)
        self.reference = torch.tensor(scene.reference_values, dtype=dtype, device=device)[:, None]
        self.medians = torch.tensor(scene.medians, dtype=torch.float32, device=device)[:, None]

    def prepare(self, raw: RawBatch, rows: slice, phase: Tensor, weight: Tensor) -> None:
        """Reference the observations of some pairs and weigh them; weight zero where there is none.

        Parameters
        ----------
        raw
            Observations.
        rows
            The pairs.
        phase, weight
            Theirs, (pair, pixel), to be written.
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
            weight.mul_(self._keep(self._mask_values(raw)[rows], rows, phase))
        if self.options.needs_std and raw.observed_std is not None:
            weight.mul_(offset_weight(raw.observed_std[rows].to(self.dtype)))
        elif self.options.weight_func != "no" and raw.coherence is not None:
            coherence = raw.coherence[rows].to(self.dtype)
            weight.mul_(coherence_to_weight(coherence, self.options.weight_func, self.looks))
        if raw.water_mask is not None:
            weight.mul_(raw.water_mask[0])

    def prepare_pixels(self, raw: RawBatch, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Give phase and weight of the pixels with some numbers, (pair, pixel)."""
        some = RawBatch._make(None if values is None else values[:, pixels] for values in raw)
        phase, weight = torch.empty((2, *some.observed.shape), dtype=self.dtype, device=self.device)
        self.prepare(some, slice(None), phase, weight)
        return phase, weight

    def for_kernel(self, batch: RawBatch) -> tuple[Raw, Rules]:
        """Give the observations of a batch and the rules of :meth:`prepare` to a kernel."""
        rules = self._rules
        beside = batch.observed_std if rules.weight == "offset" else batch.coherence
        if beside is None or rules.weight == "none":
            beside, rules = None, rules._replace(weight="none")
        mask = None if self.options.mask_dataset is None else self._mask_values(batch)
        land = None if batch.water_mask is None else batch.water_mask[0]
        return Raw(batch.observed, beside, mask, land), rules

    @cached_property
    def _rules(self) -> Rules:
        function = self.options.weight_func
        weight: WeightRule = "none" if function == "no" else "offset" if self.options.needs_std else function
        table = None
        if weight == "var":
            table = weight_table(self.looks)
        elif weight == "fim":
            table = torch.tensor([2.0 * self.looks])
        return Rules(
            weight=weight,
            mask=self._mask_rule,
            is_offset=self.options.is_offset,
            reference=self.reference[:, 0],
            table=None if table is None else table.to(device=self.device, dtype=self.dtype),
            limits=torch.tensor(
                [self.options.mask_threshold, RELAXATION * self.options.mask_threshold],
                dtype=torch.float64,
                device=self.device,
            ),
            medians=self.medians[:, 0],
        )

    @property
    def _mask_rule(self) -> MaskRule:
        dataset = self.options.mask_dataset
        if dataset is None:
            return "none"
        if dataset in STD_MASKS:
            return "std"
        return "positive" if dataset == "connected_component" else "at least"

    def _mask_values(self, raw: RawBatch) -> Tensor:
        options, dataset = self.options, self.options.mask_dataset
        values = raw.mask_values
        if dataset == "coherence":
            values = raw.coherence
        elif not options.reads_mask:
            values = raw.observed_std
        if dataset is None or values is None:
            raise ValueError(f"the block has no {dataset}")
        return values

    def _keep(self, values: Tensor, rows: slice, phase: Tensor) -> Tensor:
        """Tell which observations the mask keeps."""
        dataset, threshold = self.options.mask_dataset, self.options.mask_threshold
        if dataset is not None and dataset not in STD_MASKS:
            return keep_by_value(values, dataset, threshold)
        return keep_by_std(values, phase.to(torch.float32), self.medians[rows], threshold)
