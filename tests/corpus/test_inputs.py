from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from zipfit.corpus.inputs import expand
from zipfit.errors import ZipfitError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [
        "b.jsonl", "a.jsonl.gz", "c/d.txt", "c/a/e.parquet", "notes.pdf", ".hidden.jsonl", ".git/x.jsonl",
        "old.manifest.json", "old.jsonl.rejected.jsonl", "old.jsonl.duplicates.jsonl",
    ]  # fmt: skip
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("x")
    return tmp_path


def test_a_folder_is_searched_at_every_depth_in_order_of_names(tree):
    files, passed_over = expand(["in"])
    assert files == ["in/a.jsonl.gz", "in/b.jsonl", "in/c/a/e.parquet", "in/c/d.txt"]
    assert passed_over == ["in/notes.pdf"]


def test_linked_folders_and_files_are_followed_but_not_in_a_circle(tmp_path):
    for folder in ("pool/own", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("pool/own/a.jsonl", "elsewhere/b.jsonl", "elsewhere/deep/c.jsonl", "single.jsonl"):
        (tmp_path / name).write_text("")
    for link, to in (
        ("pool/linked", "../elsewhere"),
        ("pool/again", "../elsewhere"),
        ("pool/single.jsonl", "../single.jsonl"),
        ("pool/own/up", "../.."),
        ("pool/self", "."),
        ("elsewhere/deep/back", "../../pool"),
        ("pool/gone", "../nowhere"),
    ):
        (tmp_path / link).symlink_to(to)
    files, passed_over = expand([str(tmp_path / "pool")])
    found = [str(Path(name).relative_to(tmp_path / "pool")) for name in files]
    for name in ("own/a.jsonl", "linked/b.jsonl", "linked/deep/c.jsonl", "again/b.jsonl", "single.jsonl"):
        assert found.count(name) == 1
    assert passed_over == []
    # From the folder above, what lies in the pool is reached again; the circle ends there.
    assert "own/up/single.jsonl" in found
    assert not [name for name in found if name.count("up") > 1 or "self" in name]


def test_with_a_given_format_every_file_of_a_folder_is_taken(tree):
    files, passed_over = expand(["in"], any_format=True)
    assert "in/notes.pdf" in files
    assert passed_over == []
    assert not [name for name in files if "hidden" in name or ".git" in name or "old" in name]


def test_the_order_of_the_arguments_is_kept_and_globs_are_sorted(tree):
    files, _ = expand(["in/c/d.txt", "in/*.jsonl*", "-"])
    assert files[0] == "in/c/d.txt"
    assert files[1:3] == ["in/a.jsonl.gz", "in/b.jsonl"]
    assert files[-1] == "-"


def test_a_recursive_glob_and_folders_within_one(tree):
    assert expand(["in/**/*.parquet"])[0] == ["in/c/a/e.parquet"]
    assert expand(["in/c*"])[0] == ["in/c/a/e.parquet", "in/c/d.txt"]


def test_a_name_with_magic_characters_that_exists_is_itself(tree):
    (tree / "a[1].jsonl").write_text("x")
    assert expand(["a[1].jsonl"])[0] == ["a[1].jsonl"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing.jsonl", "missing.jsonl: no such file or folder"),
        ("in/*.csv", r"in/\*.csv: matches no file"),
        ("in/only", "in/only: holds no file whose name tells a format that zipfit reads"),
        ("", ": no such file or folder"),
    ],
)
def test_nothing_found_is_an_error(tree, path, reason):
    (tree / "in" / "only").mkdir()
    (tree / "in" / "only" / "a.pdf").write_text("x")
    with pytest.raises(ZipfitError, match=reason):
        expand([path])


def test_remote_folders_and_globs():
    for name in ("b.jsonl", "sub/a.jsonl", "x.pdf", "a.manifest.json"):
        with fsspec.open(f"memory://located/{name}", "wb") as stream:
            stream.write(b"x")
    files, passed_over = expand(["memory://located"])
    assert files == ["memory:///located/b.jsonl", "memory:///located/sub/a.jsonl"]
    assert passed_over == ["memory:///located/x.pdf"]
    assert expand(["memory://located/*.jsonl"])[0] == ["memory:///located/b.jsonl"]
    with pytest.raises(ZipfitError, match="matches no file"):
        expand(["memory://located/*.csv"])
