"""Credentials of a cluster with TLS in a file, by which another process of the same user may join it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import private_folder

if TYPE_CHECKING:
    from distributed import Client, Security

CREDENTIALS = "tls_credentials"  # key of a scheduler file, and field of a ClusterOptions
_NAME = "credentials.pem"


@contextmanager
def kept_credentials(client: "Client", options: ClusterOptions) -> Iterator[Path | None]:
    """Keep the credentials of a cluster that was started here in a file, as long as it lives.

    It has the certificate, which is its own authority, and its key, as PEM, and lies in a folder that only
    this user can enter; under Slurm in the one that the jobs have theirs from, on a disk of all nodes.
    None where there are none, or where somebody else has them.
    """
    if not options.is_started or not options.is_encrypted:
        yield None
        return
    config = client.security.get_tls_config_for_role("client")
    parts = (config["cert"], config["key"])  # in memory, or in files
    text = "".join(part if "\n" in part else Path(part).read_text() for part in parts)
    with ExitStack() as opened:
        # Either is removed with all that is in it.
        place = folder_of(client.security) or Path(opened.enter_context(private_folder(options.options)))
        yield write_private(place / _NAME, text)


def write_private(path: Path, text: str) -> Path:
    """Write a new file that only this user can read, from its first moment on.

    Raises
    ------
    FileExistsError
        There is something of this name, a link included.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask and the defaults of the folder are
        file.write(text)
    return path


def folder_of(security: "Security | None") -> Path | None:
    """Find the folder that credentials lie in; None if there are none, or in memory only."""
    certificate = "" if security is None else str(security.get_tls_config_for_role("client")["cert"])
    return None if not certificate or "\n" in certificate else Path(certificate).parent
