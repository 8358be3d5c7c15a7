"""The workers of a Dask cluster, for `build_many`."""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager

from model_archiver._version import __version__
from model_archiver.core.problems import ModelArchiverError, error

_PACKAGE = "torch-model-archiver"
_ADDRESS = r"(?:(?:tcp|tls|wss?)://)?\[?([^/\s]+?)\]?:(\d+)"  # given others, distributed starts a cluster of its own
_CONNECT_SECONDS, _WORKER_SECONDS = 5, 30  # the import of distributed takes some, too


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """Yield an executor that builds on the workers of the Dask scheduler at an address; log nothing.

    Raise ModelArchiverError if it does not answer, has no worker, or one with another version of this package.
    """
    if not (match := re.fullmatch(_ADDRESS, address)):
        raise error("usage-invalid", "is not the address of a Dask scheduler", "give HOST:PORT", f"--dask {address}")
    try:
        distributed = importlib.import_module("distributed")
    except Exception as failure:  # a broken package can raise anything
        raise ModelArchiverError("Dask needs the extra [dask]: pip install distributed") from failure
    with ExitStack() as stack:
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        wrong = f"no worker joined the Dask cluster at {address} within {_WORKER_SECONDS} s; start one: dask worker "
        try:
            socket.create_connection((match[1], match[2]), _CONNECT_SECONDS).close()  # distributed tries many times
            greeting = distributed.core.connect(address, **distributed.Security().get_connection_args("client"))
            asyncio.run(asyncio.wait_for(greeting, _CONNECT_SECONDS))  # Client would wait forever for a silent server
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False))
        except Exception as failure:
            reason = str(failure).partition("\n")[0] or type(failure).__name__
            raise ModelArchiverError(f"no Dask scheduler answers at {address}: {reason}") from failure
        try:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
            versions = client.get_versions(packages=[_PACKAGE])["workers"]
        except Exception as failure:
            raise ModelArchiverError(wrong + address) from failure
        for name, worker in versions.items():
            if (version := worker["packages"][_PACKAGE] or "(not installed)") != __version__:
                wrong = f"the worker {name} has {_PACKAGE} {version}, but this computer has {__version__}"
                raise ModelArchiverError(f"{wrong}; install the same version there")
        executor = client.get_executor(pure=False, retries=0)
        executor._max_workers = sum(client.nthreads().values())  # the name that it has in other executors
        executor.wait_for_workers = lambda: client.wait_for_workers(1, _WORKER_SECONDS)
        executor.lost = f"all workers of the Dask cluster at {address}, or its scheduler, are lost"
        yield executor
