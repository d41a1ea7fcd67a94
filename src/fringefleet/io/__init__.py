"""Input and output: files to xarray and back, without numerics. Start at :func:`open_stack`."""

import lazy_loader

# Imported when first used: a worker writes a result, and needs none of the readers for that.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
