"""Each store's library has errors of its own; a user gets one sentence."""

from __future__ import annotations

import socket

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem


class StoreError(Exception):
    """What the library of a store raises where it finds no credentials."""


class Refusing(MemoryFileSystem):
    """A store that gives nothing and takes nothing."""

    protocol = "refusing"

    def _refuse(self, *_, **__):
        raise StoreError("Unable to locate credentials\nand more")

    open = exists = isdir = isfile = glob = find = size = put_file = _refuse


class Unbuilt(MemoryFileSystem):
    protocol = "unbuilt"

    def __init__(self, *_, **__):
        raise StoreError


@pytest.fixture(autouse=True)
def stores():
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    fsspec.register_implementation("unbuilt", Unbuilt, clobber=True)


@pytest.mark.parametrize("path", ["refusing://b/a.jsonl", "refusing://b/*.jsonl", "refusing://b/", "refusing://b/a.pq"])
def test_a_store_that_cannot_be_read_is_one_sentence(zipfit, folder, path):
    for arguments in ([path, "-t", "target.jsonl"], ["pool.jsonl", "-t", path]):
        ran = zipfit("select", *arguments, "-k", 1, "-o", "out.jsonl")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == f"zipfit: error: {path}: cannot be read (Unable to locate credentials)\n"
    assert {file.name for file in folder.iterdir()} == {"pool.jsonl", "target.jsonl"}


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_store_that_cannot_be_written_is_one_sentence_before_the_scoring(zipfit, monkeypatch, overwrite):
    monkeypatch.setattr("zipfit.selection.select.rank", lambda *_: pytest.fail("the pool was scored"))
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-k", 1, "-o", "refusing://b/out.jsonl", *overwrite)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "zipfit: error: refusing://b/out.jsonl: cannot be written (Unable to locate credentials)\n"


def test_a_store_whose_library_fails_at_once_is_one_sentence(zipfit):
    ran = zipfit("select", "unbuilt://b/a.jsonl", "-t", "target.jsonl", "-k", 1, "-o", "out.jsonl")
    assert (ran.status, ran.err) == (2, "zipfit: error: unbuilt://b/a.jsonl: cannot be opened (StoreError)\n")


def test_a_server_that_does_not_answer_is_not_a_missing_file(zipfit):
    pytest.importorskip("aiohttp")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.jsonl"
        ran = zipfit("select", url, "-t", "target.jsonl", "-k", 1, "-o", "out.jsonl")
    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith(
        f"zipfit: error: {url}: cannot be read (Cannot connect to host 127.0.0.1"
    )
