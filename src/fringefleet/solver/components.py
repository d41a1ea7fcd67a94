"""Connected components of the network at each pixel, from its valid pairs."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def label_parts(
    ends: Int[Tensor, "pair 2"], valid: Bool[Tensor, "pair pixel"], n_date: int, root: int
) -> Int[Tensor, "date pixel"]:
    """Number the connected components of each pixel from 0, that of the root first.

    Every date takes the smallest number among itself and its neighbours, then that date's own number
    (pointer jumping), until nothing changes: about log(dates) rounds.

    Parameters
    ----------
    ends
        The two dates of each pair.
    valid
        Whether a pair is valid at a pixel.
    n_date, root
        Number of dates; the date whose component is number 0.
    """
    dates = torch.arange(n_date, device=ends.device)
    rank = torch.where(dates < root, dates + 1, torch.where(dates == root, 0, dates))  # root first
    first, second = rank[ends].unbind(1)
    labels = dates[:, None].repeat(1, valid.shape[1])
    while True:
        lowest = torch.minimum(labels[first], labels[second]).masked_fill(~valid, n_date)
        merged = labels
        for end in (first, second):
            merged = merged.scatter_reduce(0, end[:, None].expand_as(lowest), lowest, "amin")
        merged = merged.gather(0, merged)
        if torch.equal(merged, labels):
            break
        labels = merged
    number = (labels == dates[:, None]).cumsum(0) - 1
    return number.gather(0, labels)[rank]
