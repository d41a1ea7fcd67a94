"""Numerics in torch, one algorithm a file; they know no file, no Dask and no choice of device."""
