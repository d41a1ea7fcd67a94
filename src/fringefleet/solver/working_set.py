"""Limits on how much of a batch is processed at once."""

TRIPLETS_AT_ONCE = 64  # measured: with fewer, calls of torch cost as much as the work; more gains nothing
BYTES_AT_ONCE = 2**26
CPU_BATCH = 8192  # pixels; a row of a batch is 32 kB in float32
DEM_PIXELS_ON_CPU = 2**11  # for the DEM error; those stay in cache
GAP_FILLING_BYTES = 2**21  # for connecting components [byte]
