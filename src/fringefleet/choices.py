"""Allowed values of all options that take a word."""

from typing import Literal

DeviceName = Literal["cpu", "cuda"]
SolverName = Literal["auto", "compiled", "elimination", "dense", "fused"]
DTypeName = Literal["float32", "float64"]
MaskDataset = Literal[
    "coherence", "connected_component", "offset_snr", "range_offset_std", "azimuth_offset_std"
]
WeightFunction = Literal["var", "fim", "coh", "no"]
Norm = Literal["l2", "l1", "huber"]
GapRule = Literal["minimum-norm", "linear", "none"]
MinimumNorm = Literal["velocity", "phase"]
Existing = Literal["refuse", "resume", "overwrite"]
ReferenceChoice = Literal["stack", "auto"]
Uncertainty = Literal["residual", "covariance", "bootstrap", "none"]
UncertaintyInPass = Literal["residual", "covariance", "none"]
OnError = Literal["stop", "skip"]
LengthUnit = Literal["mm", "cm", "m"]
