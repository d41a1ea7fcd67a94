"""Inversion of blocks on a CPU by the compiled solver alone: arrays in, arrays out.

It does the work of :mod:`fringefleet.engine.batch_solver` for the options of most runs
(:func:`fringefleet.engine.solver_choice.is_direct`) without torch, whose import takes longer than solving a
small scene. The few pixels for which float32 is not accurate enough are solved in torch.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.engine.context import FlatBlock, InversionContext
from fringefleet.engine.direct_covariance import ParameterCovariance
from fringefleet.engine.footprint import even_batch
from fringefleet.engine.pixel_status import find_status, has_no_answer, leave_blank
from fringefleet.engine.rules import given_to_kernel, method_of, rules_of
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.options import Options
from fringefleet.products.base import SolvedBatch
from fringefleet.products.pair_sums import zero_pair_sums
from fringefleet.products.registry import kinds_of, parameter_operator, products_for
from fringefleet.solver.arrays import pieces_of
from fringefleet.solver.compiled.batches import Vectors
from fringefleet.solver.disconnected import connect_components, find_gap_filled
from fringefleet.solver.measures import of_sums

_FEW = 64  # pixels that are solved again at once


class Facts(NamedTuple):
    """Properties of the pixels of a batch; see :class:`~fringefleet.engine.pixel_status.SolvedPixels`."""

    pair_count: NDArray[np.int32]
    n_components: NDArray[np.int32]
    too_few: NDArray[np.bool_]
    converged: None = None


def invert_directly(
    block: FlatBlock,
    scene: InversionContext,
    options: Options,
    watch: Stopwatch,
    place: BlockPlace,
    n_pixel: int,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Invert the pixels of a block; if memory runs out, the tile fails and is retried.

    Parameters
    ----------
    block, scene, options, watch, place
        As for :func:`fringefleet.engine.block.invert_block`.
    n_pixel
        Maximum number of pixels solved at once.

    Returns
    -------
    tuple
        Arrays (..., pixel) by name of the result's variable; sums over the pixels of each pair, which are
        zero here because they are not requested.
    """
    n_block = block.observed.shape[1]
    answer = place.make_answer(kinds_of(options, scene.network.n_date), n_block)
    wanted = "direct", repr(scene), options  # repr: a scene contains NaN, which does not equal itself

    def make() -> DirectSolver:
        return DirectSolver(plan_elimination(scene.network, scene.reference_date), scene, options)

    with place.turn(), watch.time("solve"), place.workspaces.lent(wanted, make) as direct:
        size = even_batch(n_block, n_pixel)
        for first in range(0, n_block, size):
            check_not_stopped()
            direct.invert(block, slice(first, min(first + size, n_block)), answer)
    return answer, zero_pair_sums(scene.network)


