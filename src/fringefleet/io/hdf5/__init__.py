"""HDF5 datasets, read around the lock of their library."""
