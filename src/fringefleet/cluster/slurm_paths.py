"""Paths as they are written into the script of a job: for the shell, and for ``#SBATCH`` lines."""

import re
import unicodedata
from pathlib import Path

from fringefleet.errors import OptionError

CONTROL = ("Cc", "Cs")  # characters that end lines, and bytes that are none: no quotation saves them


def check_path(name: str, path: str | Path, advice: str) -> None:
    """Refuse a path that cannot be written into a script.

    Raises
    ------
    OptionError
        Says which character, and what to do.
    """
    for character in str(path):
        if unicodedata.category(character) in CONTROL:
            raise OptionError(
                f"found the character {character!r} in the path of {name}, {str(path)!r}, which no job "
                f"script can have; {advice}."
            )


def sbatch_log(folder: Path, pattern: str) -> str:
    r"""Write the path of a log as the value of ``#SBATCH -o``, which Slurm reads in two steps.

    sbatch takes the quotation off the word, in which ``\`` protects what follows, and blanks out ``hetjob``
    and ``packjob``; then ``%`` begins a pattern, and a ``\`` that is left would end all patterns.

    Parameters
    ----------
    folder
        Any folder; its name is taken as it is.
    pattern
        Name of the file, in which ``%x`` and so on have their meaning.

    Raises
    ------
    OptionError
        The folder cannot be written so.

    Examples
    --------
    >>> print(sbatch_log(Path('/a "b" 5%'), "%j.log"))
    "/a \"b\" 5%%/%j.log"
    """
    advice = "give another as log_directory"
    check_path("the folder for logs", folder, advice)
    if "\\" in str(folder):
        raise OptionError(
            f"found a backslash in the folder for logs, {folder}, which Slurm removes; {advice}."
        )
    text = str(folder).replace("%", "%%").replace('"', r"\"")
    text = re.sub(r"(het|pack)(?=job)", r"\1\\", text, flags=re.IGNORECASE)
    return f'"{text}/{pattern}"'
