#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tern perf against itself and against tern serve, on the loopback address: counts, JSON, errors. Figures
of speed are never judged."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

TERN = os.environ.get("TERN", "build/tern")
SECONDS = 60
MIB = 1 << 20


def run(*arguments):
    """tern perf with these arguments."""
    return subprocess.run([TERN, "perf", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)


class Server:
    """`tern perf server` or `tern serve`, ready when the constructor returns."""

    def __init__(self, *command):
        self.program = subprocess.Popen([TERN, *command], text=True, stdout=subprocess.PIPE)
        for line in self.program.stdout:
            if "listening on " in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError("the server did not come up")

    def stop(self):
        """Its exit code after SIGINT, and the rest of its output."""
        self.program.send_signal(signal.SIGINT)
        rest = self.program.communicate(timeout=SECONDS)[0]
        return self.program.returncode, rest


class Case(unittest.TestCase):
    """One certificate for all; a perf server for each test."""

    @classmethod
    def setUpClass(cls):
        cls.at = tempfile.mkdtemp(prefix="tern-perf-")
        cls.cert, cls.key = os.path.join(cls.at, "cert.pem"), os.path.join(cls.at, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", cls.key, "-out", cls.cert],
                       check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.at)

    def report(self, done, code=0):
        """The JSON of a run that ended with that code."""
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)


