"""Bytes that the fused kernel moves for each pixel, from its tables; a test counts them as they happen.

All numbers of the solver are float32, sums float64. Tables and the table of weights, a few kilobytes that all
pixels share, are not counted.
"""

from typing import NamedTuple

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.tables import tables_of

FOUR, EIGHT = 4, 8
SUMS, COUNTS = 4, 4
# The first form (until 59252e5): passes of torch over (pair, pixel) arrays to reference and weigh by phase
# variance (subtract, multiply, sign, abs; NaN, floor, cap, to float64, subtract, divide, to int32, look up,
# multiply), then a kernel that added to what it had stored, counted in Triton's interpreter, with what was
# cleared before (edges, sums) and put in order after it (the series).
FIRST_PREPARATION = (12 + 12 + 8 + 8) + (8 + 8 + 8 + 12 + 16 + 16 + 12 + 12 + 12)
FIRST_OF_PAIR, FIRST_OF_SLOT, FIRST_OF_UPDATE, FIRST_OF_DATE = 48 + 32 + 16, 68 + 4, 12, 88 + 12 + 8


class Sizes(NamedTuple):
    """What the bytes depend on."""

    n_date: int
    n_pair: int
    n_slot: int
    n_update: int
    n_run: int  # updates with one factor, one after the other
    root_pairs: int
    root_slots: int
    is_anchor: bool  # the root's pairs need not be counted


def sizes_of(plan: EliminationPlan) -> Sizes:
    tables = tables_of(plan)
    n_turn = len(plan.turns)
    _, _, (earlier, last_earlier), (tied, last_tied) = tables.firsts[n_turn : n_turn + 2].T
    return Sizes(
        n_date=len(plan.order),
        n_pair=plan.network.n_pair,
        n_slot=plan.n_slot,
        n_update=len(tables.updates),
        n_run=sum(len(turn.mesh) for turn in plan.turns),
        root_pairs=int(last_earlier - earlier),
        root_slots=int(last_tied - tied),
        is_anchor=plan.root == plan.network.anchor,
    )


def needed_bytes(n: Sizes, observation: int = 8) -> int:
    """Read every observation once, write the series."""
    return n.n_pair * observation + FOUR * n.n_date


def moved_bytes(
    n: Sizes, observation: int = 8, *, keeps_rows: bool = False, keeps_factor: bool = False
) -> int:
    """Count all loads and stores; ``observation``: bytes of one, with what is beside it."""
    n_turn = n.n_date - 1
    earlier_pairs, earlier_slots = n.n_pair - n.root_pairs, n.n_slot - n.root_slots
    forward = (
        observation * (earlier_pairs + n.n_pair + (0 if n.is_anchor else n.root_pairs))
        + (FOUR + EIGHT) * earlier_slots  # substitution
        + (FOUR * n.n_slot + 3 * FOUR * n.n_update)  # edges
        + (FOUR + EIGHT) * n_turn
    )
    backward = 2 * FOUR * n.n_slot + (EIGHT + FOUR + FOUR) * n_turn
    rest = (
        (observation + FOUR) * (earlier_pairs + n.n_pair)
        + (FOUR + EIGHT) * earlier_slots
        + (FOUR + FOUR + EIGHT) * n_turn
    )
    refined = (
        2 * FOUR * n.n_slot
        + (EIGHT + FOUR + FOUR + FOUR + FOUR) * n_turn
        + (observation + 2 * FOUR) * n.n_pair
        + keeps_rows * 2 * FOUR * n.n_pair
    )
    of_root, results = 4 * FOUR, FOUR * (SUMS + COUNTS)
    factors = keeps_factor * (FOUR * n_turn + 2 * FOUR * n.n_slot)
    return forward + backward + rest + refined + of_root + results + factors


def streamed_bytes(n: Sizes, observation: int = 8) -> int:
    """Count each row once a pass: what comes from memory where a cache holds the rows of a few dates."""
    forward = observation * n.n_pair + FOUR * n.n_slot + (FOUR + EIGHT) * n.n_date
    backward = FOUR * n.n_slot + (EIGHT + FOUR + FOUR) * n.n_date
    rest = observation * n.n_pair + FOUR * n.n_slot + (FOUR + FOUR + EIGHT) * n.n_date
    refined = observation * n.n_pair + FOUR * n.n_slot + (EIGHT + 4 * FOUR) * n.n_date
    return forward + backward + rest + refined


def first_form_bytes(n: Sizes) -> dict[str, int]:
    """Count loads and stores of the first form: of torch's preparation, and of the kernel."""
    kernel = (
        FIRST_OF_PAIR * n.n_pair
        + FIRST_OF_SLOT * n.n_slot
        + FIRST_OF_UPDATE * n.n_update
        + FOUR * n.n_run
        + FIRST_OF_DATE * n.n_date
        - 36  # what the root has less
    )
    return {"preparation": FIRST_PREPARATION * n.n_pair, "kernel": kernel}
