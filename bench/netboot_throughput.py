# SPDX-License-Identifier: GPL-2.0-or-later
"""
Send an initrd of 100 MB to one machine and to twenty at once, against nginx in the same run.

    sudo .venv/bin/python -m bench.netboot_throughput

The clients are in a network namespace behind a veth that tbf holds to 1 Gbit/s. As root, with curl, nginx and
iproute2; it removes what it made. Each figure is the median of five pairs.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.netboot_lab import card, make_home

SIZE_BYTES = 100_000_000
PAIRS = 5
SERVER, CLIENT = "198.18.77.1", "198.18.77.2"  # of RFC 2544, for measurements
NGINX_PORT = 18080
_NGINX = """\
daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/error crit;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {address}:{port}; root {folder}/served; }} }}
"""


def main() -> None:
    """Print both ratios."""
    with tempfile.TemporaryDirectory() as made, _shaped() as space:
        folder = Path(made)
        folder.chmod(0o755)
        served = folder / "served"
        served.mkdir()
        (served / "initrd").write_bytes(os.urandom(1 << 20) * (SIZE_BYTES >> 20))
        home = make_home(folder, 1, served / "initrd")
        with _nginx(folder) as theirs, home.served(SERVER) as (_, server):
            home.must("build", "--machine", "box-0", "--", "true")
            ours = _initrd_of(space, server)
            for clients in (1, 20):
                _compare(space, clients, ours, theirs)


def _compare(space: str, clients: int, ours: str, theirs: str) -> None:
    pairs = [(_fetched(space, clients, ours), _fetched(space, clients, theirs)) for _ in range(PAIRS)]
    ratios = [their / our for our, their in pairs]
    rate = clients * SIZE_BYTES / 1e6 / statistics.median(our for our, _ in pairs)
    print(
        f"100 MB to {clients:2} at once: {statistics.median(ratios):.2f} of nginx's speed"
        f" ({min(ratios):.2f} to {max(ratios):.2f}), {rate:.0f} MB/s in all"
    )


def _initrd_of(space: str, server: str) -> str:
    """Give the address of the initrd: a boot belongs to the address that asked for it."""
    asked = f"{server}/w?m={card(0).replace(':', '-')}"
    script = subprocess.run(
        ["ip", "netns", "exec", space, "curl", "-sf", asked], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"f/\w+/initrd", script)
    if found is None:
        raise SystemExit(f"no boot script: {script}")
    return f"{server}/{found[0]}"


def _fetched(space: str, clients: int, url: str) -> float:
    command = ["ip", "netns", "exec", space, "curl", "-sf", "-o", "/dev/null", url]
    begun = time.perf_counter()
    running = [subprocess.Popen(command) for _ in range(clients)]
    if any(client.wait() for client in running):
        raise SystemExit(f"a client could not get {url}")
    return time.perf_counter() - begun


@contextmanager
def _nginx(folder: Path) -> Iterator[str]:
    conf = folder / "nginx.conf"
    conf.write_text(_NGINX.format(folder=folder, address=SERVER, port=NGINX_PORT))
    running = subprocess.Popen(["nginx", "-c", conf, "-e", folder / "error"])
    try:
        time.sleep(1)
        yield f"http://{SERVER}:{NGINX_PORT}/initrd"
    finally:
        running.terminate()
        running.wait()


@contextmanager
def _shaped() -> Iterator[str]:
    """Make a namespace behind a veth of 1 Gbit/s; gives its name."""
    space, here = f"ks{os.getpid()}", f"ks{os.getpid()}a"
    try:
        _do(f"ip netns add {space}")
        _do(f"ip link add {here} type veth peer name eth0 netns {space}")
        _do(f"ip addr add {SERVER}/30 dev {here}")
        _do(f"ip link set {here} up")
        _do(f"ip -n {space} addr add {CLIENT}/30 dev eth0")
        _do(f"ip -n {space} link set eth0 up")
        _do(f"tc qdisc add dev {here} root tbf rate 1gbit burst 256k latency 20ms")
        yield space
    finally:
        for undo in (f"ip link del {here}", f"ip netns del {space}"):
            subprocess.run(undo.split(), check=False, stderr=subprocess.DEVNULL)


def _do(command: str) -> None:
    subprocess.run(command.split(), check=True)


if __name__ == "__main__":
    main()
