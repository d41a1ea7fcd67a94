"""Inversion of one block of pixels: arrays in, arrays out; no Dask, no xarray, no files."""
