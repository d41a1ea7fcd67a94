"""Wait for what goes on in a thread: as long as there are signs of life, and no longer than until Ctrl-C."""

import logging
import signal
import threading
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar, cast

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SECONDS_OF_SILENCE = 300.0  # unless somebody says otherwise
MOST_SILENCES = 12  # times that, in all: also what works may never come to an end
SECONDS_BETWEEN_LINES = 20.0
PART_BETWEEN_LINES = 0.1  # of the time waited, where that is more: a queue may take days
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_STOP = 30.0  # in good order
SECONDS_TO_END = 2.5  # for what is not wanted any more
SECONDS_TO_END_BY_FORCE = 1.5


class Watched(Protocol):
    """What is waited for."""

    failure: str | None  # why it will not come, in words for the user; None as long as it may

    def life(self) -> object:
        """Give something that is another as soon as anything has happened."""

    def describe(self) -> str:
        """Say what is waited for."""

    def give_up(self) -> None:
        """End what was begun; it may be called several times."""


class Clock:
    """Says every now and then what is waited for, and when that has been silent for too long.

    ``seconds``: of silence that are too long; None if none are. ``longest``: to wait at all [s], whatever
    happens.
    """

    def __init__(self, seconds: float | None, longest: float = inf) -> None:
        self.seconds, self.longest = inf if seconds is None else seconds, longest
        self._start = self._last_sign = self._last_line = monotonic()
        self._life: object = None

    @property
    def waited(self) -> float:
        """Seconds since the beginning."""
        return monotonic() - self._start

    def is_up(self, life: object, describe: Callable[[], str]) -> bool:
        """Whether it has been silent for too long.

        Parameters
        ----------
        life
            As from :class:`Watched`.
        describe
            Says what is waited for.
        """
        now = monotonic()
        if life != self._life:
            self._life, self._last_sign = life, now
        if now - self._last_line >= max(SECONDS_BETWEEN_LINES, self.waited * PART_BETWEEN_LINES):
            self._last_line = now
            logger.warning("waiting for %s, %.0f s so far; Ctrl-C ends it", describe(), self.waited)
        return now - self._last_sign >= self.seconds or self.waited >= self.longest


class NothingCameError(Exception):
    """What was waited for does not come, or has been silent for too long; says why."""


def wait_for(begin: Callable[[], Result], watched: Watched, seconds: float) -> Result:
    """Begin something in a thread, and wait for what it gives.

    Parameters
    ----------
    begin
        Is called in a thread, as an :class:`Attempt`: we stop it ourselves.
    watched
        Knows how that stands.
    seconds
        Silence that is too long [s].

    Raises
    ------
    NothingCameError
        It does not come.
    BaseException
        Whatever ``begin`` raises, or a Ctrl-C; what was begun has been given up by then.
    """
    attempt, clock = Attempt(begin), Clock(seconds, MOST_SILENCES * seconds)
    try:
        while not attempt.is_over.wait(SECONDS_BETWEEN_LOOKS):
            _look(watched, clock)
    except BaseException:
        give_up_attempt(attempt, watched)
        raise
    if attempt.error is not None and watched.failure is not None:
        raise NothingCameError(watched.failure) from attempt.error
    return attempt.get()


def _look(watched: Watched, clock: Clock) -> None:
    if watched.failure is not None:
        raise NothingCameError(watched.failure)
    if clock.is_up(watched.life(), watched.describe):
        raise NothingCameError(
            f"waited {clock.waited:.0f} s for {watched.describe()}, at last without a sign of life; give "
            "more seconds with --wait"
        )


def end_within(end: Callable[[], object], seconds: float, give_up: Callable[[], object]) -> bool:
    """End something in a thread, and wait for that, but not for ever; whether it has ended.

    Parameters
    ----------
    end
        Ends it. What it raises is for the log: who ends something has no use for it any more.
    seconds
        How long it may take.
    give_up
        Ends it by force, where it takes longer, or somebody has no patience.
    """
    attempt = Attempt(end)
    try:
        if not attempt.is_over.wait(seconds):
            give_up()
            attempt.is_over.wait(SECONDS_TO_END_BY_FORCE)
    except BaseException:
        give_up()
        raise
    if attempt.error is not None:
        give_up()
        logger.debug("a tear-down did not go well", exc_info=attempt.error)
    return attempt.is_over.is_set()


class Attempt(Generic[Result]):
    """Something that goes on in a thread, which is not waited for at the end of the process.

    That thread, and all threads and processes that it starts, never see a Ctrl-C, which goes to all processes
    of a terminal.
    """

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self.is_over = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None
        threading.Thread(target=self._run, name="fringefleet-start", daemon=True).start()

    def get(self) -> Result:
        """Return what it gave, or raise what it raised, when it is over."""
        if self.error is not None:
            raise self.error
        return cast("Result", self.result)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.result = self._call()
        except BaseException as error:  # which is raised where it is waited for
            self.error = error
        finally:
            self.is_over.set()


def give_up_attempt(attempt: Attempt[Any], watched: Watched) -> None:
    """Give up, again and again as others may come to be meanwhile, until the thread is at its end."""
    deadline = monotonic() + SECONDS_TO_END
    watched.give_up()
    while not attempt.is_over.wait(SECONDS_BETWEEN_LOOKS) and monotonic() < deadline:
        watched.give_up()