class Protocol(Case):
    """Client and server of the perf protocol."""

    def setUp(self):
        self.server = Server("perf", "server", "--each", "--cert", self.cert, "--key", self.key, "127.0.0.1:0")

    def tearDown(self):
        code, rest = self.server.stop()
        self.assertEqual(code, 0, rest)
        self.assertIn("total: ", rest)

    def client(self, *arguments, code=0):
        return self.report(run("client", "--json", "--cacert", self.cert, *arguments, f"127.0.0.1:{self.server.port}"),
                           code)

    def test_down(self):
        said = self.client("--down", "4M", "--streams", "3", "--connections", "2")
        self.assertEqual((said["mode"], said["done"], said["failed"]), ("bulk", 6, 0))
        self.assertEqual((said["received_bytes"], said["sent_bytes"]), (24 * MIB, 0))
        self.assertEqual((said["latency_us"]["count"], said["handshake_us"]["count"]), (6, 2))
        self.assertGreater(said["down_bits_per_second"], 0)
        self.assertGreater(said["cpu"]["seconds_per_gib"], 0)
        self.assertLessEqual(said["connections"]["fairness"], 1)

    def test_up_and_down(self):
        said = self.client("--up", "4M", "--down", "1M", "--streams", "2")
        self.assertEqual((said["done"], said["received_bytes"], said["sent_bytes"]), (4, 2 * MIB, 8 * MIB))

    def test_requests(self):
        said = self.client("--requests", "1000", "--streams", "20", "--connections", "3", "--request-bytes", "100",
                           "--response-bytes", "5000")
        self.assertEqual((said["mode"], said["done"], said["failed"]), ("requests", 1000, 0))
        self.assertEqual((said["received_bytes"], said["sent_bytes"]), (5_000_000, 100_000))
        times = said["latency_us"]
        self.assertTrue(times["min"] <= times["p50"] <= times["p90"] <= times["p99"] <= times["p999"] <= times["max"])

    def test_empty_answers(self):
        said = self.client("--requests", "50", "--response-bytes", "0")
        self.assertEqual((said["done"], said["received_bytes"]), (50, 0))

    def test_rate(self):
        said = self.client("--requests", "100", "--rate", "500")
        self.assertEqual(said["done"], 100)
        self.assertGreaterEqual(said["seconds"], 0.198)  # the last is due after 99 of 500

    def test_duration(self):
        said = self.client("--down", "1T", "--duration", "0.3")
        self.assertEqual((said["done"], said["unfinished"], said["failed"]), (0, 1, 0))
        self.assertGreater(said["received_bytes"], 0)
        self.assertGreaterEqual(said["seconds"], 0.3)

    def test_handshakes(self):
        said = self.client("--handshakes", "30", "--connections", "3")
        self.assertEqual((said["mode"], said["done"], said["failed"]), ("handshakes", 30, 0))
        self.assertEqual((said["connections"]["opened"], said["handshake_us"]["count"]), (30, 30))
        # Each was complete for the server, too; its line says that the last packet is there, which a signal
        # could overtake.
        lines = [self.server.program.stdout.readline() for _ in range(30 * 2)]
        self.assertEqual(sum(line.startswith("connection: ") for line in lines), 30)
        code, rest = self.server.stop()
        self.assertEqual(code, 0)
        self.assertIn(", 30 connections, 0 open", rest)
        self.setUp()

    def test_idle(self):
        said = self.client("--idle", "150", "--duration", "0.2")
        self.assertEqual((said["mode"], said["done"], said["failed"]), ("idle", 0, 0))
        self.assertEqual((said["connections"]["opened"], said["connections"]["open_at_end"]), (150, 150))
        self.assertGreater(said["connections"]["heap_bytes"], 0)

    def test_datagrams(self):
        said = self.client("--datagrams", "200", "--datagram-bytes", "600", "--connections", "2", "--rate", "2000")
        self.assertEqual((said["mode"], said["failed"]), ("datagrams", 0))
        self.assertEqual(said["done"] + said["unfinished"], 200)  # what is lost is counted, too
        self.assertGreater(said["done"], 0)
        self.assertEqual((said["sent_bytes"], said["received_bytes"]), (120_000, 600 * said["done"]))
        self.assertEqual(said["latency_us"]["count"], said["done"])

    def test_datagram_too_large(self):
        done = run("client", "--cacert", self.cert, "--datagrams", "1", "--datagram-bytes", "5000",
                   f"127.0.0.1:{self.server.port}")
        self.assertEqual((done.returncode, done.stdout), (5, ""), done.stderr)
        self.assertIn("--datagram-bytes: 5000 is above", done.stderr)

    def test_text(self):
        done = run("client", "--cacert", self.cert, "--requests", "10", f"localhost:{self.server.port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("10 done", "p50", "p99.9", "handshake", "cpu", "packets"):
            self.assertIn(word, done.stdout)


class Reports(Case):
    """What the server tells."""

    def test_json(self):
        server = subprocess.Popen([TERN, "perf", "server", "--json", "--each", "--cert", self.cert, "--key", self.key,
                                   "127.0.0.1:0"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        port = next(line for line in server.stderr if "listening on" in line).rsplit(":", 1)[1].strip()
        done = run("client", "--cacert", self.cert, "--requests", "40", "--response-bytes", "1000", f"127.0.0.1:{port}")
        self.assertEqual(done.returncode, 0, done.stderr)
        each = json.loads(server.stdout.readline())
        self.assertEqual((each["report"], each["streams"], each["sent_bytes"], each["received_bytes"]),
                         ("connection", 40, 40_000, 320))
        server.send_signal(signal.SIGUSR1)
        self.assertEqual(json.loads(server.stdout.readline())["connections"], 1)
        server.send_signal(signal.SIGTERM)
        total = json.loads(server.communicate(timeout=SECONDS)[0])
        self.assertEqual(server.returncode, 0)
        self.assertEqual((total["report"], total["connections"], total["connections_open"], total["streams"]),
                         ("total", 1, 0, 40))
        self.assertIn("user_seconds", total["cpu"])


class Http(Case):
    """tern perf h3 against tern serve."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(os.path.join(cls.at, "www"))
        with open(os.path.join(cls.at, "www", "thousand"), "wb") as file:
            file.write(bytes(1000))
        cls.server = Server("serve", "--cert", cls.cert, "--key", cls.key, "--listen", "127.0.0.1:0",
                            os.path.join(cls.at, "www"))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        super().tearDownClass()

    def load(self, path, *arguments, code=0):
        return self.report(run("h3", "--json", "--cacert", self.cert, *arguments,
                               f"https://localhost:{self.server.port}{path}"), code)

    def test_requests(self):
        said = self.load("/thousand", "--requests", "500", "--connections", "4", "--streams", "10")
        self.assertEqual((said["mode"], said["done"], said["failed"], said["received_bytes"]), ("h3", 500, 0, 500_000))
        self.assertEqual(said["statuses"], {"200": 500})
        self.assertEqual(said["first_byte_us"]["count"], 500)
        self.assertLessEqual(said["first_byte_us"]["p50"], said["latency_us"]["p50"])

    def test_rate(self):
        said = self.load("/thousand", "--rate", "200", "--duration", "0.3", "--streams", "100")
        self.assertLessEqual(said["done"] + said["unfinished"], 61)  # that many were due
        self.assertEqual(said["failed"], 0)

    def test_status(self):
        said = self.load("/none", "--requests", "3", code=7)
        self.assertEqual((said["done"], said["statuses"]), (3, {"404": 3}))

    def test_body(self):
        said = self.load("/none", "--requests", "3", "--body-bytes", "20K", "-X", "PUT", code=7)
        self.assertEqual((said["done"], said["statuses"]), (3, {"405": 3}))


class Errors(Case):
    """What cannot be: said in words that name the option, with the exit codes of tern get."""

    def check(self, code, words, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertIn(words, done.stderr)

    def test_usage(self):
        for words, *arguments in (
                ("say server, client or h3",), ('no "x"', "x"), ("no HOST:PORT given", "client"),
                ("--streams: 0 is below 1", "client", "--streams", "0", "h"),
                ('--streams: "x" is no whole number', "client", "--streams", "x", "h"),
                ("--streams: 65537 is above 65536", "client", "--streams", "65537", "h"),
                ('--down: "1X" is no size', "client", "--down", "1X", "h"),
                ("--up: 0 is below 1", "client", "--up", "0", "h"),
                ("one mode at a time", "client", "--down", "1", "--requests", "1", "h"),
                ("one mode at a time", "client", "--idle", "1", "--handshakes", "h"),
                ("--idle: 0 is below 1", "client", "--idle", "0", "h"),
                ("--datagram-bytes: choose 8 to 65535", "client", "--datagram-bytes", "7", "h"),
                ("--datagram-bytes: choose 8 to 65535", "client", "--datagram-bytes", "65536", "h"),
                ("--duration: 0", "client", "--duration", "0", "h"), ("h/x", "client", "h/x"),
                ("one HOST:PORT at a time", "client", "h", "g"), ("its port", "client", "h:99999"),
                ("exclude each other", "client", "-k", "--cacert", "x", "h"), ("no URL given", "h3"),
                ("https", "h3", "http://a"), ("--rate: 0 is below 1", "h3", "--rate", "0", "https://a"),
                ("one ADDR:PORT", "server", "1", "2"), ("numeric address", "server", "x"),
                ("--cert and --key", "server", "--cert", "x"), ("--cc nope", "client", "--cc", "nope", "h")):
            self.check(2, words, *arguments)

    def test_connect(self):
        self.check(3, "nothing.invalid", "client", "nothing.invalid")
        server = Server("perf", "server", "--cert", self.cert, "--key", self.key, "127.0.0.1:0")
        self.check(4, "--insecure", "client", "--requests", "1", f"127.0.0.1:{server.port}")
        self.check(4, "not HTTP/3", "h3", "-k", "--requests", "1", f"https://127.0.0.1:{server.port}/")
        server.stop()

    def test_help(self):
        for arguments in (("--help",), ("client", "--help"), ("server", "--help"), ("h3", "-h")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("usage: tern perf", done.stdout)


if __name__ == "__main__":
    if shutil.which("openssl") is None or not os.access(TERN, os.X_OK):
        print("skipped: no program openssl, or no tern at $TERN")
        sys.exit(77)
    unittest.main()
