"""Status of a pixel, the number of components of its network, and the dates whose increment is gap-filled."""

from collections.abc import Mapping
from typing import Any

from fringefleet.products.base import MAP, SERIES, Product, ResultVariable, SolvedBatch
from fringefleet.status import Status

_MOST_COMPONENTS = 255  # the largest number that the result's uint8 holds


def _components_to_keep(batch: SolvedBatch) -> Any:
    """Return the component counts as stored: at most what a byte holds, 0 where a pixel is masked."""
    few = 1 * batch.n_components
    few[few > _MOST_COMPONENTS] = _MOST_COMPONENTS
    few[batch.status == int(Status.MASKED)] = 0
    return few


def _compute(batch: SolvedBatch) -> Mapping[str, Any]:
    return {
        "n_components": _components_to_keep(batch),
        "status": batch.status,
        "gap_filled": batch.gap_filled,
    }


PIXEL_STATUS = Product(
    variables={
        "n_components": ResultVariable(
            "u1",
            MAP,
            {"units": "1", "long_name": "number of connected components of the network"},
            is_set_everywhere=True,
            at_reference=lambda _: 1,
        ),
        "status": ResultVariable(
            "u1",
            MAP,
            {
                "long_name": "pixel status",
                "flag_values": [int(status) for status in Status],
                "flag_meanings": Status.meanings(),
            },
            is_set_everywhere=True,
            at_reference=lambda _: Status.REFERENCE_POINT,
        ),
        "gap_filled": ResultVariable(
            "u1",
            SERIES,
            {
                "long_name": "displacement increment since the previous date is gap-filled, not observed",
                "flag_values": [0, 1],
                "flag_meanings": "observed gap_filled",
            },
        ),
    },
    compute=_compute,
)
