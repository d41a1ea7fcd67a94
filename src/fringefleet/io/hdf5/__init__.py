"""Direct reading of HDF5 datasets, around the lock of their library."""
