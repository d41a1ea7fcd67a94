"""Record of a product: its variables, the options that request it, its memory and its computation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.choices import LengthUnit
from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.network.network import Network
from fringefleet.options import Options

if TYPE_CHECKING:  # torch, which not all runs need
    from fringefleet.solver.base import RawWork, SolverWorkspace

SERIES, MAP = ("date", "y", "x"), ("y", "x")  # dimensions; the last two are always y and x
BatchNeed = Literal["rows", "factor", "variances", "unit_variance"]
SolverForm = Literal["eager", "compiled", "direct", "fused"]  # direct: compiled, without torch
ColourLimits = Literal["symmetric", "robust", "from 0", "0 to 1", "cycle"]
MOTION_COLOURS = "RdBu"  # red: away from the satellite; blue: towards it


class MapStyle(NamedTuple):
    """Appearance of a variable drawn as a map, as far as its attributes do not say it.

    Attributes
    ----------
    colours
        Name of a colour map of Matplotlib.
    limits
        Rule for the limits of its colours.
    unit
        Unit of lengths on the map; None: as they are stored.
    title
        Name for people; empty: the long name of the variable, up to a comma.
    """

    colours: str
    limits: ColourLimits
    unit: LengthUnit | None = None
    title: str = ""


@dataclass(frozen=True)
class ResultVariable:
    """Variable of a result.

    Attributes
    ----------
    dtype
        Stored dtype, such as ``f4``.
    dims
        Names of the dimensions.
    attrs
        CF attributes.
    attrs_of_offsets
        CF attributes that differ where offsets are inverted, by observation.
    is_rounded
        Whether ``keep_bits`` rounds it. Maps are not rounded, because they are compared with thresholds.
    is_set_everywhere
        Whether it keeps its value where a pixel has no estimate; other variables are NaN or 0 there.
    at_reference
        Value at the reference point, by definition; a function of the network.
    style
        Appearance on a map; None if it is not drawn.
    """

    dtype: str
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    attrs_of_offsets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_rounded: bool = False
    is_set_everywhere: bool = False
    at_reference: Callable[[Network], int] = lambda _: 0
    style: MapStyle | None = None

    def attributes_for(self, observation: str) -> dict[str, Any]:
        """Give the CF attributes that it has where this is inverted."""
        return {**self.attrs, **self.attrs_of_offsets.get(observation, {})}

    def bytes_of_pixel(self, n_date: int) -> int:
        """Memory of a pixel [byte]."""
        n_byte: int = int(self.dtype[1:]) * n_date ** (len(self.dims) - 2)
        return n_byte


class BatchMemory(NamedTuple):
    """Memory that a product takes per pixel of a batch, in addition to that of the solver and the result.

    Attributes
    ----------
    n_row
        Values in the precision of the solver.
    n_vector_row
        Values per pixel of a vector of the compiled kernel.
    n_double
        Values in float64, held for a few thousand pixels at a time.
    n_byte
        Everything else [byte].
    """

    n_row: int = 0
    n_vector_row: int = 0
    n_double: int = 0
    n_byte: int = 0

    def plus(self, other: "BatchMemory") -> "BatchMemory":
        """Return the memory of both products together."""
        return BatchMemory(*(one + another for one, another in zip(self, other, strict=True)))


class SolvedBatch(NamedTuple):
    """Batch of solved pixels, as NumPy arrays or tensors (..., pixel).

    Attributes
    ----------
    displacement
        Displacement at each date [m]; (date, pixel).
    temporal_coherence, residual_rms
        Quality measures over the valid pairs; the residual in the unit of the observation.
    pair_count, n_components
        Number of valid pairs, and of connected components of the network.
    status
        Code of :class:`~fringefleet.status.Status`.
    gap_filled
        Whether the increment since the previous date is gap-filled; (date, pixel).
    dem
        DEM error divided by R sin(theta), where estimated.
    range_sine
        R sin(theta) [m], where needed.
    unit_variance
        Variance of an observation of weight 1 [m^2], where a product needs it.
    propagate
        Gives the covariance of parameters of the series, as :data:`~fringefleet.solver.time_fit.Propagate`,
        where a product needs it.
    """

    displacement: Any
    temporal_coherence: Any
    residual_rms: Any
    pair_count: Any
    n_components: Any
    status: Any
    gap_filled: Any
    dem: Any = None
    range_sine: Any = None
    unit_variance: Any = None
    propagate: Any = None


class SolverWork(NamedTuple):
    """Intermediate data of the solver for batches of one shape, for products that continue from it.

    Attributes
    ----------
    plan, options
        Elimination plan of the network; options of the inversion.
    workspace
        Buffers of the solver: residuals and weights of the last batch, and anything else it was asked to
        keep.
    raw
        Solver and the same buffers, where it takes observations as stored in the file; else None.
    moments
        Dates of the network, ISO, with the time of day as far as it is known.
    """

    plan: EliminationPlan
    options: Options
    workspace: "SolverWorkspace"
    raw: "RawWork | None"
    moments: tuple[str, ...] = ()


Compute = Callable[[SolvedBatch], Mapping[str, Any]]  # arrays (..., pixel) by name of the variable


def always(_: Options) -> bool:
    """Apply with any options."""
    return True


def _no_memory(*_: Any) -> BatchMemory:
    return BatchMemory()


@dataclass(frozen=True)
class Product:
    """One or more variables of a result that are computed together.

    Attributes
    ----------
    variables
        Variables by name.
    applies
        Predicate of the options: whether they request the product.
    compute
        Function that computes the variables from the solution alone, for NumPy arrays and tensors alike.
    prepare
        Instead, for a product that needs the dates (ISO, with their time) and the options: returns such a
        function.
    begin
        Alternative for a product that needs more, in torch: called once for batches of one shape, returns
        the function that computes the variables of each batch.
    needs
        Intermediate data of the solver that it needs of a batch: residual and weight of every pair; the
        factor; the variances; the variance of an observation of weight 1.
    operator
        What makes parameters of the series, (parameter, date), from the dates and the options, for a product
        that needs no more of the factor than their covariance: the compiled kernel gives it without torch.
    memory
        Memory that it takes of a batch.
    attributes
        Attributes of the result that record how the product was made, from the options and the dates (ISO,
        with their time); None where one does not apply.
    find_variables
        Returns the variables, where they depend on the options; ``variables`` are then those of the defaults.
    """

    variables: Mapping[str, ResultVariable]
    applies: Callable[[Options], bool] = always
    compute: Compute | None = None
    prepare: Callable[[tuple[str, ...], Options], Compute] | None = None
    begin: Callable[[SolverWork], Compute] | None = None
    needs: frozenset[BatchNeed] = frozenset()
    operator: Callable[[tuple[str, ...], Options], NDArray[np.float64]] | None = None
    memory: Callable[[EliminationPlan, Options, SolverForm], BatchMemory] = _no_memory
    attributes: Mapping[str, Callable[[Options, tuple[str, ...]], Any]] = field(default_factory=dict)
    find_variables: Callable[[Options], Mapping[str, ResultVariable]] | None = None

    def __post_init__(self) -> None:
        """Reject a record without exactly one way to compute the product."""
        if sum(way is not None for way in (self.compute, self.prepare, self.begin)) != 1:
            raise TypeError(f"product of {', '.join(self.variables)} needs one of compute, prepare and begin")

    @property
    def needs_torch(self) -> bool:
        """Whether it needs more than the compiled kernel gives, and therefore torch."""
        return self.begin is not None or (bool(self.needs) and self.operator is None)

    def variables_for(self, options: Options) -> Mapping[str, ResultVariable]:
        """Return the variables that the options ask for, by name."""
        return self.variables if self.find_variables is None else self.find_variables(options)

    def prepared(self, moments: tuple[str, ...], options: Options) -> Compute | None:
        """Return the function that computes the variables from the solution alone; None if it needs more."""
        return self.compute if self.prepare is None else self.prepare(moments, options)

    def begun(self, work: SolverWork) -> Compute:
        """Return the function that computes the variables of each batch, in torch."""
        found = self.prepared(work.moments, work.options)
        if found is not None:
            return found
        assert self.begin is not None  # noqa: S101 - one of the three, as checked
        return self.begin(work)
