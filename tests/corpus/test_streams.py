from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import random
import tarfile
import threading
import time
import tracemalloc
import zipfile
import zlib
from contextlib import suppress

import fsspec
import lz4.block
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from support import COMPRESS, chunks

import zipfit
from zipfit.corpus import streams
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


@pytest.mark.parametrize("suffix", [".zst", ".lz4"])
@pytest.mark.parametrize("size", [0, 4, 5000])
def test_skippable_frames_are_passed_over(tmp_path, suffix, size):
    path = tmp_path / "data"
    for low in range(0x50, 0x60):
        skippable = bytes([low]) + b"\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)
        path.write_bytes((skippable * 2 + COMPRESS[suffix](CONTENT)) * 2 + skippable)
        assert read(path) == CONTENT * 2
        path.write_bytes(skippable)
        assert read(path) == b""
        for cut in [1, 4, 7] if size == 0 else [1, size + 3]:
            path.write_bytes(COMPRESS[suffix](CONTENT) + skippable[:-cut])
            with pytest.raises(ZipfitError, match="data: the compressed file is"):
                read(path)


def zstd_with_dictionary():
    samples = [CONTENT[i : i + 300] for i in range(0, len(CONTENT), 300)]
    return zstandard.ZstdCompressor(dict_data=zstandard.train_dictionary(1024, samples)).compress(CONTENT)


def lz4_with_dictionary():
    frame = bytearray(lz4.frame.compress(CONTENT))
    frame[4] |= 1
    return bytes(frame)


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.jsonl", CONTENT)
    return data.getvalue()


def in_tar():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jsonl"), io.BytesIO(b""))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (zstd_with_dictionary(), "a zstd file that needs a dictionary"),
        (b"\x28\xb5\x2f\xfd\x00\xb0\x01\x00\x00", "a zstd file with a window of more than 2 GiB"),
        (lz4_with_dictionary(), "an lz4 file that needs a dictionary"),
        (b"\x02\x21\x4c\x18" + lz4.block.compress(CONTENT), "an lz4 file of the legacy format: decompress it, .*"),
        (zipped(), "a zip archive: unpack it first"),
        (in_tar(), "a tar archive, as WebDataset has them: unpack it first"),
        (gzip.compress(in_tar()), "a tar archive, as WebDataset has them: unpack it first"),
        (COMPRESS[".zst"](b"WARC/1.0\r\nWARC-Type: response\r\n"), "a WARC archive: extract the texts first"),
        (b"SQLite format 3\0" + bytes(100), "an SQLite database: export the table first"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt.zst", "a"])
def test_what_is_not_read_is_refused_by_name(tmp_path, name, content, what):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ZipfitError, match=f"^{path}: is {what}$"):
        read(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl"])
def test_a_pointer_of_git_lfs_is_named_whatever_the_file_is_called(tmp_path, name):
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ZipfitError, match=f"^{path}: is a Git LFS pointer, not the data: run git lfs pull$"):
        zipfit.select(str(path), ["a"], top=1)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_named_as_compressed_that_is_neither_that_nor_text_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"\0" + COMPRESS[suffix](CONTENT)[1:])
    with pytest.raises(ZipfitError, match=f"is named {suffix}, but does not begin like a compressed file"):
        read(path)
    for text in (CONTENT, b"", "é\t\x1b[0m\r\n".encode()):  # which a server decompressed on the way
        path.write_bytes(text)
        assert read(path) == text


