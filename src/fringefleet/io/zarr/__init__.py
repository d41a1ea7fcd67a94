"""Zarr stores: chunks read and written as files, metadata checked first."""
