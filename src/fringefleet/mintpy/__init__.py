"""MintPy's step ``invert_network``, with MintPy's files and options."""
