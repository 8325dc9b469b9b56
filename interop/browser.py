# SPDX-License-Identifier: MIT
"""Chromium as a client: real pages over HTTP/3, driven through its DevTools pipe.

The browser reads JSON messages, each ended by a zero byte, from descriptor 3 and
writes its answers to descriptor 4. Every page of a case leaves a promise in
`window.result`; what it comes to is judged here.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import zlib

import cases
import procs
from peers import MIB, Peer
from place import sha256

IMAGES, STYLES, SCRIPTS = 100, 20, 20
UPLOAD_BYTES = 10 * MIB
# A person waits no longer; the download of --full gets the time of every case.
PAGE_SECONDS = 30

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # It would try ::1 first, and the runs are IPv4 only.
    "--host-resolver-rules=MAP localhost 127.0.0.1",
    "--remote-debugging-pipe",
    "--net-log-max-size-mb=50",
)

HELLO = """<!doctype html><title>hello</title><script>
window.result = Promise.resolve(performance.getEntriesByType("navigation")[0].nextHopProtocol);
</script>"""

PARTS = """<!doctype html><title>parts</title>
<script>
var ran = 0;
performance.setResourceTimingBufferSize(1000);
window.result = new Promise(resolve => addEventListener("load", () => {
  const style = getComputedStyle(document.documentElement);
  const entries = performance.getEntriesByType("resource").filter(e => e.name.includes("/part-"));
  resolve({
    images: [...document.images].filter(image => image.naturalWidth === 1).length,
    styles: [...Array(STYLES).keys()].filter(i => style.getPropertyValue("--part-" + i)).length,
    scripts: ran,
    h3: entries.filter(entry => entry.nextHopProtocol === "h3").length,
    others: entries.filter(entry => entry.nextHopProtocol !== "h3").map(e => e.name).slice(0, 5),
  });
}));
</script>
"""

TRANSFER = """<!doctype html><title>transfer</title><script>
async function sha256(buffer) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
}
async function download(name) {
  const response = await fetch(name);
  return {status: response.status, hash: await sha256(await response.arrayBuffer())};
}
async function upload(name, size) {
  const body = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(body.subarray(at, at + 65536));
  const response = await fetch(name, {method: "PUT", body});
  const answer = (await response.text()).trim();
  return {status: response.status, hash: await sha256(body), answer};
}
function protocolOf(name) {
  return performance.getEntriesByType("resource").find(e => e.name.endsWith(name)).nextHopProtocol;
}
window.result = Promise.resolve("ready");
</script>"""


class Chromium(Peer):
    """Google's QUIC, as people run it."""

    name, stack, is_client = "chromium", "google/quiche", True
    full_size = 512 * MIB

    def missing(self):
        return None if shutil.which("chromium") else self.skipped("chromium")

    def version(self):
        return self.first_line(["chromium", "--version"])


