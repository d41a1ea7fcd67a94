"""Vectors of pixels for numba: explicit operations on a fixed number of values at once.

The compiler vectorises a loop only where it can prove that rows of memory do not overlap, and pays for the
proof with every loop. Here a kernel states what is loaded and stored, and what is held in registers in
between. LLVM has vectors of any length, and splits them to fit the processor: 64 float32 are four registers
of AVX-512, eight of AVX2, sixteen of SSE or NEON.

Rows are those of C-contiguous arrays of :data:`~fringefleet.solver.compiled.lanes.LANES` columns. A scalar
next to a vector is broadcast, in the dtype of the vector. Nothing is reassociated; whether a product and a
sum are contracted is decided by the function that uses them
(:mod:`fringefleet.solver.compiled.jit`).

Examples
--------
>>> import numba
>>> import numpy as np
>>> @numba.njit
... def double(rows):
...     for lane in range(0, LANES, PART):
...         store(rows, 0, lane, load(rows, 0, lane, PART) * 2)
>>> rows = np.ones((1, LANES), np.float32)
>>> double(rows)
>>> float(rows.sum())
128.0
"""

import operator
from typing import Any, no_type_check

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from fringefleet.solver.compiled.lanes import LANES

PART = 16  # pixels of a vector processed at once where many values are held in registers


class Vector(types.Type):
    """Type of a fixed number of values, or booleans, that are processed at once."""

    def __init__(self, dtype: Any, width: int) -> None:
        self.dtype, self.width = dtype, width
        super().__init__(name=f"Vector({dtype}, {width})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    @no_type_check
    def __init__(self, manager, vector):
        number = (
            ir.IntType(1) if vector.dtype is types.boolean else manager.lookup(vector.dtype).get_value_type()
        )
        super().__init__(manager, vector, ir.VectorType(number, vector.width))


@intrinsic(prefer_literal=True)
@no_type_check
def load(_, rows, row, lane, width):
    """Load a number of values of a row, from a lane on."""
    vector = Vector(rows.dtype, width.literal_value)
    place = types.intp

    def generate(context, builder, signature, given):
        kind = context.get_value_type(vector)
        found = builder.load(_pointer(context, builder, signature.args[0], given[:3], kind))
        found.align = rows.dtype.bitwidth // 8
        return found

    return vector(rows, place, place, width), generate


@intrinsic
@no_type_check
def store(_, rows, row, lane, vector):
    """Store a vector in a row, from a lane on."""

    def generate(context, builder, signature, given):
        kind = context.get_value_type(vector)
        stored = builder.store(given[3], _pointer(context, builder, signature.args[0], given[:3], kind))
        stored.align = rows.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(rows, types.intp, types.intp, vector), generate


@intrinsic(prefer_literal=True)
@no_type_check
def load_flat(_, numbers, place, width):
    """Load a number of values of a one-dimensional array, from an index on."""
    vector = Vector(numbers.dtype, width.literal_value)

    def generate(context, builder, signature, given):
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        kind = context.get_value_type(vector)
        found = builder.load(builder.bitcast(builder.gep(data, [given[1]]), kind.as_pointer()))
        found.align = numbers.dtype.bitwidth // 8
        return found

    return vector(numbers, types.intp, width), generate


@intrinsic
@no_type_check
def fetch(_, numbers, place):
    """Prefetch a value that will be loaded soon."""

    def generate(context, builder, signature, given):
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        byte = ir.IntType(8).as_pointer()
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(data, [given[1]]), byte)
        builder.call(function, [place, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(numbers, types.intp), generate


@intrinsic(prefer_literal=True)
@no_type_check
def fill(_, rows, width, number):
    """Return a vector that repeats a number, in the dtype of an array."""
    vector = Vector(rows.dtype, width.literal_value)

    def generate(context, builder, signature, given):
        number = context.cast(builder, given[2], signature.args[2], vector.dtype)
        return _repeat(builder, number, vector.width)

    return vector(rows, width, types.unliteral(number)), generate


@intrinsic
@no_type_check
def where(_, truths, one, other):
    """Select from one vector, or number, where a condition holds, else from another."""
    vector = one if isinstance(one, Vector) else other

    def generate(context, builder, signature, given):
        ends = zip(signature.args[1:], given[1:], strict=True)
        one, other = (_as_vector(context, builder, kind, value, vector) for kind, value in ends)
        return builder.select(given[0], one, other)

    return vector(truths, types.unliteral(one), types.unliteral(other)), generate


@intrinsic
@no_type_check
def look_up(_, table, numbers):
    """Look up the elements of a one-dimensional table at the indices in a vector, all of them valid."""
    vector = Vector(table.dtype, numbers.width)

    def generate(context, builder, signature, given):
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        found = ir.Constant(context.get_value_type(vector), ir.Undefined)
        for lane in range(numbers.width):
            at = ir.Constant(ir.IntType(32), lane)
            place = builder.zext(builder.extract_element(given[1], at), ir.IntType(64))
            found = builder.insert_element(found, builder.load(builder.gep(data, [place])), at)
        return found

    return vector(table, numbers), generate


@no_type_check
def _conversion(name, dtype):
    """Make the conversion of vectors to another dtype, by an instruction of LLVM."""

    @intrinsic
    def convert(_, vector):
        converted = Vector(dtype, vector.width)

        def generate(context, builder, signature, given):
            if vector.dtype == dtype:
                return given[0]
            return getattr(builder, name)(given[0], context.get_value_type(converted))

        return converted(vector), generate

    return convert


to_double, to_single = _conversion("fpext", types.float64), _conversion("fptrunc", types.float32)
to_integer = _conversion("fptosi", types.int32)  # towards zero


@no_type_check
def _function(name):
    """Make a function of a vector from one of LLVM's."""

    @intrinsic
    def apply(_, vector):
        def generate(context, builder, signature, given):
            kind = given[0].type
            named = f"llvm.{name}.v{vector.width}f{vector.dtype.bitwidth}"
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), named)
            return builder.call(function, given)

        return vector(vector), generate

    return apply


