"""Numerics in torch and numba, one algorithm per file, independent of stacks, Dask and the choice of device.

The files of :mod:`fringefleet.solver.compiled.code_files` contain code compiled by numba, nothing else.
"""
