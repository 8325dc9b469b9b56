# SPDX-License-Identifier: MIT
"""Where a run happens: its folder with certificates, files to serve, uploads and logs."""

import hashlib
import os
import random
import shutil
import subprocess

HOST = "localhost"
SMALL = b"a small file\n"
BLOCK_BYTES = 1 << 20
KEPT_BYTES = 64 << 20

EXTENSIONS = """
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[leaf]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
subjectAltName={names}
"""


def sha256(path):
    """A file's SHA-256 in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_random(path, size):
    """The same bytes for the same size on every machine."""
    source = random.Random(size)
    with open(path, "wb") as file:
        for start in range(0, size, BLOCK_BYTES):
            file.write(source.randbytes(min(BLOCK_BYTES, size - start)))


class Place:
    """All paths of one run. Everything below `run` is made anew, the logs are kept."""

    def __init__(self, out):
        self.out = out
        self.interop = os.path.dirname(os.path.abspath(__file__))
        self.root = os.path.dirname(self.interop)
        self.run = os.path.join(out, "run")
        self.logs = os.path.join(out, "log")
        self.www = os.path.join(self.run, "www")
        self.uploads = os.path.join(self.run, "uploads")
        shutil.rmtree(self.run, ignore_errors=True)
        for folder in (self.logs, self.www, self.uploads):
            os.makedirs(folder, exist_ok=True)
        os.chmod(self.uploads, 0o777)
        self.authority("ca")
        self.authority("stranger")
        self.leaf("good", f"DNS:{HOST},IP:127.0.0.1")
        self.leaf("wrong", "DNS:elsewhere.example")
        with open(os.path.join(self.www, "small.txt"), "wb") as file:
            file.write(SMALL)

    def path(self, name):
        """A path in the run's folder."""
        return os.path.join(self.run, name)

    def openssl(self, *args):
        """One openssl command in the run's folder."""
        subprocess.run(("openssl", *args), cwd=self.run, check=True, capture_output=True)

    def sign(self, name, section, issuer, subject):
        """A P-256 key and its certificate, signed by the issuer or by itself."""
        with open(self.path("extensions"), "w", encoding="ascii") as file:
            file.write(EXTENSIONS.format(names=subject))
        self.openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{name}.key")
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "csr")
        signer = ("-signkey", f"{name}.key")
        if issuer:
            signer = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial")
        common = ("-extfile", "extensions", "-extensions", section, "-days", "10", "-sha256")
        self.openssl("x509", "-req", "-in", "csr", *signer, *common, "-out", f"{name}.pem")

    def authority(self, name):
        """A self-signed CA."""
        self.sign(name, "ca", None, "DNS:unused")

    def leaf(self, name, names):
        """A server certificate, and the one file with its key that haproxy wants."""
        self.sign(name, "leaf", "ca", names)
        with open(self.path(f"{name}.both.pem"), "wb") as both:
            for part in (f"{name}.pem", f"{name}.key"):
                with open(self.path(part), "rb") as file:
                    both.write(file.read())

    def large(self, size):
        """The file of that size among the served ones; its name."""
        name = f"large-{size}.bin"
        path = os.path.join(self.www, name)
        if not os.path.exists(path):
            write_random(path, size)
        return name

    def clean(self):
        """Gives the disk back after transfers of a gigabyte."""
        for folder in (self.www, self.uploads):
            for name in os.listdir(folder):
                if os.path.getsize(os.path.join(folder, name)) > KEPT_BYTES:
                    os.remove(os.path.join(folder, name))

    def key_hash(self, name):
        """The base64 SHA-256 of a certificate's public key, as Chromium takes it."""
        steps = (
            f"openssl x509 -in {name}.pem -noout -pubkey | openssl pkey -pubin -outform der"
            " | openssl dgst -sha256 -binary | openssl base64 -A"
        )
        return subprocess.check_output(steps, shell=True, cwd=self.run, text=True)