@intrinsic
@no_type_check
def rounded_to(_, vector, rows):
    """Round float64 values to the dtype of an array."""
    rounded = Vector(rows.dtype, vector.width)

    def generate(context, builder, signature, given):
        if vector.dtype == rows.dtype:
            return given[0]
        return builder.fptrunc(given[0], context.get_value_type(rounded))

    return rounded(vector, rows), generate


root_of, floor_of, size_of = _function("sqrt"), _function("floor"), _function("fabs")


@intrinsic
@no_type_check
def multiply_add(_, vector, factor, term):
    """Multiply by a number and add a vector, with one rounding where the processor can."""

    def generate(context, builder, signature, given):
        kind = given[0].type
        named = f"llvm.fmuladd.v{vector.width}f{vector.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), named)
        factor = _as_vector(context, builder, signature.args[1], given[1], vector)
        return builder.call(function, [given[0], factor, given[2]])

    return vector(vector, types.unliteral(factor), term), generate


@no_type_check
def _operator(symbol, name, comparison=None):
    """Define an operator for a vector and another one, or a number; a comparison yields booleans."""

    @intrinsic
    def apply(_, one, other):
        vector = one if isinstance(one, Vector) else other
        result = Vector(types.boolean, vector.width) if comparison else vector

        def generate(context, builder, signature, given):
            ends = zip(signature.args, given, strict=True)
            ends = [_as_vector(context, builder, kind, value, vector) for kind, value in ends]
            return getattr(builder, name)(*([comparison] if comparison else []), *ends)

        return result(types.unliteral(one), types.unliteral(other)), generate

    @overload(symbol, inline="always")
    def operate(one, other):
        if isinstance(one, Vector) or isinstance(other, Vector):
            return lambda one, other: apply(one, other)  # noqa: PLW0108 - numba wants a function of Python
        return None


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
    (operator.and_, "and_"),
    (operator.or_, "or_"),
):
    _operator(_symbol, _name)
for _symbol, _name in (
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.eq, "=="),
):
    _operator(_symbol, "fcmp_ordered", _name)


@no_type_check
def _pointer(context, builder, rows_type, given, kind):
    """Return a pointer to a number of values at a lane of a row."""
    rows, row, lane = given
    data = context.make_array(rows_type)(context, builder, rows).data
    width = ir.Constant(row.type, LANES)
    place = builder.add(builder.mul(row, width), lane)
    return builder.bitcast(builder.gep(data, [place]), kind.as_pointer())


@no_type_check
def _as_vector(context, builder, kind, value, vector):
    if isinstance(kind, Vector):
        return value
    return _repeat(builder, context.cast(builder, value, kind, vector.dtype), vector.width)


@no_type_check
def _repeat(builder, number, width):
    kind = ir.VectorType(number.type, width)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), places)
