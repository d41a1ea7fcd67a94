"""The command ``mintpy``: MintPy's step ``invert_network``, in the same folder with the same options."""
