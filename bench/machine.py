# SPDX-License-Identifier: MIT
"""Programs on their cores: started pinned, their CPU time read, stopped by their own id."""

import os
import platform
import re
import resource
import signal
import socket
import subprocess
import time

SERVER_CORE, CLIENT_CORE = 0, 1 if os.cpu_count() > 1 else 0
START_SECONDS = 15
GIB = 1 << 30


def free_port(kind=socket.SOCK_DGRAM):
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_bound(port, kind):
    """Whether some socket listens on that port; kind is "udp" or "tcp"."""
    for table in (f"/proc/net/{kind}", f"/proc/net/{kind}6"):
        with open(table, encoding="ascii") as file:
            for line in list(file)[1:]:
                words = line.split()
                if words[1].endswith(f":{port:04X}") and words[2].endswith(":0000"):
                    return True
    return False


def members(group):
    """The processes of a process group: a server may have children that do the work."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                found.append(int(name))
    return found


def cpu_of(pid):
    """CPU seconds of a process that still runs, in nanosecond steps where the kernel has them."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9
    except OSError:
        return 0.0


class Server:
    """A server on its core, ready when its port is bound."""

    def __init__(self, command, port, log, kind="udp", core=SERVER_CORE, env=None):
        # pylint: disable=too-many-arguments,too-many-positional-arguments
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=env,
        )
        limit = time.monotonic() + START_SECONDS
        while not is_bound(port, kind):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise OSError(f"{command[0]} did not start, see {log.name}")
            time.sleep(0.02)
        time.sleep(0.1)

    def cpu(self):
        """CPU seconds so far, of all its processes and threads."""
        return sum(cpu_of(pid) for pid in members(self.process.pid))

    def resident_bytes(self):
        """Resident memory of all its processes."""
        total = 0
        for pid in members(self.process.pid):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * resource.getpagesize()
        return total

    def stop(self):
        """SIGTERM to the group, then SIGKILL."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sig)
                self.process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Run:
    """What a client's run took: seconds, its own CPU seconds, its output."""

    def __init__(self, command, log=None, core=CLIENT_CORE, timeout=120):
        began = time.monotonic()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timer = _Alarm(process, timeout)
        self.output = process.stdout.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.code = process.returncode
        self.seconds = time.monotonic() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        if log:
            log.write(f"$ {' '.join(command)}\n{self.output}[exit {self.code}]\n")
            log.flush()


class _Alarm:
    """Kills a client's process group when its time is up."""

    def __init__(self, process, seconds):
        import threading  # pylint: disable=import-outside-toplevel

        self.timer = threading.Timer(seconds, self.ring, (process,))
        self.timer.daemon = True
        self.timer.start()

    @staticmethod
    def ring(process):
        """Time is up."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def cancel(self):
        """It ended by itself."""
        self.timer.cancel()


def certificate(folder):
    """A self-signed P-256 certificate for localhost in that folder; (cert, key)."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    check = ("openssl", "x509", "-in", cert, "-noout", "-checkend", "86400")
    if subprocess.run(check, capture_output=True, check=False).returncode != 0:
        make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
        make += " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        command = ["openssl", *make.split(), "-keyout", key, "-out", cert]
        subprocess.run(command, check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "wb") as both:
        for path in (cert, key):
            with open(path, "rb") as file:
                both.write(file.read())
    return cert, key


def describe():
    """The machine, in one line."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    has = [name for name in ("aes", "vaes", "avx2", "avx512f") if flags and name in flags[1].split()]
    what = model[1] if model else platform.machine()
    return f"{what}, {os.cpu_count()} cores ({', '.join(has)}), Linux {platform.release()}"
