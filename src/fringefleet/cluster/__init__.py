"""Start workers and connect to them. This package knows nothing of interferograms."""

import lazy_loader

# Imported when first used: the help of a command needs the options, and nothing of Dask.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
