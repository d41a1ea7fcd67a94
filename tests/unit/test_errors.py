import inspect
import pickle

import pytest
from distributed.core import clean_exception, error_message

from fringefleet import errors

OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", OURS)
def test_every_error_comes_from_a_worker_as_what_it_is_with_its_message_and_cause(kind):
    raised = kind("found this; give that.")
    raised.__cause__ = FileNotFoundError(2, "No such file")
    sent = error_message(raised)
    _, came, _ = clean_exception(pickle.loads(sent["exception"].data), None)
    assert type(came) is kind
    assert str(came) == "found this; give that."
    assert isinstance(came.__cause__, FileNotFoundError)


def test_the_failed_tiles_of_a_run_travel_with_its_error():
    error = errors.RunError("two tiles failed.")
    error.failed = ((1, 2), (3, 4))
    assert pickle.loads(pickle.dumps(error)).failed == ((1, 2), (3, 4))
