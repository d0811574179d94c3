"""Processes that this benchmark starts: each ends with it, and `/proc` says what it used.

Promises that nothing started here outlives the block it was started in: each process leads a
session of its own, which is ended as a whole, and dies with its parent. Knows no program.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time

# The kernel tells times of processes in hundredths of a second, on every architecture.
TICKS_PER_SECOND = 100
PR_SET_PDEATHSIG = 1
# From asking a process to end until it is killed.
GRACE_SECONDS = 20

_LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """Something that was started did not do what it should; the text says what."""


@contextlib.contextmanager
def running(command, log, **options):
    """A process in the background, its output in a file; ended with all it started on the way out."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=_die_with_parent, **options)
    try:
        yield process
    finally:
        _end(process)


def _die_with_parent():
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process):
    for name, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    process.wait()


def require(process, log):
    """Fails if a process that should run has ended."""
    if process.poll() is not None:
        raise Failed(f"{process.args[0]} ended with {process.returncode}\n{tail(log)}")


def tail(log, size=3000):
    """The end of a file of output."""
    with open(log, "rb") as file:
        return file.read()[-size:].decode("utf-8", "replace")


def cpu_seconds(pid):
    """Seconds of CPU that a process has used so far, in user and in kernel mode."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        # The name, in parentheses, may hold anything; user and system time are fields 14 and 15.
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def peak_bytes(pid):
    """The most memory that a process has ever held."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise Failed(f"no peak of memory of process {pid}")


def children_cpu_seconds():
    """Seconds of CPU of all processes that were started and have ended, with all of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def free_ports(count):
    """Ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for taken in sockets:
            taken.bind(("127.0.0.1", 0))
        return [taken.getsockname()[1] for taken in sockets]


def await_that(condition, seconds, what):
    """Looks until the condition holds; fails once the time is up."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)
