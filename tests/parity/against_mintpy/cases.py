"""One set of options on one scene, run by both programs in copies of the same inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.against_mintpy.programs import Job, Outcome, run_mintpy, run_ours

OURS = "fringefleet.cli:app"
STACK = "inputs/ifgramStack.h5"

Scene = Callable[[Path, Path], None]  # data of the stored scenes, folder to write


@dataclass(frozen=True)
class Case:
    """A name, the inputs, and the options.

    ``scene`` is given the folder of the stored scenes and the folder to write into. ``template`` are lines of
    a template file; ``options`` those of the command line after the stack.
    """

    name: str
    scene: Scene
    options: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    stack: str = STACK

    def arguments(self) -> tuple[str, ...]:
        return (self.stack, *self.options, *(("-t", "options.cfg") if self.template else ()))

    def our_job(self, folder: Path, workers: str) -> Job:
        return Job(folder, OURS, ("mintpy", *self.arguments(), "-c", workers))

    def their_job(self, folder: Path) -> Job:
        return Job(folder, "mintpy.cli.ifgram_inversion:main", self.arguments())

    def prepare(self, data: Path, folder: Path) -> Path:
        """Write the inputs."""
        folder.mkdir(parents=True)
        self.scene(data, folder)
        if self.template:
            (folder / "options.cfg").write_text("".join(f"{line}\n" for line in self.template))
        return folder


@dataclass(frozen=True)
class Pair:
    """What both programs made of a case."""

    ours: Path
    theirs: Path
    outcomes: tuple[Outcome, Outcome]

    def assert_success(self) -> None:
        for outcome in self.outcomes:
            outcome.assert_success()


@dataclass(frozen=True)
class Step(Case):
    """The step ``invert_network`` of a whole project folder; ``template`` lies over that of the project."""

    def our_job(self, folder: Path, workers: str) -> Job:
        custom = ("-t", "options.cfg") if self.template else ()
        return Job(folder, OURS, ("mintpy", ".", *self.options, *custom, "-c", workers))

    def their_job(self, folder: Path) -> Job:
        custom = ("options.cfg",) if self.template else ()
        return Job(folder, "mintpy.cli.smallbaselineApp:main", (*custom, "--dostep", "invert_network"))


def changed(scene: Scene, *changes: Callable[[Path], None]) -> Scene:
    """Make a scene of another one and some changes of its folder."""

    def write(data: Path, folder: Path) -> None:
        scene(data, folder)
        for change in changes:
            change(folder)

    return write


def run_both(
    python: Path, cases: Sequence[Case], data: Path, folder: Path, workers: str = "local"
) -> dict[str, Pair]:
    """Run all cases with both programs, each program in one process; the outcomes by name.

    Ours is given the address of running ``workers``, which saves starting them for each case.
    """
    ours, theirs = [], []
    for case in cases:
        mine, other = (case.prepare(data, folder / program / case.name) for program in ("ours", "theirs"))
        ours.append(case.our_job(mine, workers))
        theirs.append(case.their_job(other))
    outcomes = zip(
        run_ours(ours, folder / "jobs" / "ours"),
        run_mintpy(python, theirs, folder / "jobs" / "theirs"),
        strict=True,
    )
    return {
        case.name: Pair(mine.job.folder, other.job.folder, (mine, other))
        for case, (mine, other) in zip(cases, outcomes, strict=True)
    }
