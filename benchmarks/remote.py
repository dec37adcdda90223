"""Reading a pool out of an object store against fetching the same objects one after another.

    python benchmarks/remote.py [--objects 8] [--megabytes 20] [--latency 0.03] [--rate 10]

Needs s3fs and moto[server]. A server of S3's protocol on this machine stands behind a link that answers after so many
seconds and gives so many megabytes a second to each connection, as object stores do. Compared are `zipfit select` by
`random`, which reads every record and fetches 100 again, and what `aws s3 cp` does with one stream: each object from its
beginning to its end. Prints and keeps (`results/remote.json`) seconds, and the requests that were made.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import s3fs
from moto.server import ThreadedMotoServer

RESULTS = Path(__file__).parent / "results" / "remote.json"
WORDS = ["def", "return", "theorem", "the", "of", "number", "graph", "x", "y", "if", "else", "proof", "lemma", "list"]


class Link:
    """Passes connections on to a server, with a delay before each answer and a rate for each connection."""

    def __init__(self, port: int, latency: float, rate: float) -> None:
        self.requests = 0
        self._port, self._latency, self._rate = port, latency, rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            asked = threading.Event()
            threading.Thread(target=self._ask, args=(client, server, asked), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, asked), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if data[:5] in (b"GET /", b"HEAD ", b"PUT /", b"POST "):
                    self.requests += 1
                    asked.set()
                server.sendall(data)
        self._close(client, server)

    def _answer(self, server: socket.socket, client: socket.socket, asked: threading.Event) -> None:
        with suppress(OSError):
            due = 0.0
            while data := server.recv(1 << 16):
                now = time.monotonic()
                if asked.is_set():
                    asked.clear()
                    due = now + self._latency
                due = max(due, now) + len(data) / self._rate
                client.sendall(data)
                time.sleep(max(0.0, due - time.monotonic()))
        self._close(client, server)

    @staticmethod
    def _close(*sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def sequential(names: list[str]) -> int:
    """Read each object through one answer."""
    fs = s3fs.S3FileSystem()
    return sum(len(fs.cat_file(name)) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--latency", type=float, default=0.03, help="seconds before each answer")
    parser.add_argument("--rate", type=float, default=10, help="megabytes a second for each connection")
    args = parser.parse_args()
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    environment = {
        "AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    os.environ.update(environment)
    store = s3fs.S3FileSystem()
    store.mkdir("data")
    rng = random.Random(0)
    lines = [json.dumps({"text": " ".join(rng.choices(WORDS, k=rng.randint(20, 300)))}) + "\n" for _ in range(2000)]
    names = [f"data/{number:03d}.jsonl" for number in range(args.objects)]
    for name in names:
        chosen: list[str] = []
        while sum(map(len, chosen)) < args.megabytes * 1e6:
            chosen += rng.sample(lines, len(lines))
        store.pipe_file(name, "".join(chosen).encode())
    link = Link(port, args.latency, args.rate * 1e6)
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{link.port}"
    s3fs.S3FileSystem.clear_instance_cache()

    start = time.perf_counter()
    read = sequential(names)
    results: dict[str, object] = {
        **vars(args),
        "one after another": {"seconds": round(time.perf_counter() - start, 1), "requests": link.requests},
    }
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target.jsonl")
        target.write_text('{"text": "def return"}\n')
        for threads in (1, 2, 4):
            link.requests = 0
            command = [sys.executable, "-c", "from zipfit.cli import main; main()", "select", "s3://data/*.jsonl"]
            command += ["-t", str(target), "-m", "random", "-k", "100", "-q", "--threads", str(threads)]
            start = time.perf_counter()
            subprocess.run([*command, "-o", f"{folder}/{threads}.jsonl"], check=True)
            seconds = round(time.perf_counter() - start, 1)
            results[f"zipfit select, {threads} threads"] = {"seconds": seconds, "requests": link.requests}
    results["megabytes_in_all"] = round(read / 1e6)
    server.stop()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
