"""What a command writes: known before, in place together, and never in the place of something else."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys

import fsspec
import pytest
from support import read_jsonl

import zipfit
from zipfit.corpus import outputs as module
from zipfit.corpus.inputs import Files, names_of
from zipfit.corpus.outputs import Outputs, replacing
from zipfit.corpus.streams import HashedFile
from zipfit.errors import ZipfitError

BESIDE = ["out.jsonl.rejected.jsonl", "out.jsonl.duplicates.jsonl", "out.jsonl.excluded.jsonl", "out.manifest.json"]


def selection(overwrite=False):
    return Outputs.of_selection("out.jsonl", overwrite)


def write(outputs, content, *paths):
    with outputs.writing() as files:
        for path in paths:
            with files.open(path) as written:
                written.file.write(content)


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("out", "its extension names no output format"),
        ("out.txt", "its extension names no output format"),
        ("out.parquet.gz", "its extension names no output format"),
        ("missing/out.jsonl", "the folder missing does not exist"),
        ("out2/", r"which takes shards: give their size \(--shard-records, or shard_records in Python\)$"),
        ("there.jsonl", r"exists already \(give --overwrite, or overwrite=True in Python, to replace it\)"),
        ("folder.jsonl", "is a folder"),
        ("memory://written/there.jsonl", "exists already"),
        ("there.jsonl/out.jsonl", "the folder there.jsonl does not exist"),
    ],
)
def test_an_output_that_cannot_be_is_told_beforehand(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.jsonl").write_text("x")
    (tmp_path / "folder.jsonl").mkdir()
    with fsspec.open("memory://written/there.jsonl", "w") as stream:
        stream.write("x")
    with pytest.raises(ZipfitError, match=reason):
        Outputs(path, overwrite=False).check()


def test_overwriting_and_standard_output_need_no_more(tmp_path):
    (tmp_path / "there.jsonl").write_text("x")
    Outputs(str(tmp_path / "there.jsonl"), overwrite=True).check()
    Outputs("-", overwrite=False).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_no_file_is_told_beforehand(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ZipfitError, match="is not writable"):
        Outputs(str(tmp_path / "out.jsonl"), overwrite=False).check()


def test_what_was_there_stays_unless_all_is_well(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(str(path)) as written:  # noqa: PT012
        written.file.write(b"after")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for content in (b"new", b"newer"):
        with replacing(str(tmp_path / "link")) as written:
            written.file.write(content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == content


def test_the_new_file_has_the_usual_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        with replacing(str(tmp_path / "out")) as written:
            written.file.write(b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_remote_output():
    with replacing("memory://written/out.jsonl") as written:
        written.file.write(b"hello")
    file = HashedFile("memory://written/out.jsonl")
    with file.open() as stream:
        assert stream.read() == b"hello"
    assert file.sha256 == written.sha256


def test_standard_output(capfdbinary):
    with replacing("-") as written:
        written.file.write(b"a\n")
    assert capfdbinary.readouterr().out == b"a\n"
    assert io.BytesIO(b"a\n").getbuffer().nbytes == written.bytes


def test_a_command_knows_all_files_that_it_may_write():
    assert selection().companions == BESIDE
    assert Outputs.of_scores("out.csv.gz", False).companions == ["out.csv.gz.rejected.jsonl"]
    assert Outputs.of_selection("-", False).companions == Outputs.of_scores("-", False).companions == []


@pytest.mark.parametrize("name", ["out.jsonl", *BESIDE])
def test_each_file_that_exists_is_named(here, name):
    (here / name).write_text("kept")
    with pytest.raises(
        ZipfitError, match=rf"^{name}: exists already \(give --overwrite, or overwrite=True in Python, to replace it\)$"
    ):
        selection().check()
    selection(overwrite=True).check()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["out.jsonl", *BESIDE])
def test_no_file_takes_the_place_of_an_input(here, monkeypatch, name, overwrite):
    (here / "folder").mkdir()
    (here / name).write_text("kept")
    (here / "link").symlink_to(name)
    os.link(name, "hard")
    (here / "round").symlink_to("../" + here.name)
    spellings = [name, f"./{name}", str(here / name), f"folder/../{name}", f"round/{name}", "link", "hard"]
    for spelling in [*spellings, f"file://{here / name}"]:
        with pytest.raises(ZipfitError, match=f"^{name}: is one of the inputs, which a selection must not replace$"):
            selection(overwrite).check(["other", spelling])


@pytest.mark.parametrize("name", ["out.jsonl", *BESIDE])
def test_no_link_leads_to_an_input(here, name):
    (here / "pool").write_text("kept")
    (here / name).symlink_to("pool")
    with pytest.raises(ZipfitError, match=f"^{name}: is one of the inputs"):
        selection(overwrite=True).check(["pool"])


def test_a_remote_input_is_not_replaced(here):
    with fsspec.open("memory://inputs/out.manifest.json", "w") as stream:
        stream.write("x")
    with pytest.raises(ZipfitError, match="is one of the inputs"):
        Outputs.of_selection("memory://inputs/out.jsonl", True).check(["memory:///inputs/out.manifest.json"])


def test_the_names_of_inputs_are_known_before_they_are_opened(here):
    for name in ("a.jsonl", "b.jsonl"):
        (here / name).write_text("no JSON")
    assert names_of(Files(["*.jsonl", "-", "hub:name@train"])) == ["a.jsonl", "b.jsonl", "-"]
    assert names_of(here / "a.jsonl") == [str(here / "a.jsonl")]
    assert names_of(["a.jsonl", "as a text"]) == []


def test_two_outputs_are_not_one_file(here):
    (here / "out.jsonl").symlink_to("out.manifest.json")
    with pytest.raises(ZipfitError, match=r"^out.manifest.json: is a link to where out.jsonl goes$"):
        selection().check()


@pytest.mark.parametrize("name", ["out.jsonl", *BESIDE])
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a socket", "a device"])
def test_what_is_no_regular_file_is_refused(here, name, linked, kind):
    path = here / "there" if linked else here / name
    if kind == "a folder":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    if linked:
        (here / name).symlink_to(path)
    before = path.lstat()
    for overwrite in (False, True):
        with pytest.raises(ZipfitError, match=f"^{name}: is {kind}"):
            selection(overwrite).check()
    with pytest.raises(ZipfitError, match=f"^{name}: is {kind}"), replacing(name):
        pass
    after = path.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_links_that_lead_nowhere(here):
    (here / "out.jsonl").symlink_to("out.jsonl")
    with pytest.raises(ZipfitError, match=r"^out.jsonl: cannot be written \(Too many levels of symbolic links\)"):
        selection(overwrite=True).check()
    (here / "out.jsonl").unlink()
    (here / "out.jsonl").symlink_to("missing/file")
    with pytest.raises(ZipfitError, match=r"^out.jsonl: the folder .*missing does not exist$"):
        selection().check()


def test_a_long_name_fails_before_the_work_or_not_at_all(here):
    name = "é" * 100 + ".jsonl"
    Outputs.of_selection(name, False).check()
    write(Outputs.of_selection(name, False), b"x", name)
    with pytest.raises(ZipfitError, match="cannot be written \\(File name too long\\)"):
        Outputs.of_selection("é" * 124 + ".jsonl", False).check()


def test_files_appear_together_or_not_at_all(here):
    with selection().writing() as files:
        for name in ("out.jsonl", *BESIDE):
            with files.open(name) as written:
                written.file.write(b"x")
        assert not {"out.jsonl", *BESIDE} & set(listed(here))
    assert listed(here) == sorted(["out.jsonl", *BESIDE])
    for path in here.iterdir():
        path.unlink()
    with pytest.raises(KeyboardInterrupt), selection().writing() as files:  # noqa: PT012
        with files.open("out.jsonl"):
            pass
        with files.open("out.manifest.json"):
            raise KeyboardInterrupt
    assert listed(here) == []


@pytest.mark.parametrize("name", ["out.jsonl", *BESIDE])
def test_a_file_that_came_up_meanwhile_stays(here, name):
    taken = pytest.raises(ZipfitError, match=rf"^{name}: exists already \(give --overwrite")
    with taken, selection().writing() as files:
        for each in ("out.jsonl", *BESIDE):
            with files.open(each) as written:
                written.file.write(b"mine")
        (here / name).write_text("another's")
    assert listed(here) == [name]
    assert (here / name).read_text() == "another's"


@pytest.mark.parametrize("fault", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links(here, monkeypatch, fault):
    def link(*_):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "link", link)
    write(selection(), b"first", "out.jsonl", "out.manifest.json")
    with pytest.raises(ZipfitError, match=r"^out.jsonl: exists already"):
        write(selection(), b"second", "out.jsonl", "out.manifest.json")
    (here / "out.jsonl").unlink()
    with pytest.raises(ZipfitError, match=r"^out.manifest.json: exists already"):
        write(selection(), b"second", "out.jsonl", "out.manifest.json")
    assert listed(here) == ["out.manifest.json"]
    assert (here / "out.manifest.json").read_bytes() == b"first"


def test_a_link_that_was_made_though_the_answer_got_lost(here, monkeypatch):
    plain = os.link

    def link(source, place):
        plain(source, place)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", link)
    write(selection(), b"mine", "out.jsonl")
    assert listed(here) == ["out.jsonl"]


def test_a_folder_that_something_else_has_locked(here, monkeypatch):
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.05)
    handle = os.open(here, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as `flock FOLDER zipfit ...` does
    write(selection(), b"mine", "out.jsonl")
    os.close(handle)
    assert listed(here) == ["out.jsonl"]


def test_no_companion_of_an_earlier_output_stays(here):
    write(selection(), b"old", "out.jsonl", *BESIDE)
    (here / "other.jsonl.rejected.jsonl").write_text("another's")
    write(selection(overwrite=True), b"new", "out.jsonl", "out.manifest.json")
    assert listed(here) == ["other.jsonl.rejected.jsonl", "out.jsonl", "out.manifest.json"]
    assert (here / "out.manifest.json").read_bytes() == b"new"


def test_of_a_companion_elsewhere_the_link_goes(here):
    (here / "precious").write_text("kept")
    (here / BESIDE[1]).symlink_to("precious")
    write(selection(overwrite=True), b"new", "out.jsonl")
    assert listed(here) == ["out.jsonl", "precious"]
    assert (here / "precious").read_text() == "kept"


def test_no_remote_companion_stays():
    for name in ("out.jsonl", *BESIDE):
        with fsspec.open(f"memory://stale/{name}", "w") as stream:
            stream.write("old")
    write(Outputs.of_selection("memory://stale/out.jsonl", True), b"new", "memory://stale/out.jsonl")
    assert [name.rsplit("/")[-1] for name in fsspec.filesystem("memory").find("/stale")] == ["out.jsonl"]
    with pytest.raises(ZipfitError, match="exists already"):
        write(Outputs.of_selection("memory://stale/out.jsonl", False), b"newer", "memory://stale/out.jsonl")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_replaced_file_keeps_its_permissions(here, mode):
    for name in ("out.jsonl", *BESIDE):
        (here / name).touch()
        (here / name).chmod(mode)
        if os.geteuid() == 0:
            os.chown(here / name, 12, 34)
    write(selection(overwrite=True), b"new", "out.jsonl", *BESIDE)
    with replacing("out.jsonl") as written:
        written.file.write(b"newer")
        parts = list(here.glob(".*.part"))
        assert len(parts) == 1
        assert stat.S_IMODE(parts[0].stat().st_mode) == 0o600  # nobody else reads along
    for name in ("out.jsonl", *BESIDE):
        found = (here / name).stat()
        assert stat.S_IMODE(found.st_mode) == mode
        if os.geteuid() == 0:
            assert (found.st_uid, found.st_gid) == (12, 34)


def test_the_owner_is_kept_only_where_that_is_allowed(here, monkeypatch):
    def chown(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    (here / "out.jsonl").touch()
    (here / "out.jsonl").chmod(0o604)
    monkeypatch.setattr(os, "chown", chown)
    write(selection(overwrite=True), b"new", "out.jsonl")
    assert (here / "out.jsonl").read_bytes() == b"new"
    assert stat.S_IMODE((here / "out.jsonl").stat().st_mode) == 0o604


TOGETHER = """
import json, os, sys, time
from pathlib import Path
import zipfit
number, processes, rounds, overwrite = map(int, sys.argv[1:])
pool = [{"text": f"document {i % 30}"} for i in range(40)] + [{"body": 1}] * (number == 1)
more = {"skip_bad": True} if number == 1 else {"dedup": "exact"} if number == 2 else {}
made = zipfit.select(pool, ["document 3"], top=5 + number, **more)
ended = []
for round in range(rounds):
    Path(f"ready.{round}.{number}").touch()
    while not all(os.path.exists(f"ready.{round}.{other}") for other in range(processes)):
        pass
    try:
        made.save(f"{round}/out.jsonl", overwrite=bool(overwrite))
    except zipfit.ZipfitError as error:
        ended.append(str(error))
    else:
        ended.append(None)