def png(number):
    """A picture of one pixel in a colour of its own."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes((0, number, 255 - number, 7)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    )


def write_pages(www):
    """Generates every page and its parts into the served folder."""

    def put(name, data):
        with open(os.path.join(www, name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    page = [PARTS.replace("STYLES", str(STYLES))]
    for i in range(STYLES):
        put(f"part-{i}.css", f":root {{ --part-{i}: yes; }}\n")
        page.append(f'<link rel="stylesheet" href="part-{i}.css">')
    for i in range(SCRIPTS):
        put(f"part-{i}.js", "ran++;\n")
        page.append(f'<script src="part-{i}.js"></script>')
    for i in range(IMAGES):
        put(f"part-{i}.png", png(i))
        page.append(f'<img src="part-{i}.png">')
    put("parts.html", "\n".join(page))
    put("hello.html", HELLO)
    put("transfer.html", TRANSFER)


class Browser:
    """One headless browser with one tab."""

    def __init__(self, port, key_hash, log, seconds):
        self.log, self.seconds = log, seconds
        self.profile = tempfile.mkdtemp(prefix="profile-", dir=os.path.dirname(log.name))
        self.number, self.buffer, self.session = 0, b"", None
        command = ["chromium", *FLAGS, f"--user-data-dir={self.profile}"]
        command.append(f"--origin-to-force-quic-on=localhost:{port}")
        command.append(f"--log-net-log={log.name.removesuffix('.log')}.netlog.json")
        if key_hash:
            command.append(f"--ignore-certificate-errors-spki-list={key_hash}")
        self.start(command)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]

    def start(self, command):
        """Starts the browser with its two descriptors; ours are moved out of their way."""
        ours = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (*os.pipe(), *os.pipe())]
        read_in, self.into, self.out, write_out = ours

        def take():
            os.dup2(read_in, 3)
            os.dup2(write_out, 4)

        self.process = procs.spawn(command, self.log, preexec_fn=take, pass_fds=(3, 4))
        os.close(read_in)
        os.close(write_out)

    def receive(self, limit):
        """The next message."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.out], [], [], max(0, limit - time.monotonic()))
            if not ready:
                raise cases.Failed("browser: no answer in time")
            piece = os.read(self.out, 1 << 16)
            if not piece:
                raise cases.Failed("browser: it ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        """One DevTools command and its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.into, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + self.seconds
        while True:
            answer = self.receive(limit)
            if answer.get("id") == self.number:
                break
        self.log.write(f"{method} {json.dumps(params)[:200]}\n  {json.dumps(answer)[:500]}\n")
        if "error" in answer:
            raise cases.Failed(f"browser: {method}: {answer['error']}")
        return answer["result"]

    def open(self, url):
        """Loads a page; the browser's error text, empty when there is none."""
        return self.call("Page.navigate", url=url).get("errorText", "")

    def evaluate(self, expression):
        """What a script in the page comes to."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]
            text = thrown.get("exception", {}).get("description", thrown.get("text"))
            raise cases.Failed(f"browser: {text}")
        return answer["result"].get("value")

    def result(self):
        """The page's own promise, as soon as its script has run."""
        return self.evaluate(
            "new Promise(resolve => { const timer = setInterval(() => {"
            " if (window.result) { clearInterval(timer); resolve(window.result); } }, 20); })"
        )

    def close(self):
        """Asks it to close, then ends its processes."""
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(procs.STOP_SECONDS)
        except (cases.Failed, OSError, subprocess.TimeoutExpired):
            pass
        procs.end(self.process, signal.SIGKILL)
        self.process.wait()
        os.close(self.into)
        os.close(self.out)
        shutil.rmtree(self.profile, ignore_errors=True)


class Browsing:
    """A browser for the length of a `with`."""

    def __init__(self, case, url, trusted=True):
        port = int(url.rsplit(":", 1)[1])
        key_hash = case.place.key_hash("good") if trusted else None
        self.browser = Browser(port, key_hash, case.log, case.page_seconds)

    def __enter__(self):
        return self.browser

    def __exit__(self, *_):
        self.browser.close()


class BrowserCase(cases.Case):
    """The cases as pages."""

    def __init__(self, place, server, client, options):
        super().__init__(place, server, client, options)
        self.page_seconds = self.seconds if options.full else PAGE_SECONDS
        write_pages(place.www)

    def visit(self, browser, url):
        """Opens a page that must load; its result."""
        error = browser.open(url)
        if error:
            raise cases.Failed(f"browser: {error}")
        return browser.result()

    def hello(self, url):
        """The smallest page, which must come over h3."""
        with Browsing(self, url) as browser:
            protocol = self.visit(browser, f"{url}/hello.html")
        if protocol != "h3":
            raise cases.Failed(f"the page came over {protocol!r}")

    def handshake(self):
        with self.serving() as url:
            self.hello(url)

    def retry(self):
        with self.serving(kind="retry_server") as url:
            self.hello(url)

    def requests(self):
        """A page of many parts, each of which must come over h3 and work."""
        with self.serving() as url, Browsing(self, url) as browser:
            found = self.visit(browser, f"{url}/parts.html")
        want = {"images": IMAGES, "styles": STYLES, "scripts": SCRIPTS}
        want |= {"h3": IMAGES + STYLES + SCRIPTS, "others": []}
        if found != want:
            raise cases.Failed(f"the page has {found}, not {want}")

    def transfer(self, expression, name):
        """Runs a fetch in a page and returns what it reports."""
        with self.serving() as url, Browsing(self, url) as browser:
            self.visit(browser, f"{url}/transfer.html")
            found = browser.evaluate(expression)
            protocol = browser.evaluate(f'protocolOf("{name}")')
        if protocol != "h3":
            raise cases.Failed(f"the transfer went over {protocol!r}")
        if found["status"] >= 400:
            raise cases.Failed(f"status {found['status']}")
        return found

    def download(self):
        name = self.place.large(self.size)
        found = self.transfer(f'download("{name}")', name)
        if found["hash"] != sha256(os.path.join(self.place.www, name)):
            raise cases.Failed("the file came out different")

    def upload(self):
        stored = os.path.join(self.place.uploads, "upload.bin")
        if os.path.exists(stored):
            os.remove(stored)
        found = self.transfer(f'upload("upload.bin", {UPLOAD_BYTES})', "upload.bin")
        if not os.path.exists(stored) or sha256(stored) != found["hash"]:
            raise cases.Failed("what is stored is not what the page sent")
        if self.server.answers_hash and found["answer"] != found["hash"]:
            raise cases.Failed(f"the answer is not the SHA-256: {found['answer'][:80]!r}")

    def badcert(self):
        """The CA is unknown to the browser, and here its key is not excused."""
        with self.serving() as url:
            with Browsing(self, url, trusted=False) as browser:
                error = browser.open(f"{url}/hello.html")
            if not error.startswith(("net::ERR_CERT", "net::ERR_QUIC_PROTOCOL_ERROR")):
                raise cases.Failed(f"browser: {error or 'the page loaded'} for an unknown CA")
            self.hello(url)
