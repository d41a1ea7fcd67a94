"""Status of a pixel, the parts that its network is cut into, and the gaps that a rule fills."""

from collections.abc import Mapping
from typing import Any

from fringefleet.products.base import MAP, SERIES, Product, ResultVariable, SolvedBatch
from fringefleet.status import Status

_MOST_COMPONENTS = 255  # the largest number that the result's uint8 holds


def _components_to_keep(batch: SolvedBatch) -> Any:
    """Give the numbers of parts as they are stored: at most what a byte holds, 0 where a pixel is masked."""
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
            {"units": "1", "long_name": "number of connected parts of the network"},
            is_set_everywhere=True,
            at_reference=lambda _: 1,
        ),
        "status": ResultVariable(
            "u1",
            MAP,
            {
                "long_name": "why there is, or is no, answer",
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
                "long_name": "whether the step from the date before follows from a rule, "
                "not from observations",
                "flag_values": [0, 1],
                "flag_meanings": "observed gap_filled",
            },
        ),
    },
    compute=_compute,
)
