"""Who may talk to the workers, and who may see what they put on disk."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import dask
from distributed import Security

from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import InputError, MissingExtraError, OptionError
from fringefleet.io.owned import owned_folder

LOOPBACK = "127.0.0.1"


def temporary_security(options: ClusterOptions) -> Security | None:
    """Make certificates for a cluster that is started here, if it was asked for; they are never on disk.

    Raises
    ------
    MissingExtraError
        The library that makes them is not installed.
    """
    if not options.tls:
        return None
    try:
        security: Security = Security.temporary()
    except ImportError as error:
        raise MissingExtraError(
            "--tls needs the library cryptography; install it with pip install 'fringefleet[tls]'."
        ) from error
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
    wanted = options.tls or options.tls_ca is not None
    if not address.startswith("tls://"):
        if wanted:
            raise OptionError(
                f"found TLS asked for, and {address}, which has none; start it with TLS: tls://."
            )
        return None
    given = {
        "tls_ca_file": options.tls_ca,
        "tls_client_cert": options.tls_cert,
        "tls_client_key": options.tls_key,
    }
    files = {name: str(Path(file).absolute()) for name, file in given.items() if file is not None}
    for file in files.values():
        if not Path(file).is_file():
            raise InputError(f"found no certificate file {file}.")
    security: Security = Security(require_encryption=True, **files)
    if None in (getattr(security, name) for name in ("tls_ca_file", "tls_client_cert")):
        raise OptionError(
            f"{address} wants TLS; give the certificates with --tls-ca, --tls-cert and --tls-key."
        )
    _refuse_unusable(security, files)
    return security


def _refuse_unusable(security: Security, files: Mapping[str, str]) -> None:
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

    Those that processes left behind when they were killed are removed, too.

    It lies in ``local_directory`` of the options, if that is there, else where Dask or the system puts
    temporary files.

    Raises
    ------
    InputError
        It cannot be made there.
    """
    base = Path(
        options.get("local_directory") or dask.config.get("temporary-directory", None) or gettempdir()
    )
    with ExitStack() as opened:
        try:
            os.scandir(base).close()  # before anything is made there
            folder = opened.enter_context(owned_folder(base, "fringefleet-workers-"))
        except OSError as error:
            raise InputError(
                f"no folder for the workers' files can be made in {base} ({error.strerror or error}); "
                "give one that is there, and that you can write to, as local_directory."
            ) from error
        yield str(folder)