print(json.dumps(ended))
"""


@pytest.mark.parametrize("overwrite", [0, 1])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_with_one_output(here, processes, overwrite):
    """Exactly one ends well, or all of them with `overwrite`; and all files are of one run."""
    rounds = 20
    for number in range(rounds):
        (here / str(number)).mkdir()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, *map(str, (number, processes, rounds, overwrite))], stdout=subprocess.PIPE
        )
        for number in range(processes)
    ]
    ended = [json.loads(process.communicate(timeout=120)[0]) for process in started]
    for number in range(rounds):
        folder = here / str(number)
        said = [each[number] for each in ended]
        if overwrite:
            assert said == [None] * processes
        else:
            assert said.count(None) == 1, said
            assert {each for each in said if each} <= {
                f"{number}/{name}: exists already (give --overwrite, or overwrite=True in Python, to replace it)"
                for name in ("out.jsonl", *BESIDE)
            }
        of_one_run(folder)


def of_one_run(folder):
    """Check that an output, its manifest and its companions are of one run, and that nothing else is there."""
    manifest = json.loads((folder / "out.manifest.json").read_text())
    assert hashlib.sha256((folder / "out.jsonl").read_bytes()).hexdigest() == manifest["output"]["sha256"]
    assert len(read_jsonl(folder / "out.jsonl")) == manifest["selection"]["documents"]
    expected = {"out.jsonl", "out.manifest.json"}
    if manifest["parameters"]["skip_bad"]:
        expected.add(BESIDE[0])
    if manifest["selection"]["dropped"]:
        expected.add(BESIDE[1])
    assert set(listed(folder)) == expected


DYING = """
import os, signal, sys
import zipfit
from zipfit.corpus import outputs
left = int(sys.argv[1])
def dying(call):
    def called(*arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)
    return called
