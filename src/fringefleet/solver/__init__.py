"""Numerics in torch and numba, one algorithm a file; they know no stack, no Dask and no choice of device.

The files of :mod:`fringefleet.solver.compiled.code_files` hold what numba has compiled, and nothing else.
"""
