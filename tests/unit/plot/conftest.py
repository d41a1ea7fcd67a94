import sys

import pytest


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