made = zipfit.select([f"document {i}" for i in range(9)] + ["document 3"] * 3, ["document 3"], top=5, dedup="exact")
for name in ("link", "replace", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
made.save("out.jsonl", overwrite=len(sys.argv) > 2)
"""


@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_at_any_step_of_putting_files_in_place(here, overwrite):
    """What lies under a final name is whole, and a manifest is of the records beside it."""
    if overwrite:
        pool = [f"document {i}" for i in range(9)] + ["document 4"] * 3
        zipfit.select(pool, ["document 4"], top=4, dedup="exact").save("out.jsonl")
    arguments = ["overwrite"] if overwrite else []
    for step in range(1, 20):
        ran = subprocess.run([sys.executable, "-c", DYING, str(step), *arguments], timeout=60, check=False)
        there = {name for name in listed(here) if not name.startswith(".")}
        if (here / "out.manifest.json").exists():
            manifest = json.loads((here / "out.manifest.json").read_text())
            assert hashlib.sha256((here / "out.jsonl").read_bytes()).hexdigest() == manifest["output"]["sha256"]
            assert there == {"out.jsonl", "out.manifest.json", BESIDE[1]}
        assert (here / "out.jsonl").exists() or not there
        for name in there & {"out.jsonl", BESIDE[1]}:
            assert read_jsonl(here / name)
        if ran.returncode == 0:
            break
        assert ran.returncode == -signal.SIGKILL
        if not overwrite:
            for path in here.iterdir():
                path.unlink()
    assert step > 4
