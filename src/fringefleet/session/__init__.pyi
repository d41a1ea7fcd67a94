from .course import run_session as run_session
from .course import run_with_workers as run_with_workers
from .early import early_workers as early_workers
from .fitting import Session as Session
from .fitting import prepare_session as prepare_session
from .run_file import write_session_file as write_session_file

__all__ = [
    "Session",
    "early_workers",
    "prepare_session",
    "run_session",
    "run_with_workers",
    "write_session_file",
]
