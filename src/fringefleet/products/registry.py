"""Ordered list of all products, and quantities derived from it and the options."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products import (
    closure,
    covariance,
    dem_error,
    pixel_status,
    quality,
    series,
    std,
    velocity,
)
from fringefleet.products.base import BatchMemory, BatchNeed, Product, ResultVariable, SolverForm
from fringefleet.products.quantization import quantization_attributes

PRODUCTS: tuple[Product, ...] = (
    series.DISPLACEMENT,
    quality.TEMPORAL_COHERENCE,
    quality.FIT,
    pixel_status.PIXEL_STATUS,
    std.STD,
    covariance.COVARIANCE,
    closure.CLOSURE,
    dem_error.DEM_ERROR,
    velocity.VELOCITY,
    velocity.VELOCITY_BY_FACTOR,
)


def all_variables() -> dict[str, ResultVariable]:
    """Return the variables of all products by name; those that depend on options as by default."""
    return {name: variable for product in PRODUCTS for name, variable in product.variables.items()}


def variable_named(name: str) -> ResultVariable:
    """Give a variable of a result, or of maps of velocity, whatever the options were.

    Parameters
    ----------
    name
        Of a variable of ours.
    """
    known = all_variables()
    return known[name] if name in known else velocity.map_named(name)


def is_variable(name: str) -> bool:
    """Return whether a variable of ours has this name, whatever the options were."""
    return name in all_variables() or velocity.is_map(name)


def products_for(options: Options) -> tuple[Product, ...]:
    """Return the products that the options request."""
    return tuple(product for product in PRODUCTS if product.applies(options))


def wanted_variables(options: Options) -> dict[str, ResultVariable]:
    """Return the variables that the options request, by name, with the attributes that they then have."""
    return {
        name: replace(variable, attrs=_attributes(variable, options))
        for product in products_for(options)
        for name, variable in product.variables_for(options).items()
    }


def batch_needs(options: Options) -> frozenset[BatchNeed]:
    """Return what the requested products need of a batch."""
    return frozenset[BatchNeed]().union(*(product.needs for product in products_for(options)))


def needs_torch(options: Options) -> bool:
    """Return whether a solution on a CPU needs more than the compiled kernel gives."""
    plain = options.dtype == "float32" and options.norm == "l2"
    return not plain or any(product.needs_torch for product in products_for(options))


def parameter_operator(moments: tuple[str, ...], options: Options) -> NDArray[np.float64] | None:
    """Return what makes the parameters whose covariance a product needs, (parameter, date); None without.

    Parameters
    ----------
    moments
        Dates of the network, ISO, with the time of day as far as it is known.
    options
        Options of the inversion.
    """
    made_by = (product.operator for product in products_for(options))
    return next((operator(moments, options) for operator in made_by if operator is not None), None)


def attributes_of_products(options: Options, moments: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of a result that record how its products were made, from these dates."""
    found = {
        name: find(options, moments)
        for product in products_for(options)
        for name, find in product.attributes.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def kinds_of(options: Options, n_date: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the lengths of the axes before y and x, and the dtype, of each variable."""
    return {
        name: ((n_date,) * (len(variable.dims) - 2), np.dtype(variable.dtype))
        for name, variable in wanted_variables(options).items()
    }


def memory_of_products(plan: EliminationPlan, options: Options, form: SolverForm) -> BatchMemory:
    """Return the memory that the requested products take of a batch."""
    memories = (product.memory(plan, options, form) for product in products_for(options))
    return reduce(BatchMemory.plus, memories, BatchMemory())


def bytes_of_result(options: Options, n_date: int) -> int:
    """Return the memory of a pixel of the result [byte]."""
    return sum(variable.bytes_of_pixel(n_date) for variable in wanted_variables(options).values())


def _attributes(variable: ResultVariable, options: Options) -> Mapping[str, Any]:
    return variable.attributes_for(options.observation) | (
        quantization_attributes(options.keep_bits) if variable.is_rounded else {}
    )
