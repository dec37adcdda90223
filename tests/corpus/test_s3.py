"""Pools, scores and outputs in an object store: a real server of S3's protocol, and what can go wrong with one."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress

import pytest
from support import pool_records, target_texts, write_jsonl

from zipfit.corpus import inputs, remote
from zipfit.corpus.folders import expand
from zipfit.corpus.streams import HashedFile, open_raw
from zipfit.errors import ZipfitError

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
moto_backends = pytest.importorskip("moto.backends")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

OPTIONS = ["-t", "target.jsonl", "--threads", "1"]


class Proxy:
    """Passes connections on to a server, and breaks those that have given so many bytes, a number of times."""

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.breaks = 0
        self.after = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source, sink, is_answer):
        given = 0
        try:
            while data := source.recv(1 << 14):
                given += len(data)
                if is_answer and self.breaks and given > self.after:
                    self.breaks -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self):
        self._listener.close()


@pytest.fixture(scope="module")
def server():
    running = moto_server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    yield running.get_host_and_port()[1]
    running.stop()


@pytest.fixture
def proxy(server):
    made = Proxy(server)
    yield made
    made.close()


@pytest.fixture
def store(server, monkeypatch):
    """The bucket `data`, empty; what zipfit finds by the usual environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    if fs.exists("data"):
        fs.rm("data", recursive=True)
    fs.mkdir("data")
    yield fs
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    return tmp_path


@pytest.fixture
def pool(store, folder):
    """A pool of three objects, and the same here."""
    for number in range(3):
        path = write_jsonl(folder / f"p{number}.jsonl", pool_records(60, seed=number))
        store.put_file(str(path), f"data/pool/p{number}.jsonl")
    return "s3://data/pool/"


def test_parts_are_scored_merged_and_cut_where_they_lie(zipfit, folder, store, pool):
    for part in (2, 3, 1):
        ran = zipfit("score", pool, *OPTIONS, "-o", "s3://data/scores", "--part", f"{part}/3")
        assert ran.status == 0, ran.err
    assert zipfit("merge", "s3://data/scores").status == 0
    cut = ["--scores", "s3://data/scores", "-k", "40", "-q"]
    assert zipfit("select", *cut, "-o", "s3://data/out.jsonl").status == 0
    assert zipfit("select", *cut, "-o", "s3://data/shards/", "--shard-records", "15").status == 0
    ran = zipfit("select", "p0.jsonl", "p1.jsonl", "p2.jsonl", *OPTIONS, "-k", "40", "-o", "here.jsonl")
    assert ran.status == 0, ran.err
    here = (folder / "here.jsonl").read_bytes()
    assert store.cat("data/out.jsonl") == here
    names = store.ls("data/shards", detail=False)
    assert names == [f"data/shards/selected-0000{i}-of-00003.jsonl" for i in range(3)]
    assert b"".join(store.cat(name) for name in names) == here
    for name in ("out", "shards"):
        assert zipfit("verify", f"s3://data/{name}.manifest.json").status == 0
    ran = zipfit("select", *cut, "-o", "s3://data/shards/", "--shard-records", "15")
    assert (ran.status, ran.err) == (
        2, "zipfit: error: s3://data/shards: exists already (give --overwrite, or overwrite=True in Python, to replace it)\n",
    )  # fmt: skip
    ran = zipfit("select", *cut, "-o", "s3://data/shards/", "--shard-records", "30", "--overwrite")
    assert ran.status == 0, ran.err
    assert len(store.ls("data/shards", detail=False, refresh=True)) == 2
    ran = zipfit("select", *cut, "-o", "s3://data/", "--shard-records", "30", "--overwrite")
    assert (ran.status, ran.err) == (2, "zipfit: error: s3://data: is a bucket, in which shards need a folder\n")


def refused(ran, url):
    assert ran.status == 2, ran.out
    assert ran.err.startswith(f"zipfit: error: {url}")
    assert ran.err.count("\n") == 1
    return ran.err


@pytest.mark.parametrize("what", ["source", "output", "scores"])
def test_without_credentials_there_is_one_sentence(zipfit, folder, store, pool, monkeypatch, what):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    s3fs.S3FileSystem.clear_instance_cache()
    url, arguments = {
        "source": (pool, ["select", pool, *OPTIONS, "-k", "1", "-o", "a.jsonl"]),
        "output": ("s3://data/a.jsonl", ["select", "p0.jsonl", *OPTIONS, "-k", "1", "-o", "s3://data/a.jsonl"]),
        "scores": ("s3://data/scores", ["score", "p0.jsonl", *OPTIONS, "-o", "s3://data/scores/"]),
    }[what]
    assert "credentials" in refused(zipfit(*arguments), url)
    assert not (folder / "a.jsonl").exists()