class DirectSolver:
    """Solver for batches of any size: their options and buffers.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    scene, options
        Context and options shared by all pixels.
    """

    def __init__(self, plan: EliminationPlan, scene: InversionContext, options: Options) -> None:
        self.plan, self.scene, self.options = plan, scene, options
        real, n_date = np.dtype(options.dtype), plan.network.n_date
        self.vectors, self.rules = Vectors(plan, real), rules_of(scene, options)
        ways = (product.prepared(scene.moments, options) for product in products_for(options))
        self.products = [compute for compute in ways if compute is not None]
        self.method = method_of(options)
        operator = parameter_operator(scene.moments, options)
        self.covariance = None
        if operator is not None:
            given = self.rules, options, scene.metres_per_unit
            self.covariance = ParameterCovariance(self.vectors, operator, *given)
        n_product = 0 if operator is None else len(operator) ** 2
        shapes = (
            (4, real),
            (4, np.dtype(np.int32)),
            (n_date, np.dtype(np.int32)),
            (n_product, np.dtype(float)),
        )
        self.room = [np.zeros((n, 0), dtype) for n, dtype in shapes]  # sums, counts, labels, covariance

    def invert(self, block: FlatBlock, pixels: slice, answer: Mapping[str, NDArray[Any]]) -> None:
        """Invert some pixels of a block, and write their results to ``answer``."""
        batch = block.some(pixels)
        sums, counts, labels, covariance = self._room_for(pixels.stop - pixels.start)
        memory = answer["displacement"]
        kernel_answer = self.vectors.answer_of(memory, pixels.start, sums, counts, labels)
        kernel_answer = kernel_answer._replace(covariance=covariance)
        raw, rules = given_to_kernel(batch, self.rules, self.options)
        self.vectors.invert(
            raw,
            rules,
            kernel_answer,
            parameters=None if self.covariance is None else self.covariance.buffers,
            fewest_of_all=self.options.min_redundancy > 1,
        )
        phase, gap_filled = memory[:, pixels], answer["gap_filled"][:, pixels]
        n_components, pair_count, fewest, is_unsettled = counts
        facts = Facts(pair_count, n_components, fewest < self.options.min_redundancy)
        self._tie_parts(facts, labels, phase, gap_filled)
        displacement = np.multiply(phase, np.float32(self.scene.metres_per_unit), out=phase)
        del phase  # its memory is reused for the displacement
        there = {name: values[..., pixels] for name, values in answer.items()}
        solved = self._solved(batch, facts, sums, displacement, gap_filled)
        if self.covariance is not None:
            propagate = self.covariance.propagation(batch, solved, sums[3], covariance)
            solved = solved._replace(propagate=propagate)
        self._write(solved, there)
        unsettled = np.flatnonzero(is_unsettled)
        if len(unsettled):
            self._solve_again(batch, unsettled, there)

    def _room_for(self, n_pixel: int) -> list[NDArray[Any]]:
        """Return reusable memory for the sums, counts, labels and covariances of a batch."""
        if self.room[0].size < 4 * n_pixel:
            self.room = [np.zeros((len(room), n_pixel), room.dtype) for room in self.room]
        return [room.ravel()[: len(room) * n_pixel].reshape(len(room), n_pixel) for room in self.room]

    def _tie_parts(
        self,
        facts: Facts,
        labels: NDArray[np.int32],
        phase: NDArray[np.float32],
        gap_filled: NDArray[np.uint8],
    ) -> None:
        """Connect the components of disconnected networks where there is an estimate; in place."""
        gap_filled[...] = 0
        is_cut = (facts.n_components > 1) & (facts.pair_count > 0) & ~facts.too_few
        network = self.plan.network
        for n_part in np.unique(facts.n_components[is_cut]):  # each pixel is computed independently
            cut = np.flatnonzero(is_cut & (facts.n_components == n_part))
            for piece in pieces_of(len(cut), 24 * (network.n_pair + network.n_date)):
                some = cut[piece]
                part = labels[:, some]
                phase[:, some] = connect_components(self.plan, phase[:, some], part, self.method)
                if self.method.gap_rule != "none":
                    gap_filled[:, some] = find_gap_filled(part)

    def _solved(
        self,
        batch: FlatBlock,
        facts: Facts,
        sums: NDArray[Any],
        displacement: NDArray[np.float32],
        gap_filled: NDArray[np.uint8],
    ) -> SolvedBatch:
        """Measure the quality of the pixels, and determine their status."""
        land = None if batch.water_mask is None else batch.water_mask[0]
        with np.errstate(all="ignore"):
            measured = of_sums(facts.pair_count, *sums[:3])
        return SolvedBatch(
            displacement=displacement,
            temporal_coherence=measured.temporal_coherence,
            residual_rms=measured.residual_rms,
            pair_count=facts.pair_count,
            n_components=facts.n_components,
            status=find_status(facts, land, self.options.gap_rule),
            gap_filled=gap_filled,
        )

    def _write(self, solved: SolvedBatch, there: Mapping[str, NDArray[Any]]) -> None:
        """Write all products, except those already in place."""
        in_place = solved.displacement, solved.gap_filled
        for compute in self.products:
            for name, values in compute(solved).items():
                if not any(values is each for each in in_place):
                    there[name][...] = values
        leave_blank(there, has_no_answer(solved.status))

    @cached_property
    def _in_torch(self) -> Any:
        """Batches of torch, for the few pixels for which float32 is not accurate enough."""
        from fringefleet.engine.torch_fallback import TorchFallback  # noqa: PLC0415 - torch

        return TorchFallback(self.plan, self.scene, self.options, _FEW)

    def _solve_again(
        self, batch: FlatBlock, unsettled: NDArray[np.intp], there: Mapping[str, NDArray[Any]]
    ) -> None:
        """Solve pixels for which float32 is not accurate enough again, in torch."""
        for first in range(0, len(unsettled), _FEW):
            some = unsettled[first : first + _FEW]
            found = self._in_torch.solve(batch.some(np.resize(some, _FEW)))
            for name, values in found.items():
                there[name][..., some] = values[..., : len(some)]
