"""Record of a product: its variables, when it applies, the memory it takes, and how it is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fringefleet.network.elimination_order import Plan
from fringefleet.network.network import Network
from fringefleet.options import Options

if TYPE_CHECKING:  # torch, which not all runs need
    from fringefleet.solver.base import RawWork, SolverWorkspace

SERIES, MAP = ("date", "y", "x"), ("y", "x")  # dimensions; the last two are always y and x
BatchNeed = Literal["rows", "factor", "variances", "unit_variance"]
SolverForm = Literal["eager", "compiled", "fused"]
ColourLimits = Literal["symmetric", "robust", "from 0", "0 to 1"]


class MapStyle(NamedTuple):
    """How a variable is drawn as a map; ``{}`` in the title stands for the last date."""

    title: str
    unit: str
    colours: str
    limits: ColourLimits
    scale: float = 1.0  # from the unit of the variable to that of the map


@dataclass(frozen=True)
class ResultVariable:
    """One variable of a result.

    Attributes
    ----------
    dtype
        As it is stored, such as ``f4``.
    dims
        Names of the dimensions.
    attrs
        CF attributes.
    attrs_of_offsets
        Those that differ where offsets are inverted, by observation.
    is_rounded
        Whether ``keep_bits`` rounds it. Maps are not rounded: they are compared with thresholds.
    is_set_everywhere
        Whether it keeps its value where a pixel has no answer; others are NaN there, or 0.
    at_reference
        Value at the reference point, by definition.
    style
        How it is drawn as a map; None: it is not.
    """

    dtype: str
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    attrs_of_offsets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_rounded: bool = False
    is_set_everywhere: bool = False
    at_reference: Callable[[Network], int] = lambda _: 0
    style: MapStyle | None = None

    def bytes_of_pixel(self, n_date: int) -> int:
        """Memory of a pixel [byte]."""
        n_byte: int = int(self.dtype[1:]) * n_date ** (len(self.dims) - 2)
        return n_byte


class BatchMemory(NamedTuple):
    """Memory that a product takes for each pixel of a batch, beside that of the solver and of the result.

    Attributes
    ----------
    n_row
        Numbers in the precision of the solver.
    n_vector_row
        Numbers of each pixel of a vector of the compiled kernel.
    n_double
        Numbers in float64, of a few thousand pixels at once.
    n_byte
        Anything else [byte].
    """

    n_row: int = 0
    n_vector_row: int = 0
    n_double: int = 0
    n_byte: int = 0

    def plus(self, other: "BatchMemory") -> "BatchMemory":
        """Memory of two products."""
        return BatchMemory(*(one + another for one, another in zip(self, other, strict=True)))


class SolvedBatch(NamedTuple):
    """A batch of pixels that has been solved: arrays of NumPy or tensors, (..., pixel).

    Attributes
    ----------
    displacement
        Of each date [m]; (date, pixel).
    temporal_coherence, residual_rms
        Over the valid pairs; the second in the unit of the observation.
    pair_count, n_components
        Valid pairs; connected parts of the network.
    status
        Code of :class:`~fringefleet.status.Status`.
    gap_filled
        Whether the step to a date follows from a rule; (date, pixel).
    dem
        DEM error over R sin(theta), where it was estimated.
    range_sine
        R sin(theta) [m], where it was.
    unit_variance
        Variance of an observation of weight 1 [m^2], where a product needs it.
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


class SolverWork(NamedTuple):
    """What the batches of one shape share, for products that go on from what the solver leaves.

    Attributes
    ----------
    plan, options
        The network's elimination; how it is inverted.
    workspace
        Buffers of the solver: residuals and weights of the last batch, and what else it was told to keep.
    raw
        The solver and the same buffers, where it takes observations as they are in the file; else None.
    moments
        Dates of the network, ISO, with the time of day as far as it is known.
    """

    plan: Plan
    options: Options
    workspace: "SolverWorkspace"
    raw: "RawWork | None"
    moments: tuple[str, ...] = ()


Compute = Callable[[SolvedBatch], Mapping[str, Any]]  # arrays (..., pixel) by the names of the variables


def always(_: Options) -> bool:
    """Apply whatever the options are."""
    return True


def _no_memory(*_: Any) -> BatchMemory:
    return BatchMemory()


@dataclass(frozen=True)
class Product:
    """Variables of a result that are computed together.

    Attributes
    ----------
    variables
        By name.
    applies
        Whether the options ask for it.
    compute
        Computes the variables from the solution alone, for arrays of NumPy and tensors alike.
    prepare
        Instead, for a product that makes something of the dates (ISO, with their time) and the options first:
        gives such a function.
    begin
        Instead, for a product that needs more, in torch: called once for batches of one shape, gives the
        function that computes the variables of each.
    needs
        What it needs of a batch besides: residual and weight of every pair; the factor; the variances; the
        variance of an observation of weight 1.
    memory
        What it takes of the memory of a batch.
    attributes
        Attributes of the result that say how the product was made.
    find_variables
        Gives the variables, where they depend on the options; ``variables`` are then those of the defaults.
    """

    variables: Mapping[str, ResultVariable]
    applies: Callable[[Options], bool] = always
    compute: Compute | None = None
    prepare: Callable[[tuple[str, ...], Options], Compute] | None = None
    begin: Callable[[SolverWork], Compute] | None = None
    needs: frozenset[BatchNeed] = frozenset()
    memory: Callable[[Plan, Options, SolverForm], BatchMemory] = _no_memory
    attributes: Mapping[str, Callable[[Options], Any]] = field(default_factory=dict)
    find_variables: Callable[[Options], Mapping[str, ResultVariable]] | None = None

    def __post_init__(self) -> None:
        """Refuse a record that does not say how the product is computed."""
        if sum(way is not None for way in (self.compute, self.prepare, self.begin)) != 1:
            raise TypeError(f"product of {', '.join(self.variables)} needs one of compute, prepare and begin")

    @property
    def needs_torch(self) -> bool:
        """Whether it takes more than the series and its quality."""
        return self.begin is not None or bool(self.needs)

    def variables_for(self, options: Options) -> Mapping[str, ResultVariable]:
        """Give the variables that the options ask for, by name."""
        return self.variables if self.find_variables is None else self.find_variables(options)

    def prepared(self, moments: tuple[str, ...], options: Options) -> Compute | None:
        """Give the function that computes the variables from the solution alone; None if it takes more."""
        return self.compute if self.prepare is None else self.prepare(moments, options)

    def begun(self, work: SolverWork) -> Compute:
        """Give the function that computes the variables of each batch, in torch."""
        found = self.prepared(work.moments, work.options)
        if found is not None:
            return found
        assert self.begin is not None  # noqa: S101 - one of the three, as checked
        return self.begin(work)