def test_text_that_begins_as_bzip2_does_is_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"BZhang wrote: PK, WARC, ustar")
    assert read(path) == b"BZhang wrote: PK, WARC, ustar"
    path.write_bytes(COMPRESS[".bz2"](b""))
    assert read(path) == b""


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
    reason = "Not a gzipped file" if suffix == ".gz" else "something follows a stream that is none"
    with pytest.raises(ZipfitError, match=rf"data: the compressed file is corrupt \({reason}"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_damaged_second_stream_is_an_error(tmp_path, suffix):
    path = tmp_path / "data"
    second = bytearray(COMPRESS[suffix](CONTENT))
    second[2 if suffix == ".gz" else 4] ^= 0xFE  # in the header
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
    path.write_bytes(COMPRESS[suffix](random.Random(0).randbytes(1000) + CONTENT)[:-missing])
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


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_file_that_stays_the_same_is_hashed_once(tmp_path, monkeypatch, suffix):
    path = tmp_path / "data"
    path.write_bytes(COMPRESS[suffix](CONTENT) if suffix else CONTENT)
    monkeypatch.setattr(streams, "_RECENT", -1)  # as if the file were old
    file = HashedFile(str(path))
    hashed = []
    monkeypatch.setattr(streams.hashlib, "sha256", lambda: hashed.append(1) or hashlib.new("sha256"))
    for _ in range(3):
        with file.open() as stream:
            assert stream.read() == CONTENT
        file.hash_contents()
    assert len(hashed) == 1
    assert file.sha256 == hashlib.new("sha256", path.read_bytes()).hexdigest()


def test_an_old_file_that_changes_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_RECENT", -1)
    path = tmp_path / "data"
    path.write_bytes(b"before")
    file = HashedFile(str(path))
    file.hash_contents()
    path.touch()  # the same bytes: read again, and found to be so
    file.hash_contents()
    time.sleep(0.02)

    def read_while_it_is_written():
        with file.open() as stream:
            with path.open("r+b") as other:
                other.write(b"af")
            stream.read()

    with pytest.raises(ZipfitError, match="changed while it was being read"):
        read_while_it_is_written()
    with pytest.raises(ZipfitError, match="changed while it was being read"):
        file.hash_contents()


def test_a_file_changed_just_now_has_no_stamp(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"before")
    file = HashedFile(str(path))
    file.hash_contents()
    about = path.stat()
    path.write_bytes(b"after!")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(ZipfitError, match="changed while it was being read"):
        file.hash_contents()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_zstd_frames_of_every_kind_are_read_whole_or_refused(data):
    """Frames with and without a size and a checksum, raw, repeated and compressed blocks, cut anywhere."""
    parts = st.sampled_from(
        [b"", b"a", b"x" * 300_000, CONTENT, bytes(range(256)) * 600, random.Random(0).randbytes(140_000)]
    )
    frames, content = [], b""
    for _ in range(data.draw(st.integers(1, 4))):
        part = b"".join(data.draw(st.lists(parts, max_size=4)))
        checksum, size, level = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.integers(1, 9))
        maker = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=size)
        frames.append(maker.compress(part) if size else (each := maker.compressobj()).compress(part) + each.flush())
        content += part
    whole = b"".join(frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_PIECE", data.draw(st.sampled_from([8, 100, 1 << 16])) if len(whole) < 5000 else 999)
        assert (
            io.BufferedReader(streams._StreamsReader(io.BufferedReader(io.BytesIO(whole)), streams._frame)).read()
            == content
        )
        cut = whole[: data.draw(st.integers(len(whole) - len(frames[-1]) + 1, len(whole) - 1))]
        with pytest.raises(EOFError):
            io.BufferedReader(streams._StreamsReader(io.BufferedReader(io.BytesIO(cut)), streams._frame)).read()


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
    content = random.Random(0).randbytes(size)
    (tmp_path / "data.bin").write_bytes(content)
    assert read(f"{served}/data.bin") == content
    with pytest.raises(ZipfitError, match="no such file"):
        read(f"{served}/missing.bin")


def test_an_xz_stream_whose_checks_nobody_knows_is_refused(tmp_path):
    data = bytearray(lzma.compress(b'{"text": "a"}\n', check=lzma.CHECK_CRC32))
    data[7] = data[-3] = 2  # a kind that the format reserves, of the same size; header and footer say it
    data[8:12] = zlib.crc32(data[6:8]).to_bytes(4, "little")
    data[-12:-8] = zlib.crc32(data[-8:-2]).to_bytes(4, "little")
    path = tmp_path / "a.jsonl.xz"
    path.write_bytes(data)
    assert lzma.decompress(data) == b'{"text": "a"}\n'  # which Python does
    with pytest.raises(ZipfitError, match=r"a\.jsonl\.xz: has checks of kind 2, which liblzma does not know"):
        list(chunks(path))