@pytest.mark.parametrize("url", ["s3://data/missing.jsonl", "s3://data/missing/", "s3://nobucket/a.jsonl"])
def test_what_is_not_there_is_one_sentence(zipfit, folder, store, url):
    refused(zipfit("select", url, *OPTIONS, "-k", "1", "-o", "a.jsonl"), url)
    assert not (folder / "a.jsonl").exists()


def test_a_bucket_that_is_not_there_takes_no_output(zipfit, folder, store):
    ran = zipfit("select", "target.jsonl", *OPTIONS, "-k", "1", "-o", "s3://nobucket/a.jsonl")
    refused(ran, "s3://nobucket/a.jsonl")


def test_a_key_that_vanishes_after_the_listing_is_one_sentence(zipfit, folder, store, pool, monkeypatch):
    plain = inputs.file_at

    def file_at(path):
        if path.endswith("p1.jsonl"):
            store.rm_file("data/pool/p1.jsonl")
        return plain(path)

    monkeypatch.setattr(inputs, "file_at", file_at)
    monkeypatch.setattr(inputs, "check_output", lambda *_: None)
    ran = zipfit("select", pool, *OPTIONS, "-k", "1", "-o", "a.jsonl")
    refused(ran, "s3://data/pool/p1.jsonl")
    assert not (folder / "a.jsonl").exists()


def test_5000_keys_are_listed(zipfit, folder, store):
    names = [f"data/many/{number:04}.jsonl" for number in range(5000)]
    backend = moto_backends.get_backend("s3")["123456789012"]["aws"]  # each put through the server takes 10 ms
    for name in names:
        backend.put_object("data", name.removeprefix("data/"), b'{"text": "river stone"}\n')
    assert expand(["s3://data/many/"])[0] == [f"s3://{name}" for name in names]


@pytest.fixture
def large(store):
    data = random.Random(0).randbytes(20 << 20)
    store.pipe("data/large.bin", data)
    return data


def test_a_connection_that_breaks_is_opened_again(store, large, proxy, monkeypatch):
    monkeypatch.setattr(remote, "_WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    s3fs.S3FileSystem.clear_instance_cache()
    for after in (1 << 10, 1 << 20, 3 << 20):
        proxy.after, proxy.breaks = after, 2
        with open_raw("s3://data/large.bin") as stream:
            assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == large
        assert proxy.breaks == 0


def test_a_connection_that_breaks_for_good_is_one_sentence(store, large, proxy, monkeypatch, zipfit, folder):
    monkeypatch.setattr(remote, "_WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(s3fs.core.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    store.pipe("data/large.jsonl", b'{"text": "river stone"}\n' * 400_000)
    s3fs.S3FileSystem.clear_instance_cache()
    proxy.after, proxy.breaks = 2 << 20, 10_000
    ran = zipfit("select", "s3://data/large.jsonl", *OPTIONS, "-k", "1", "-o", "a.jsonl")
    proxy.breaks = 0
    refused(ran, "s3://data/large.jsonl: cannot be read")


class Breaking:
    """A file of a store whose reading fails so many times, and which may be another when it is opened again."""

    details: dict[str, object]

    def __init__(self, data, failures, details):
        self._data, self._failures, self.details = data, failures, details
        self._place = 0

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self._place = offset
        return offset

    def read(self, size):
        if self._place >= 10 and self._failures:
            raise self._failures.pop()
        found = self._data[self._place : self._place + min(size, 7)]
        self._place += len(found)
        return found

    def close(self):
        pass


@pytest.mark.parametrize(
    ("failures", "tags", "error"),
    [
        ([OSError("reset"), TimeoutError()], "aaa", None),
        ([OSError("reset")] * 4, "aaaaa", "reset"),
        ([OSError("reset")], "ab", "the file changed while it was being read"),
        ([FileNotFoundError()], "a", "no such file"),
        ([PermissionError()], "a", "permission denied"),
    ],
)
def test_reading_goes_on_where_it_broke_or_says_so(monkeypatch, failures, tags, error):
    data = json.dumps({"text": "river stone " * 9}).encode()
    opened = iter(tags)

    class Store:
        def open(self, path, mode):
            return Breaking(data, failures, {"ETag": next(opened)})

    monkeypatch.setattr(remote, "_WAITS", (0, 0, 0))
    monkeypatch.setattr(remote, "file_system", lambda path: (Store(), path))
    file = HashedFile("s3://b/a.jsonl")
    if error is None:
        with file.open() as stream:
            assert stream.read() == data
    else:
        with pytest.raises(ZipfitError, match=f"^s3://b/a.jsonl: .*{error}"), file.open() as stream:
            stream.read()
