#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""qlog of whole connections, against the drafts' CDDL (skipped without TERN_SPEC): a transfer with losses
and a migration in the simulator, and an HTTP/3 exchange of `tern get` with `tern serve`."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TERN = os.environ.get("TERN", "build/tern")
CHECKER = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check_qlog.py"
WANT = """quic:connection_started quic:connection_state_updated quic:connection_closed quic:version_information
    quic:alpn_information quic:parameters_set quic:packet_sent quic:packet_received quic:packet_lost
    quic:packets_acked quic:udp_datagrams_sent quic:udp_datagrams_received quic:stream_state_updated
    quic:connection_id_updated quic:key_updated quic:key_discarded quic:mtu_updated
    quic:migration_state_updated quic:recovery_metrics_updated quic:congestion_state_updated quic:ecn_state_updated
    http3:parameters_set http3:stream_type_set http3:frame_created http3:frame_parsed"""


def simulate(folder):
    subprocess.run([TERN, "sim", "-q", "--rate", "10M", "--delay", "25ms", "--loss", "2%", "--bytes", "1M",
                    "--rebind", "500ms", "--qlog", folder], check=True, timeout=60)


def exchange(folder):
    site = pathlib.Path(folder) / "site"
    site.mkdir()
    (site / "file").write_bytes(b"x" * 100000)
    server = subprocess.Popen([TERN, "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--qlog", folder, str(site)],
                              stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout:
            found = re.search(r"listening on \S+:(\d+)", line)
            if found:
                break
        subprocess.run([TERN, "get", "-k", "-o", "/dev/null", f"https://localhost:{found.group(1)}/file"], check=True,
                       timeout=30, env=dict(os.environ, QLOGDIR=folder), capture_output=True)
    finally:
        server.terminate()
        server.wait(30)


def check(*arguments):
    return subprocess.run([sys.executable, str(CHECKER), *arguments], check=False, capture_output=True, text=True)


def spoil(path):
    """The checker is not blind: one wrong word, and it says so."""
    text = path.read_text()
    for good, bad in (('"packet_type":"1RTT"', '"packet_type":"2RTT"'), ('"stream_side":', '"stream_sides":'),
                      ('"name":"quic:packet_sent"', '"name":"quic:packet_send"'), ('"length":', '"length":-'),
                      ("\x1e", ""), ("}}\n", "}}")):
        assert good in text, good
        path.write_text(text.replace(good, bad, 1))
        assert check(str(path)).returncode == 1, (good, bad)
    path.write_text(text)


def main():
    if check("/dev/null").returncode == 77:
        print("no drafts in TERN_SPEC")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        simulate(folder)
        exchange(folder)
        files = sorted(pathlib.Path(folder).glob("*.sqlog"))
        assert len(files) == 4, files
        done = check("--want", ",".join(WANT.split()), *map(str, files))
        assert done.returncode == 0, done.stderr
        spoil(files[0])


if __name__ == "__main__":
    main()
