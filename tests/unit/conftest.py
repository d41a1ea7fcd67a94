"""A small MintPy stack on disk, each part of which a test can change or leave out."""

import h5py
import numpy as np
import pytest

from unit.mintpy_stack import ATTRIBUTES, stack_parts


@pytest.fixture
def write_mintpy(tmp_path):
    """Write a MintPy stack; ``parts`` and ``attrs`` replace, or remove where they are None."""

    def write(parts=None, attrs=None, *, chunks=None, name="ifgramStack.h5", **layout):
        path = tmp_path / name
        merged = stack_parts(**layout) | (parts or {})
        with h5py.File(path, "w") as file:
            for key, value in merged.items():
                if value is not None:
                    stored = chunks if np.ndim(value) == 3 else None
                    file.create_dataset(key, data=value, chunks=stored)
            merged_attrs = ATTRIBUTES | (attrs or {})
            file.attrs.update({k: v for k, v in merged_attrs.items() if v is not None})
        return path

    return write
