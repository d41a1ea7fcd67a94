"""What torch says of the GPUs of a machine that has none; nothing can be computed on them.

Imported by a test's process, and by its workers as Dask's ``preload``. The first GPU of
``CUDA_VISIBLE_DEVICES`` is ``cuda:0``, as CUDA has it.
"""

import os
from types import SimpleNamespace

import torch

N_GPU = int(os.environ.get("PRETEND_GPUS", "0"))
TOTAL = 16 << 30  # [byte]


def visible():
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(i) for i in range(N_GPU)] if names is None else [name for name in names.split(",") if name]


def properties(_device):
    name = visible()[0].rsplit("-", 1)[-1]
    return SimpleNamespace(uuid=f"pretend-{name}", name=f"Pretend GPU {name}", total_memory=TOTAL)


if N_GPU:
    torch.version.cuda = "13.0"
    torch.cuda.is_available = lambda: bool(visible())
    torch.cuda.device_count = lambda: len(visible())
    torch.cuda.get_device_properties = properties
