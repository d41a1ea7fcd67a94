"""Somebody else on this machine, who tries every port that processes listen at."""

import asyncio
import functools
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import psutil
from distributed import Security
from distributed.comm.core import connect
from distributed.core import send_recv

SECONDS = 3
GET = b"GET /health HTTP/1.0\r\n\r\n"  # what every server of Dask has


def listeners(process=None):
    """Addresses that a process and its children listen at, with the process of each."""
    process = process or psutil.Process()
    found = set()
    for one in (process, *process.children(recursive=True)):
        try:
            connections = one.net_connections(kind="inet")
        except psutil.Error:  # it has just ended
            continue
        found |= {
            (one.pid, connection.laddr.ip, connection.laddr.port)
            for connection in connections
            if connection.status == psutil.CONN_LISTEN
        }
    return found


def ways_in(ip, port):
    """Names of the ways by which a stranger gets an answer."""
    other, careless, wrong = credentials_of_a_stranger()
    ways = {
        "HTTP": lambda: is_answered(ip, port) and b" 404 " not in answer_to(ip, port),
        "HTTP that has nothing": lambda: b" 404 " in answer_to(ip, port),
        "TLS without a certificate": lambda: is_answered(ip, port, careless),
        "TLS with another's certificate": lambda: is_answered(ip, port, wrong),
        "Dask without TLS": lambda: knows_dask(f"tcp://{ip}:{port}"),
        "Dask with another's certificate": lambda: knows_dask(f"tls://{ip}:{port}", **other),
        "Dask that takes any server": lambda: knows_dask(
            f"tls://{ip}:{port}", **(other | {"ssl_context": wrong})
        ),
    }
    with ThreadPoolExecutor(len(ways)) as pool:  # Dask takes all its seconds to be refused
        opened = list(pool.map(lambda opens: opens(), ways.values()))
    return [name for name, is_open in zip(ways, opened, strict=True) if is_open]


@functools.cache
def credentials_of_a_stranger():
    """Certificates of Dask, and contexts of TLS that take any server, without and with a certificate."""
    other = Security.temporary().get_connection_args("client")
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    wrong = Security.temporary().get_connection_args("client")["ssl_context"]
    for context in (careless, wrong):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return other, careless, wrong


def is_answered(ip, port, context=None):
    """Whether a request is answered by anything but an alert of TLS or the end of the connection."""
    answer = answer_to(ip, port, context)
    return bool(answer) and not (context is None and answer[:1] == b"\x15")


def answer_to(ip, port, context=None):
    """What comes back to a request."""
    try:
        with (
            socket.create_connection((ip, port), timeout=SECONDS) as plain,
            nullcontext(plain) if context is None else context.wrap_socket(plain) as opened,
        ):
            opened.sendall(GET)
            return opened.recv(1024)
    except OSError:  # SSLError is one
        return b""


def knows_dask(address, **arguments):
    """Whether somebody answers as a scheduler, a worker or a nanny does."""

    async def ask():
        comm = await connect(address, timeout=SECONDS, **arguments)
        try:
            return await asyncio.wait_for(send_recv(comm, op="identity"), SECONDS)
        finally:
            comm.abort()

    try:
        return "id" in asyncio.run(ask())
    except (OSError, TypeError, ValueError):
        return False
