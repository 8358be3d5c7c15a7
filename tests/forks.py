"""The command in processes of its own: started in an instant as forks of this one, or from scratch as users do."""

from __future__ import annotations

import importlib
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model_archiver.cli import main
from tests.conftest import Result

for _name in ("model_packaging", "cli.json_output", "writing.folder", "writing.mar", "writing.tgz"):
    importlib.import_module(f"model_archiver.{_name}")  # so that forks need not
for _name in ("ctypes", "filecmp", "glob"):  # nor those of a user who cannot read Python's own folder
    importlib.import_module(_name)


@dataclass(frozen=True)
class Fork:
    pid: int
    err: Path

    def wait_until_stopped(self) -> None:
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.err.read_text()

    def go_on(self) -> Result:
        """Let it go on after it has stopped itself; how it ended."""
        os.kill(self.pid, signal.SIGCONT)
        return self.result()

    def result(self) -> Result:
        """How it ended; the status of one that a signal ended is the signal's number with a minus."""
        _, status = os.waitpid(self.pid, 0)
        return Result(os.waitstatus_to_exitcode(status), "", self.err.read_text())


def fork(words: list[str], err: Path, before: Callable[[], object] = lambda: None) -> Fork:
    """Run the command in a fork of this process; `before` is called there first."""
    pid = os.fork()
    if pid:
        return Fork(pid, err)
    status = 99
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest in the background ignores it
        os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - not the one that pytest reads
        logging.getLogger().handlers.clear()  # pytest's
        before()
        status = main(words)
    finally:
        sys.settrace(None)
        os._exit(status)


def stop_before_writing() -> None:
    """Have this process stop when a build has planned everything and is about to make its temporary directory."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.mkdir" and str(arguments[0]).endswith(".building"):
            stop()

    sys.addaudithook(hook)


def stopped_while_writing(words: list[str], archive: str, folder: Path) -> Fork:
    """Start a build that stops itself when it has made its archive in its staging folder, and has written nothing."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(f".building/{archive}"):
            stop()

    running = fork(words, folder / "err", lambda: sys.addaudithook(hook))
    running.wait_until_stopped()
    return running


def stopped(words: list[str]) -> Fork:
    """Start a build that has planned everything and waits before it writes."""
    running = fork(words, Path("err").resolve(), stop_before_writing)
    running.wait_until_stopped()
    return running


def as_nobody(words: list[str], folder: Path) -> Result:
    """The command, run by a user without rights of its own."""
    parents = [folder, *folder.parents]
    for parent in parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)

    def become_nobody() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

    return fork(words, folder / "err", become_nobody).result()


def start(*words: object, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "model_archiver", *map(str, words)],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate()
    return Result(process.returncode, out, err)


def hidden(folder: Path) -> list[str]:
    """What lies in a folder and is not seen at once."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def on_rename_to(target: Path, act: Callable[[], object]) -> None:
    """Have this process do something right before it first gives something this name."""
    target = target.parent.resolve() / target.name
    done = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        if event == "os.rename" and str(arguments[1]) == str(target) and not done:
            done = True
            act()

    sys.addaudithook(hook)


CHANGES = ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir")


def at_call(
    number: int, act: Callable[[], object], events: tuple[str, ...] = CHANGES, below: str = "", *, links: bool = True
) -> None:
    """Have this process do something right before its nth change of the names in a folder; perhaps without links."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in events and below in str(arguments):
            count += 1
            if count == number:
                act()
            if event == "os.link" and not links:
                fail()

    sys.addaudithook(hook)


def fail() -> None:
    """Fail as a broken disk does."""
    raise OSError(5, "Input/output error")


def limit_files() -> None:
    """Have this process open no more than two files: a build needs its lock, a source and the output."""
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, free + 2))


def stop() -> None:
    """Stop this process until it gets SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
