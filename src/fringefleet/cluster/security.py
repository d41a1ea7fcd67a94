"""Access control: of workers, and of what they put on disk."""

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

LOOPBACK = "127.0.0.1"


def temporary_security(options: ClusterOptions) -> Security | None:
    """Make certificates for a cluster that is started here, unless it is to go without; in memory only."""
    if not options.is_encrypted:
        where = f"of the network {options.interface}" if options.interface else "of this machine"
        logger.warning("no TLS: every user %s can connect to the workers and run code as you", where)
        return None
    security: Security = Security.temporary()
    return security


def running_security(options: ClusterOptions, address: str) -> Security | None:
    """Find the certificates for a running cluster: as given, else as Dask's own configuration says.

    Raises
    ------
    OptionError
        It wants TLS and there are none; or they are given, and it does not want them.
    InputError
        A file is not there, or is none of a certificate or of its key.
    """
    check_running_protocol(address, options.tls)
    given = _given_files(options)
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
    security: Security = Security(require_encryption=True, **given)
    if None in (getattr(security, name) for name in ("tls_ca_file", "tls_client_cert")):
        raise OptionError(
            f"{address} wants TLS; give the certificates with --tls-credentials, or with --tls-ca, "
            "--tls-cert and --tls-key."
        )
    _check_usable(security, given)
    return security


def _given_files(options: ClusterOptions) -> dict[str, str]:
    """Name the files of the certificates that were given as Dask does."""
    all_in_one = options.tls_credentials
    files = (all_in_one or options.tls_ca, all_in_one or options.tls_cert, all_in_one or options.tls_key)
    given = zip(("tls_ca_file", "tls_client_cert", "tls_client_key"), files, strict=True)
    return {name: str(Path(file).absolute()) for name, file in given if file is not None}


def _check_usable(security: Security, files: Mapping[str, str]) -> None:
    """Refuse certificates that cannot be read, or a key that is not theirs."""
    try:
        security.get_connection_args("client")
    except OSError as error:  # SSLError is one
        listed = ", ".join(files.values()) or "of Dask's configuration"
        raise InputError(
            f"the certificates {listed} cannot be used ({error}); give PEM files, and the key that belongs "
            "to the certificate."
        ) from error


@contextmanager
def private_folder(options: Mapping[str, Any]) -> Iterator[str]:
    """Make a folder for the workers' files that only this user can read, and remove it at last.

    Those that processes left behind when they were killed are removed, too. It lies in ``local_directory`` of
    the options, else where Dask or the system puts temporary files.

    Raises
    ------
    InputError
        It cannot be made there.
    """
    given, of_site = options.get("local_directory"), dask.config.get("temporary-directory", None)
    base = Path(given or of_site or gettempdir())
    with ExitStack() as opened:
        try:
            os.scandir(base).close()  # before anything is made there
            folder = opened.enter_context(owned_folder(base, "fringefleet-workers-"))
        except OSError as error:
            where = (
                "temporary-directory of Dask's configuration" if of_site and not given else "local_directory"
            )
            raise InputError(
                f"no folder for the workers' files can be made in {base} ({error.strerror or error}); "
                f"give one that is there, and that you can write to, as {where}."
            ) from error
        yield str(folder)
