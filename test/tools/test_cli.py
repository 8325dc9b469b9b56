#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tern serve and tern get against each other on the loopback address: bodies, fields, exit codes."""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

TERN = os.environ.get("TERN", "build/tern")
SECONDS = 60
BIG = 8 << 20


def run(*arguments, **options):
    """The program with these arguments; text in and out unless the caller wants bytes."""
    options.setdefault("text", True)
    return subprocess.run([TERN, *arguments], capture_output=True, timeout=SECONDS, check=False, **options)


class Server:
    """A `tern serve` that is ready when the constructor returns."""

    def __init__(self, *arguments):
        self.program = subprocess.Popen([TERN, "serve", "--listen", "127.0.0.1:0", *arguments], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines = []
        for line in self.program.stdout:
            self.lines.append(line)
            if "listening on " in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError("the server did not come up")

    def url(self, path="/", host="localhost"):
        return f"https://{host}:{self.port}{path}"

    def stop(self):
        """Its exit code after SIGTERM, and all that it printed."""
        self.program.send_signal(signal.SIGTERM)
        rest = self.program.communicate(timeout=SECONDS)[0]
        return self.program.returncode, "".join(self.lines) + rest


class Case(unittest.TestCase):
    """A folder to serve, a pair of keys and a server for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.at = tempfile.mkdtemp(prefix="tern-test-")
        cls.www, cls.uploads = os.path.join(cls.at, "www"), os.path.join(cls.at, "uploads")
        os.makedirs(os.path.join(cls.www, "sub dir"))
        os.mkdir(cls.uploads)
        cls.big = os.urandom(BIG)
        for name, data in (("big.bin", cls.big), ("small.txt", b"0123456789"), ("empty", b""),
                           ("sub dir/index.html", b"<p>index")):
            with open(os.path.join(cls.www, name), "wb") as file:
                file.write(data)
        with open(os.path.join(cls.at, "secret"), "wb") as file:
            file.write(b"secret")
        os.symlink("../secret", os.path.join(cls.www, "out"))
        cls.cert, cls.key = os.path.join(cls.at, "cert.pem"), os.path.join(cls.at, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", cls.key, "-out", cls.cert],
                       check=True, capture_output=True)
        cls.log = os.path.join(cls.at, "access.log")
        cls.server = Server(cls.www, "--cert", cls.cert, "--key", cls.key, "--upload", cls.uploads,
                            "--access-log", cls.log, "--upload-max", str(BIG))

    @classmethod
    def tearDownClass(cls):
        code, _ = cls.server.stop()
        shutil.rmtree(cls.at)
        assert code == 0, code

    def get(self, path, *arguments, **options):
        return run("get", "--cacert", self.cert, *arguments, self.server.url(path), **options)

    def fields(self, path, *arguments):
        """Exit code, and the response's fields as -v shows them."""
        done = self.get(path, "-v", *arguments)
        lines = [line[2:] for line in done.stderr.splitlines() if line.startswith("< ")]
        return done.returncode, dict(line.rsplit(": ", 1) if line.startswith(":") else line.split(": ", 1)
                                     for line in lines)


class Bodies(Case):
    """What is fetched and sent arrives as it is."""

    def test_stdout(self):
        done = self.get("/big.bin", text=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout == self.big)

    def test_file_and_summary(self):
        output = os.path.join(self.at, "got")
        done = self.get("/big.bin", "-o", output, "--summary")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(output, "rb") as file:
            self.assertTrue(file.read() == self.big)
        self.assertRegex(done.stdout, r"(?m)\Aprotocol h3\nhandshake [0-9.]+ ms\ngoodput [0-9.]+ Mbit/s\n"
                                      r"lost [0-9]+ of [0-9]+ packets\n\Z")

    def test_empty(self):
        done = self.get("/empty")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_several_in_order(self):
        urls = [self.server.url("/small.txt"), self.server.url("/sub%20dir/"), self.server.url("/small.txt")]
        done = run("get", "--cacert", self.cert, *urls)
        self.assertEqual((done.returncode, done.stdout), (0, "0123456789<p>index0123456789"))

    def test_remote_names(self):
        into = os.path.join(self.at, "into")
        os.mkdir(into)
        done = run("get", "--cacert", self.cert, "-O", self.server.url("/small.txt"),
                   self.server.url("/big.bin?x"), cwd=into)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(into)), ["big.bin", "small.txt"])

    def test_repeat(self):
        done = self.get("/small.txt", "--repeat", "300", "--summary")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("requests 300 of 300", done.stdout)

    def test_upload(self):
        done = self.get("/up.bin", "-T", os.path.join(self.www, "big.bin"))
        self.assertEqual((done.returncode, done.stdout), (0, hashlib.sha256(self.big).hexdigest() + "\n"))
        with open(os.path.join(self.uploads, "up.bin"), "rb") as file:
            self.assertTrue(file.read() == self.big)

    def test_upload_that_asks_first(self):
        done = self.get("/asked", "-v", "-H", "expect: 100-continue", "-T", os.path.join(self.www, "small.txt"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(done.stderr.index("< :status: 100"), done.stderr.index("< :status: 201"))

    def test_upload_empty_to_folder(self):
        done = self.get("/", "-T", os.path.join(self.www, "empty"))
        self.assertEqual((done.returncode, done.stdout), (0, hashlib.sha256(b"").hexdigest() + "\n"))
        self.assertTrue(os.path.exists(os.path.join(self.uploads, "empty")))

    def test_upload_too_large(self):
        large = os.path.join(self.at, "large")
        with open(large, "wb") as file:
            file.truncate(BIG + 1)
        done = self.get("/large", "-T", large)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("413", done.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.uploads, "large")))

    def test_upload_bad_names(self):
        for path in ("/a/b", "/.hidden", "/%2e%2e%2fx", "/a%5cb"):
            done = self.get(path, "-T", os.path.join(self.www, "small.txt"))
            self.assertEqual(done.returncode, 7, path)
        self.assertFalse([name for name in os.listdir(self.uploads) if name.startswith(".")])


