from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import threading
import tracemalloc
from contextlib import suppress

import fsspec
import pytest
import zstandard
from support import COMPRESS

from zipfit.corpus.streams import HashedFile, file_at
from zipfit.errors import ZipfitError

CONTENT = b"".join(b"line %d of a text that is long enough to fill blocks\n" % n for n in range(5000))


def read(path, **options):
    file = file_at(str(path))
    with file.open(**options) as stream:
        return stream.read()


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", ["data.jsonl{}", "data"])
def test_decompresses_by_content_whatever_the_name(tmp_path, suffix, name):
    path = tmp_path / name.format(suffix)
    path.write_bytes(COMPRESS[suffix](CONTENT))
    assert read(path) == CONTENT


@pytest.mark.parametrize("suffix", COMPRESS)
def test_reads_all_of_several_streams_one_after_another(tmp_path, suffix):
    path = tmp_path / "data"
    path.write_bytes(COMPRESS[suffix](CONTENT) + COMPRESS[suffix](b"more"))
    assert read(path) == CONTENT + b"more"


def test_skippable_frames_of_zstd_are_skipped(tmp_path):
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    path = tmp_path / "data"
    path.write_bytes((skippable + COMPRESS[".zst"](CONTENT)) * 2)
    assert read(path) == CONTENT * 2


@pytest.mark.parametrize("zeros", [4, 8, 512, 8192])
def test_padding_between_and_after_streams_of_xz_is_read_over(tmp_path, zeros):
    path = tmp_path / "data"
    one, two = COMPRESS[".xz"](CONTENT), COMPRESS[".xz"](b"more")
    path.write_bytes(one + bytes(zeros) + two + bytes(zeros))
    assert read(path) == CONTENT + b"more"
    path.write_bytes(one + bytes(zeros + 2) + two)
    with pytest.raises(ZipfitError, match="data: the compressed file is"):
        read(path)
    path.write_bytes(one + two + bytes(zeros + 1))
    with pytest.raises(ZipfitError, match="data: the compressed file is"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("follows", [b"garbage that is no stream", b"\x01"])
def test_what_follows_a_stream_and_is_none_is_an_error(tmp_path, suffix, follows):
    path = tmp_path / "data"
    path.write_bytes(COMPRESS[suffix](CONTENT) + follows)
    with pytest.raises(ZipfitError, match=r"data: (the compressed file is (corrupt|cut off)|cannot be read)"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_damaged_second_stream_is_an_error(tmp_path, suffix):
    path = tmp_path / "data"
    second = bytearray(COMPRESS[suffix](CONTENT))
    second[2 if suffix == ".gz" else 4] ^= 0xFF  # in the header
    path.write_bytes(COMPRESS[suffix](CONTENT) + second)
    with pytest.raises(ZipfitError, match=r"data: (the compressed file is (corrupt|cut off)|cannot be read)"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_few_bytes_that_stand_for_many_are_not_decompressed_at_once(tmp_path, suffix):
    size = 400 << 20
    path = tmp_path / "data"
    path.write_bytes(COMPRESS[suffix](bytes(size)))
    assert path.stat().st_size < size // 200
    tracemalloc.start()
    try:
        with file_at(str(path)).open() as stream:
            read_bytes = sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read_bytes == size
    assert peak < 150 << 20


def test_a_window_of_two_gibibytes_is_read(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=31, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = tmp_path / "data"
    path.write_bytes(compressor.compress(CONTENT) + compressor.flush())
    assert zstandard.get_frame_parameters(path.read_bytes()).window_size == 1 << 31
    assert read(path) == CONTENT


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_name_that_promises_compression_is_not_believed(tmp_path, suffix):
    path = tmp_path / f"plain.jsonl{suffix}"
    path.write_bytes(b'{"text": "plain"}\n')
    assert read(path) == b'{"text": "plain"}\n'


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("missing", [1, 4, 9, 200])
def test_a_file_that_is_cut_off_is_an_error(tmp_path, suffix, missing):
    path = tmp_path / "data"
    path.write_bytes(COMPRESS[suffix](os.urandom(1000) + CONTENT)[:-missing])
    with pytest.raises(ZipfitError, match="the compressed file is cut off before its end"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_corrupt_file_is_an_error(tmp_path, suffix):
    path = tmp_path / "data"
    whole = bytearray(COMPRESS[suffix](CONTENT))
    middle = len(whole) // 2
    whole[middle : middle + 40] = bytes(255 - byte for byte in whole[middle : middle + 40])
    path.write_bytes(whole)
    # lz4's frames carry no checksum unless asked, so damage may also come to light as a wrong size.
    if suffix == ".lz4":
        with suppress(ZipfitError):
            assert read(path) != CONTENT
        return
    with pytest.raises(ZipfitError, match=r"the compressed file is (corrupt|cut off)|cannot be read"):
        read(path)


def test_size_and_hash_are_those_of_the_bytes_on_disk(tmp_path):
    path = tmp_path / "data.gz"
    path.write_bytes(COMPRESS[".gz"](CONTENT))
    file = HashedFile(str(path))
    with file.open() as stream:
        stream.read()
    assert file.bytes == path.stat().st_size == file.size()
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_progress_adds_up_to_the_size(tmp_path):
    path = tmp_path / "data.zst"
    path.write_bytes(COMPRESS[".zst"](CONTENT))
    steps: list[int] = []
    read(path, progress=steps.append)
    assert sum(steps) == path.stat().st_size


def test_a_file_that_changes_between_two_readings_is_an_error(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"before")
    file = HashedFile(str(path))
    with file.open() as stream:
        stream.read()
    path.write_bytes(b"after!")
    with pytest.raises(ZipfitError, match="changed while it was being read"), file.open() as stream:
        stream.read()


@pytest.mark.parametrize(("path", "reason"), [("missing", "no such file"), (".", "is a folder, not a file")])
def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZipfitError, match=f"^{path}: {reason}$"):
        read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(ZipfitError, match="permission denied"):
        read(path)


def test_standard_input_can_be_read_again(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))
    file = file_at("-")
    for _ in range(2):
        with file.open() as stream:
            assert stream.read() == CONTENT
    assert file.path == "-"
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_named_pipe_can_be_read_again(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CONTENT,))
    writer.start()
    file = file_at(str(path))
    writer.join()
    for _ in range(2):
        with file.open() as stream:
            assert stream.read() == CONTENT


def test_reads_from_a_remote_file_system():
    with fsspec.open("memory://streams/data.gz", "wb") as stream:
        stream.write(COMPRESS[".gz"](CONTENT))
    assert read("memory://streams/data.gz") == CONTENT
    with pytest.raises(ZipfitError, match="no such file"):
        read("memory://streams/missing.gz")
    with pytest.raises(ZipfitError, match="unknown protocol nonsense://"):
        read("nonsense://a")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path):
    """The address under which a folder is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("size", [100, 6_000_000])
def test_reads_over_http(tmp_path, served, size):
    content = os.urandom(size)
    (tmp_path / "data.bin").write_bytes(content)
    assert read(f"{served}/data.bin") == content
    with pytest.raises(ZipfitError, match="no such file"):
        read(f"{served}/missing.bin")
