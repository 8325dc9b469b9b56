#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tern link: datagrams both ways, their ECN marks, delay, loss, queues; and tern get through it."""
import filecmp
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

TERN = os.environ.get("TERN", "build/tern")
SECONDS = 60


class Program:
    """A tern that says on which port it listens, until the end of the block."""

    def __init__(self, *arguments):
        self.run = subprocess.Popen([TERN, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for line in self.run.stdout:
            match = re.search(r"listening on \S*:(\d+)", line)
            if match:
                self.port = int(match.group(1))
                return
        raise RuntimeError("it did not come up: " + " ".join(arguments))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.run.poll() is None:
            self.run.send_signal(signal.SIGTERM)
        return self.run.communicate(timeout=SECONDS)[0]


def link(port, *arguments):
    return Program("link", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}", *arguments)


def open_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(SECONDS)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return sock


class Relay(unittest.TestCase):
    def test_many_clients_both_ways(self):
        with open_socket() as server, link(server.getsockname()[1], "--delay", "5ms") as relay:
            clients = [open_socket() for _ in range(8)]
            for number, client in enumerate(clients):
                client.sendto(b"to %d" % number, ("127.0.0.1", relay.port))
            peers = {}
            for _ in clients:
                data, peer = server.recvfrom(100)
                peers[data] = peer
            self.assertEqual(len(set(peers.values())), len(clients))
            for data, peer in peers.items():
                server.sendto(data.replace(b"to", b"from"), peer)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(100), b"from %d" % number)
                client.close()

    def test_delay_is_kept(self):
        """Not earlier; how much later depends on the machine, so that is not judged here."""
        with open_socket() as server, open_socket() as client, \
                link(server.getsockname()[1], "--delay", "30ms") as relay:
            begin = time.monotonic()
            client.sendto(b"x", ("127.0.0.1", relay.port))
            _, peer = server.recvfrom(10)
            self.assertGreaterEqual(time.monotonic() - begin, 0.030)
            server.sendto(b"y", peer)
            client.recv(10)
            self.assertGreaterEqual(time.monotonic() - begin, 0.060)

    def test_ecn_is_carried(self):
        with open_socket() as server, open_socket() as client, link(server.getsockname()[1]) as relay:
            for ecn in (0, 1, 2, 3):
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, ecn)
                client.sendto(b"x", ("127.0.0.1", relay.port))
                _, control, _, peer = server.recvmsg(10, 100)
                self.assertEqual(control[0][2][0] & 3, ecn)
                server.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, ecn)
                server.sendto(b"y", peer)
                self.assertEqual(client.recvmsg(10, 100)[1][0][2][0] & 3, ecn)

    def test_loss_by_seed(self):
        counts = []
        for seed in ("5", "5", "6"):
            with open_socket() as server, open_socket() as client, \
                    link(server.getsockname()[1], "--up-loss", "30%", "--seed", seed) as relay:
                got = []
                for number in range(200):
                    client.sendto(b"%d" % number, ("127.0.0.1", relay.port))
                    time.sleep(0.0002)
                server.settimeout(0.3)
                try:
                    while True:
                        got.append(server.recv(10))
                except socket.timeout:
                    counts.append(got)
        self.assertEqual(counts[0], counts[1])
        self.assertNotEqual(counts[0], counts[2])
        self.assertTrue(100 < len(counts[0]) < 180, len(counts[0]))

    def test_the_idlest_client_makes_room(self):
        with open_socket() as server, link(server.getsockname()[1], "--clients", "2") as relay:
            clients = [open_socket() for _ in range(3)]
            for client in clients:
                client.sendto(b"x", ("127.0.0.1", relay.port))
                _, peer = server.recvfrom(10)
                server.sendto(b"y", peer)
                self.assertEqual(client.recv(10), b"y")
            for client in clients:
                client.close()


class Fetch(unittest.TestCase):
    def test_get_through_bad_links(self):
        with tempfile.TemporaryDirectory() as at:
            www, out = os.path.join(at, "www"), os.path.join(at, "out")
            os.mkdir(www)
            with open(os.path.join(www, "f"), "wb") as file:
                file.write(os.urandom(400000))
            with Program("serve", "--listen", "127.0.0.1:0", www) as server:
                for options in (("--rate", "20M", "--delay", "5ms", "--queue", "1bdp", "--loss", "1%"),
                                ("--rate", "30M", "--delay", "2ms", "--aqm", "fq_codel"),
                                ("--rate", "30M", "--delay", "2ms", "--aqm", "dualpi2"),
                                ("--delay", "3ms", "--reorder", "2%", "--duplicate", "2%", "--corrupt", "1%")):
                    with self.subTest(options), link(server.port, *options) as relay:
                        done = subprocess.run([TERN, "get", "-k", "-o", out, f"https://127.0.0.1:{relay.port}/f"],
                                              capture_output=True, text=True, timeout=SECONDS, check=False)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertTrue(filecmp.cmp(out, os.path.join(www, "f"), shallow=False))
                        self.assertIn("after they were due", relay.stop())

    def test_usage(self):
        for arguments in (("--to", "127.0.0.1:1"), ("--listen", "x", "--to", "127.0.0.1:1"),
                          ("--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--rate", "1M..2M"),
                          ("--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--clients", "0")):
            done = subprocess.run([TERN, "link", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("tern link", done.stderr)


unittest.main()