class Fields(Case):
    """HTTP as RFC 9110 says."""

    def test_file(self):
        code, fields = self.fields("/small.txt")
        self.assertEqual(code, 0)
        self.assertEqual(fields[":status"], "200")
        self.assertEqual(fields["content-length"], "10")
        self.assertEqual(fields["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(fields["accept-ranges"], "bytes")
        self.assertTrue(fields["etag"].startswith('"') and fields["last-modified"].endswith("GMT"))
        self.assertTrue(fields["date"].endswith("GMT"))  # [rfc9110-6.6.1]

    def test_head(self):
        code, fields = self.fields("/big.bin", "-I")
        self.assertEqual((code, fields[":status"], fields["content-length"]), (0, "200", str(BIG)))

    def test_ranges(self):
        for given, status, body in (("bytes=2-4", "206", "234"), ("bytes=-3", "206", "789"),
                                    ("bytes=8-", "206", "89"), ("bytes=0-1,3-4", "200", "0123456789"),
                                    ("bytes=10-", "416", "")):
            done = self.get("/small.txt", "-v", "-H", f"range: {given}")
            self.assertIn(f"< :status: {status}\n", done.stderr)
            self.assertEqual(done.stdout, body)
        _, fields = self.fields("/small.txt", "-H", "range: bytes=2-4")
        self.assertEqual(fields["content-range"], "bytes 2-4/10")
        _, fields = self.fields("/small.txt", "-H", "range: bytes=99-")
        self.assertEqual(fields["content-range"], "bytes */10")

    def test_conditions(self):
        _, known = self.fields("/small.txt")
        for field, status in ((f"if-none-match: {known['etag']}", "304"), ('if-none-match: "x"', "200"),
                              (f"if-modified-since: {known['last-modified']}", "304"),
                              ("if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT", "200"),
                              ('if-match: "x"', "412"),
                              ("if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT", "412")):
            _, fields = self.fields("/small.txt", "-H", field)
            self.assertEqual(fields[":status"], status, field)
        _, fields = self.fields("/small.txt", "-H", "range: bytes=1-2", "-H", 'if-range: "x"')
        self.assertEqual(fields[":status"], "200")

    def test_folders(self):
        code, fields = self.fields("/sub%20dir")
        self.assertEqual((code, fields[":status"], fields["location"]), (0, "301", "/sub%20dir/"))
        self.assertEqual(self.get("/sub%20dir/").stdout, "<p>index")
        page = self.get("/").stdout
        self.assertIn('<a href="./sub%20dir/">sub dir/</a>', page)
        self.assertLess(page.index("sub dir"), page.index("big.bin"))

    def test_refused(self):
        for path, status in (("/missing", "404"), ("/out", "404"), ("/small.txt/", "404"), ("/%2e%2e/secret", "400"),
                             ("/..%2fsecret", "400"), ("/a%00", "400"), ("/%zz", "400")):
            done = self.get(path, "-v")
            self.assertEqual(done.returncode, 7, path)
            self.assertIn(f"< :status: {status}\n", done.stderr, path)
            self.assertNotIn("secret\n", done.stdout)
        code, fields = self.fields("/", "-X", "DELETE")
        self.assertEqual((code, fields[":status"], fields["allow"]), (7, "405", "GET, HEAD, PUT, POST"))

    def test_access_log(self):
        self.get("/small.txt?logged", "-H", 'user-agent: a"b')
        lines = []
        until = time.monotonic() + 10  # the line is written when the server has seen the end, too
        while not lines and time.monotonic() < until:
            with open(self.log, encoding="ascii") as file:
                lines = [line for line in file if "logged" in line]
        self.assertRegex(lines[0], r'^127\.0\.0\.1 - - \[[^]]+\] "GET /small\.txt\?logged HTTP/3" 200 10 "-" "a\\x22b" ')


class ExitCodes(Case):
    """One code per kind of trouble, and a sentence that says what to try."""

    def check(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_io(self):
        for engine in ("auto", "epoll", "uring"):  # what the system lacks is replaced by epoll
            self.check(self.get("/small.txt", "--io", engine), 0)
        self.check(self.get("/small.txt", "--io", "smoke"), 2, "uring")

    def test_workers(self):
        server = Server(self.www, "--cert", self.cert, "--key", self.key, "--workers", "3")
        for _ in range(6):
            done = run("get", "--cacert", self.cert, server.url("/small.txt"))
            self.check(done, 0)
        server.program.send_signal(signal.SIGTERM)
        server.program.communicate(timeout=SECONDS)
        self.assertEqual(server.program.returncode, 0)
        self.check(run("serve", "--workers", "0"), 2, "--workers")
        self.check(run("serve", "--workers", "257"), 2, "--workers")

    def test_local(self):
        self.check(self.get("/small.txt", "-o", "/nonexistent/x"), 1, "/nonexistent/x")
        self.check(self.get("/big.bin", "-o", "/dev/full"), 1, "No space")
        self.check(self.get("/x", "-T", "/nonexistent"), 1, "/nonexistent")

    def test_usage(self):
        for arguments in ((), ("get",), ("nope",), ("get", "--nope", "https://a"), ("get", "http://a"),
                          ("get", "--repeat", "0", "https://a"), ("get", "-o", "x", "https://a", "https://b"),
                          ("get", "-O", "https://a/"), ("serve", "--cert", "x"), ("serve", "--listen", "x"),
                          ("get", "--cc", "nope", "https://a"), ("get", "-H", "nocolon", "https://a")):
            self.check(run(*arguments), 2, "--help")
        self.check(self.get("/", "-H", "connection: close"), 2, "-H")

    def test_resolve(self):
        self.check(run("get", "https://nothing.invalid/"), 3, "nothing.invalid", "--resolve")

    def test_certificate(self):
        self.check(run("get", self.server.url("/")), 4, "--cacert", "--insecure")
        done = run("get", "--cacert", self.cert, "--resolve", f"other.test:{self.server.port}:127.0.0.1",
                   self.server.url("/", "other.test"))
        self.check(done, 4, "other.test")
        self.check(run("get", "-k", self.server.url("/small.txt")), 0)

    def test_resume(self):
        server = Server(self.www, "--cert", self.cert, "--key", self.key, "--early-data")
        session = os.path.join(self.at, "session")

        def visit(*arguments):
            done = run("get", "-v", "--cacert", self.cert, "--resume", session, *arguments,
                       server.url("/small.txt"))
            return done.returncode, next(line for line in done.stderr.splitlines() if ", " in line and
                                         ("resumed" in line or "new session" in line))

        self.assertEqual(visit(), (0, "* a new session, no early data"))
        self.assertEqual(visit(), (0, "* resumed, no early data"))
        self.assertEqual(visit("--early-data"), (0, "* resumed, early data accepted"))
        if "OpenSSL" in run("--version").stdout:  # its tickets follow the client's Finished: get has gone by then
            self.assertEqual(visit(), (0, "* resumed, no early data"))
        with open(session, "rb") as file:
            used = file.read()
        self.assertEqual(visit("--early-data"), (0, "* resumed, early data accepted"))
        with open(session, "wb") as file:
            file.write(used)  # once is enough (RFC 8446 8)
        self.assertEqual(visit("--early-data"), (0, "* resumed, early data rejected"))
        self.assertEqual(visit("--early-data", "-X", "DELETE")[0], 7)  # not safe: it waited, and got its 405
        self.check(run("get", "--early-data", server.url()), 2, "--resume")
        self.assertEqual(server.stop()[0], 0)

    def test_status(self):
        done = self.get("/missing")
        self.check(done, 7, "404")
        self.assertIn("404", done.stdout)

    def test_closed_port(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.check(run("get", f"https://127.0.0.1:{port}/"), 5, "nothing listens at that port")

    def test_max_time(self):
        # 192.0.2.0/24 is for documentation: nobody answers (RFC 5737). A machine without a route says so at once.
        done = run("get", "--max-time", "0.2", "https://192.0.2.1/")
        self.assertIn(done.returncode, (5, 8), done.stderr)

    def test_broken_is_never_success(self):
        server = Server(self.www, "--cert", self.cert, "--key", self.key)
        output = os.path.join(self.at, "part")
        os.mkfifo(output)
        client = subprocess.Popen([TERN, "get", "--cacert", self.cert, "-o", output, "--idle-timeout", "300",
                                   server.url("/big.bin")], stderr=subprocess.PIPE, text=True)
        with open(output, "rb") as pipe:
            pipe.read(1)  # the transfer has begun, and waits for us to read on
            server.program.kill()
            server.program.communicate()
            rest = pipe.read()
        error = client.communicate(timeout=SECONDS)[1]
        self.assertLess(len(rest), BIG)
        self.assertEqual(client.returncode, 6, error)
        self.assertIn("incomplete", error)

    def test_help(self):
        for arguments in (("--help",), ("get", "--help"), ("serve", "--help"), ("--version",)):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout)


class Stopping(Case):
    """SIGTERM lets a running transfer finish."""

    def test_graceful(self):
        server = Server(self.www, "--cert", self.cert, "--key", self.key)
        output = os.path.join(self.at, "whole")
        os.mkfifo(output)
        client = subprocess.Popen([TERN, "get", "--cacert", self.cert, "-o", output, server.url("/big.bin")],
                                  stderr=subprocess.PIPE, text=True)
        with open(output, "rb") as pipe:
            first = pipe.read(1)
            server.program.send_signal(signal.SIGTERM)
            rest = pipe.read()
        error = client.communicate(timeout=SECONDS)[1]
        self.assertEqual(client.returncode, 0, error)
        self.assertTrue(first + rest == self.big)
        server.program.communicate(timeout=SECONDS)
        self.assertEqual(server.program.returncode, 0)

    def make_pair(self, name, *names):
        cert, key = os.path.join(self.at, name + ".pem"), os.path.join(self.at, name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
                        "subjectAltName=" + ",".join("DNS:" + name for name in names), "-keyout", key, "-out",
                        cert], check=True, capture_output=True)
        return cert, key

    def test_names_and_reload(self):
        """The certificate by the name asked for; SIGHUP reads them anew while a transfer runs."""
        other, other_key = self.make_pair("other", "www.tern.example", "*.wild.example")
        server = Server(self.www, "--workers", "2", "--cert", self.cert, "--key", self.key, "--cert", other,
                        "--key", other_key)

        def can_get(cert, name):
            return run("get", "--cacert", cert, "--resolve", f"{name}:{server.port}:127.0.0.1",
                       server.url("/small.txt", name)).returncode == 0

        self.assertTrue(can_get(self.cert, "localhost"))
        self.assertTrue(can_get(other, "www.tern.example"))
        self.assertTrue(can_get(other, "a.wild.example"))
        self.assertFalse(can_get(other, "a.b.wild.example"))
        output = os.path.join(self.at, "during")
        os.mkfifo(output)
        client = subprocess.Popen([TERN, "get", "--cacert", self.cert, "-o", output, server.url("/big.bin")],
                                  stderr=subprocess.PIPE, text=True)
        with open(output, "rb") as pipe:
            first = pipe.read(1)
            shutil.copy(other, other + ".old")
            self.make_pair("other", "new.tern.example")
            server.program.send_signal(signal.SIGHUP)
            patience = time.monotonic() + 10
            while not can_get(other, "new.tern.example") and time.monotonic() < patience:
                pass
            self.assertTrue(can_get(other, "new.tern.example"))
            self.assertFalse(can_get(other + ".old", "www.tern.example"))
            rest = pipe.read()
        self.assertEqual((client.communicate(timeout=SECONDS)[1], client.returncode), ("", 0))
        self.assertTrue(first + rest == self.big)
        with open(other, "w", encoding="ascii") as file:
            file.write("no certificate")
        server.program.send_signal(signal.SIGHUP)
        self.assertTrue(can_get(self.cert, "localhost"))
        self.assertEqual(server.stop()[0], 0)

    def test_self_signed(self):
        with tempfile.TemporaryDirectory() as runtime:
            os.environ["XDG_RUNTIME_DIR"] = runtime
            server = Server(self.www)
            text = "".join(server.lines)
            cert = text.split("certificate (self-signed) ")[1].split("\n")[0]
            done = run("get", "--cacert", cert, server.url("/small.txt"))
            code, _ = server.stop()
            self.assertEqual((code, done.returncode, done.stdout), (0, 0, "0123456789"))
            der = subprocess.run(f"openssl x509 -in '{cert}' -noout -pubkey | openssl pkey -pubin -outform der "
                                 "| openssl dgst -sha256 -binary | openssl base64",
                                 shell=True, capture_output=True, text=True, check=True).stdout.strip()
            self.assertIn(f"--ignore-certificate-errors-spki-list={der}", text)


if __name__ == "__main__":
    if shutil.which("openssl") is None or not os.access(TERN, os.X_OK):
        print("skipped: no program openssl, or no tern at $TERN")
        sys.exit(77)
    unittest.main()
