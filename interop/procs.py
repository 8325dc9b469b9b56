# SPDX-License-Identifier: MIT
"""Processes and ports: everything started here is stopped here, by its own id."""

import os
import signal
import socket
import subprocess
import time

START_SECONDS = 15
STOP_SECONDS = 5


def free_port(kind):
    """A port of 127.0.0.1 that was free a moment ago; kind is SOCK_DGRAM or SOCK_STREAM."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_bound(port):
    """Whether some socket listens on that UDP port."""
    needle = f":{port:04X}"
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split()[1].endswith(needle) for line in list(table)[1:])


def end(process, sig):
    """Signals the process group that this process leads."""
    try:
        os.killpg(process.pid, sig)
    except ProcessLookupError:
        pass


def spawn(command, log, **more):
    """Starts a program as the leader of its own group, output into the log."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        **more,
    )


def run(command, log, timeout, **more):
    """Runs a program to its end; its exit code, or None when the time was up."""
    process = spawn(command, log, **more)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        log.write(f"[no end after {timeout} s]\n")
        return None
    finally:
        end(process, signal.SIGKILL)
        process.wait()


class Server:
    """A server program, ready when its UDP port is bound."""

    def __init__(self, command, log, port, env=None):
        self.log = log
        self.process = spawn(command, log, env=env)
        limit = time.monotonic() + START_SECONDS
        while not is_bound(port):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise OSError(f"the server did not start, see {log.name}")
            time.sleep(0.02)

    def is_alive(self):
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self):
        """SIGTERM, then SIGKILL; its exit code, None when it had to be killed."""
        end(self.process, signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        end(self.process, signal.SIGKILL)
        self.process.wait()
        return code
