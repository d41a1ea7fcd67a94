"""Session: the workers of a run, its fit to them, and its course; with or without a terminal.

:func:`run_with_workers` does all of it. Progress goes to a callback, and everything else worth a line to
``logging``; nothing is printed.
"""

import lazy_loader

# Imported when first used: workers may be starting before the pipeline is imported.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
