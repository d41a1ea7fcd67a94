"""Cases of a test that differ little: a few are run each time, all of them by ``.ci/long``."""

import pytest


def mostly_long(cases, n_short):
    """Give cases of which all but the first few are marked long."""
    cases = list(cases)
    return [*cases[:n_short], *_marked(cases[n_short:])]


def long_but(cases, *short):
    """Give cases of which all but those that are named are marked long."""
    return [case if case in short else pytest.param(case, marks=pytest.mark.long) for case in cases]


def _marked(cases):
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
        for case in cases
    ]
