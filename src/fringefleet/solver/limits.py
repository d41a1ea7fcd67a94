"""Limits shared by all solvers: of valid observations, and of sufficient accuracy."""

LARGEST_PHASE = 2.0**34  # [rad]
LARGEST_WEIGHT = 2.0**57  # [rad^-2]; the ratio of any two is still a float32
SMALLEST_WEIGHT = 2.0**-57

LARGEST_CHANGE = 1e-3  # relative change of the series beyond which one refinement is not enough
LARGEST_SPREAD = 1e6  # of d over the dates of a pixel; real scenes stay below 1e4

# Of robust norms; see :mod:`fringefleet.solver.irls`
SMOOTHED = 2e-4  # of the mean of u: the threshold at which l1 is approximated well enough
SHRINK = 0.3  # of the threshold of l1, per iteration, on the way there
STEP = 1.5  # anything below 2 descends
SETTLED = {"l1": 1e-4, "huber": 1e-6}  # relative decrease of the sum in one iteration
STILL = 1e-3  # largest change of the series in one iteration, of the mean residual; huber only, as l1 may
FLAT = 1e-9  # have many solutions; relative decrease of a sum that is practically constant
