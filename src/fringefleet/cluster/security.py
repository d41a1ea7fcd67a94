"""Who may talk to the workers, and who may see what they put on disk."""

import glob
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import dask
import psutil
from distributed import Security

from fringefleet.cluster.exposure import check_running_protocol
from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import InputError, OptionError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
WITH_TLS = ("tls://", "wss://")


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
    _refuse_unusable(security, given)
    return security


def _given_files(options: ClusterOptions) -> dict[str, str]:
    """Name the files of the certificates that were given as Dask does."""
    given = {
        "tls_ca_file": options.tls_credentials or options.tls_ca,
        "tls_client_cert": options.tls_credentials or options.tls_cert,
        "tls_client_key": options.tls_credentials or options.tls_key,
    }
    return {name: str(Path(file).absolute()) for name, file in given.items() if file is not None}


@cache  # so that it is said once
def warn_of_open(address: str) -> None:
    """Warn of a scheduler that others may reach, and that asks nobody for a certificate."""
    if not address.startswith((*WITH_TLS, "inproc://")):
        logger.warning(
            "%s has no TLS: whoever can reach it can run code as you. Start it with TLS (deploy/README.md, "
            "Security) where others can log in",
            address,
        )


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
    base = options.get("local_directory") or dask.config.get("temporary-directory", None)
    ours = f"fringefleet-{gethostname()}-"
    _remove_left_behind(Path(base or gettempdir()), ours)
    try:
        made = TemporaryDirectory(
            prefix=f"{ours}{os.getpid()}-", dir=base, ignore_cleanup_errors=True
        )  # mode 0700
    except OSError as error:
        raise InputError(
            f"no folder for the workers' files can be made in {base or gettempdir()} ({error.strerror}); "
            "give one that is there, and that you can write to, as local_directory."
        ) from error
    with made as folder:
        yield folder


def _remove_left_behind(base: Path, prefix: str) -> None:
    """Remove folders of processes of this user and host that are no more."""
    for folder in base.glob(f"{glob.escape(prefix)}*-*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        with suppress(OSError):
            if pid.isdigit() and folder.stat().st_uid == os.getuid() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
