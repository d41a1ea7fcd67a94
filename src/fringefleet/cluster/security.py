"""Access control: certificates of workers, and files that only this user can read."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import dask
from distributed import Security

from fringefleet.cluster.exposure import check_running_protocol
from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import InputError, OptionError
from fringefleet.io.store.owned import owned_folder
from fringefleet.processes.clients import WITH_TLS, warn_of_open

logger = logging.getLogger(__name__)

CREDENTIALS = "tls_credentials"  # key of a scheduler file, and field of a ClusterOptions
_OF_CLIENT = ("tls_ca_file", "tls_client_cert", "tls_client_key")
_PARTS = tuple(f"tls_{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key"))


def temporary_security(options: ClusterOptions) -> Security | None:
    """Create certificates in memory for a new cluster, unless TLS is off."""
    if not options.is_encrypted:
        where = f"of the network {options.interface}" if options.interface else "of this machine"
        logger.warning("no TLS: every user %s can connect to the workers and run code as you", where)
    return Security.temporary() if options.is_encrypted else None


def running_security(options: ClusterOptions, address: str) -> Any:
    """Find the certificates for a running cluster: those given, else those of Dask's configuration.

    Raises an ``OptionError`` if they are missing or not wanted, an ``InputError`` for an invalid file.
    """
    check_running_protocol(address, options.tls)
    files = dict(zip(_OF_CLIENT, (options.tls_ca, options.tls_cert, options.tls_key), strict=True))
    if options.tls_credentials is not None:
        files = dict.fromkeys(_OF_CLIENT, options.tls_credentials)
    given = {name: str(Path(file).absolute()) for name, file in files.items() if file is not None}
    if not address.startswith(WITH_TLS):
        if options.tls or given:
            raise OptionError(
                f"found TLS asked for, and {address}, which has none; start it with TLS: tls://."
            )
        warn_of_open(address)
        return None
    for file in given.values():
        if not Path(file).is_file():
            raise InputError(f"found no certificate file {file}.")
    security: Any = Security(require_encryption=True, **given)
    if security.tls_ca_file is None or security.tls_client_cert is None:
        raise OptionError(
            f"{address} wants TLS; give the certificates with --tls-credentials, or with --tls-ca, "
            "--tls-cert and --tls-key."
        )
    try:
        security.get_connection_args("client")
    except OSError as error:  # SSLError is one
        listed = ", ".join(given.values()) or "of Dask's configuration"
        raise InputError(
            f"the certificates {listed} cannot be used ({error}); give PEM files, and the key that belongs "
            "to the certificate."
        ) from error
    return security


def write_pem(security: Any, folder: Path) -> Path:
    """Write the certificate of temporary credentials, which is its own authority, and its key to a file."""
    return write_private(folder / "credentials.pem", security.tls_client_cert + security.tls_client_key)


def security_in(file: Path) -> Security:
    """Read credentials from such a file, for client, scheduler and workers."""
    return Security(require_encryption=True, **dict.fromkeys(("tls_ca_file", *_PARTS), str(file)))


@contextmanager
def kept_credentials(security: Any, options: ClusterOptions) -> Iterator[Path | None]:
    """Write the credentials of a new cluster to a private file, by which this user may join it."""
    if not options.is_started or not options.is_encrypted:
        yield None
    elif options.kind == "slurm":
        yield Path(security.tls_client_cert)
    else:
        with private_folder(options.options) as folder:
            yield write_pem(security, Path(folder))


@contextmanager
def private_folder(options: Mapping[str, Any]) -> Iterator[str]:
    """Create a private folder for workers' files; remove it, and abandoned ones, at the end."""
    base, where = options.get("local_directory"), "local_directory"
    if not base and (base := dask.config.get("temporary-directory", None)):
        where = "temporary-directory of Dask's configuration"
    base = Path(base or gettempdir())
    with ExitStack() as opened:
        try:
            os.scandir(base).close()  # before anything is made there
            folder = opened.enter_context(owned_folder(base, "fringefleet-workers-"))
        except OSError as error:
            raise InputError(
                f"no folder for the workers' files can be made in {base} ({error.strerror or error}); "
                f"give one that is there, and that you can write to, as {where}."
            ) from error
        yield str(folder)


def write_private(path: Path, text: str) -> Path:
    """Write a new file that only this user can ever read; a ``FileExistsError`` if the name is taken."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask and the defaults of the folder are
        file.write(text)
    return path
