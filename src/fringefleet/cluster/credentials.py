"""Credentials of a cluster with TLS in a file, by which another process of the same user may join it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, Security

from fringefleet.cluster.options import ClusterOptions
from fringefleet.cluster.security import private_folder

CREDENTIALS = "tls_credentials"  # key of a scheduler file, and field of a ClusterOptions
NAME = "credentials.pem"


@contextmanager
def kept_credentials(client: Client, options: ClusterOptions) -> Iterator[Path | None]:
    """Keep the credentials of a cluster that was started here in a file, as long as it lives.

    It has the certificate, which is its own authority, and its key, as PEM, and lies in a folder that only
    this user can enter; under Slurm in the one that the jobs have theirs from, on a disk of all nodes.
    None where there are none, or where somebody else has them.
    """
    if not options.is_started or not options.is_encrypted:
        yield None
        return
    certificate, key = _read(client.security)
    place = folder_of(client.security)
    if place is not None:
        yield write_private(place / NAME, certificate + key)  # removed with the folder
        return
    with private_folder(options.options) as folder:
        yield write_private(Path(folder) / NAME, certificate + key)


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


def _read(security: Security) -> tuple[str, str]:
    """Read certificate and key of a client: they are in memory, or in files."""
    config = security.get_tls_config_for_role("client")
    certificate, key = (
        value if "\n" in value else Path(value).read_text() for value in (config["cert"], config["key"])
    )
    return certificate, key


def folder_of(security: Security | None) -> Path | None:
    """Find the folder that credentials lie in; None if there are none, or in memory only."""
    certificate = "" if security is None else str(security.get_tls_config_for_role("client")["cert"])
    return None if not certificate or "\n" in certificate else Path(certificate).parent
