from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest

from zipfit.corpus.folders import expand
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
    assert passed_over == [str(tmp_path / "pool" / "gone")]
    # From the folder above, what lies in the pool is reached again; the circle ends there.
    assert "own/up/single.jsonl" in found
    assert not [name for name in found if name.count("up") > 1 or "self" in name]


def test_a_link_to_a_file_that_is_missing_is_one(zipfit, folder):
    (folder / "in").mkdir()
    (folder / "in" / "a.jsonl").write_text('{"text": "a"}\n')
    (folder / "in" / "b.jsonl").symlink_to("../blobs/missing")
    select = ["select", "in", "-t", "target.jsonl", "--fraction", "1", "-o", "out.jsonl"]
    assert zipfit(*select).err == "zipfit: error: in/b.jsonl: no such file\n"
    assert zipfit(*select, "--skip-bad-files").status == 0
    manifest = json.loads((folder / "out.manifest.json").read_text())
    assert [each["name"] for each in manifest["files_unreadable"]] == ["in/b.jsonl"]


def test_a_recursive_glob_does_not_go_in_a_circle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop" / "a").mkdir(parents=True)
    (tmp_path / "loop" / "a" / "x.jsonl").write_text("")
    for link, to in (("loop/a/up", ".."), ("loop/self", "."), ("loop/b", "a")):
        (tmp_path / link).symlink_to(to)
    found = ["loop/a/x.jsonl", "loop/b/x.jsonl"]
    assert expand(["loop/**/*.jsonl"])[0] == expand(["loop/**"])[0] == expand(["loop"])[0] == found
    assert expand(["**/x.jsonl"])[0] == expand(["l*p/**/**/x.jsonl"])[0] == found
    assert expand(["loop/a/**/x.jsonl"])[0] == ["loop/a/x.jsonl"]


def test_the_splits_of_a_saved_dictionary_are_its_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train_sft", "my_split"):
        (tmp_path / "saved" / split).mkdir(parents=True)
        (tmp_path / "saved" / split / "data-00000-of-00001.arrow").write_text("")
        (tmp_path / "saved" / split / "state.json").write_text("{}")
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train_sft", "my_split"]}')
    for split in ("train_sft", "my_split"):
        assert expand([f"saved@{split}"])[0] == [f"saved/{split}/data-00000-of-00001.arrow"]
    with pytest.raises(ZipfitError, match=r"has no split 'test' \(the names of its files tell: my_split, train_sft\)"):
        expand(["saved@test"])


def test_a_split_by_a_name_of_its_own_does_not_join_train(tmp_path):
    names = [f"{split}/data-00000-of-00001.arrow" for split in ("holdout", "train")]
    make(tmp_path / "dict", "dataset_dict.json", *names)
    assert within(tmp_path / "dict", str(tmp_path / "dict"))[0] == names[1:]
    assert within(tmp_path / "dict", f"{tmp_path}/dict@holdout")[0] == names[:1]


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


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def within(folder, path, **options):
    files, passed_over = expand([path], **options)
    return [[str(Path(name).relative_to(folder)) for name in names] for names in (files, passed_over)]


HUB = ["LICENSE.txt", "README.md", "dataset_infos.json"]
TRAIN = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
TEST = ["data/test-00000-of-00001.parquet"]


@pytest.mark.parametrize("ending", ["", "/"])
def test_of_a_folder_of_the_hub_the_train_split_is_read(tmp_path, monkeypatch, ending):
    make(tmp_path / "hub", *HUB, *TRAIN, *TEST)
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / "hub"), "hub", "./hub", "../" + tmp_path.name + "/hub"):
        files, passed_over = expand([path + ending])
        assert [name.removeprefix(path).rsplit("hub/", 1)[-1].lstrip("/") for name in files] == TRAIN
        assert len(passed_over) == 4
    assert within("hub", "hub@test")[0] == TEST
    assert within("hub", "hub@train")[0] == TRAIN
    with pytest.raises(ZipfitError, match=r"hub: has no split 'dev' \(the names of its files tell: test, train\)"):
        expand(["hub@dev"])


def test_a_folder_as_save_to_disk_writes_it(tmp_path):
    one = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    make(tmp_path / "one", *one, "dataset_info.json", "state.json")
    assert within(tmp_path / "one", str(tmp_path / "one")) == [one, ["dataset_info.json", "state.json"]]
    splits = [f"{split}/{name}" for split in ("test", "train") for name in (one[0], "dataset_info.json", "state.json")]
    make(tmp_path / "dict", "dataset_dict.json", *splits)
    assert within(tmp_path / "dict", str(tmp_path / "dict"))[0] == ["train/data-00000-of-00002.arrow"]
    assert within(tmp_path / "dict", f"{tmp_path}/dict@test")[0] == ["test/data-00000-of-00002.arrow"]


def test_splits_of_a_data_set_s_own_are_told_by_its_shards(tmp_path):
    names = [f"data/{split}-00000-of-00001.parquet" for split in ("test_sft", "train_gen", "train_sft")]
    make(tmp_path, *names)
    assert within(tmp_path, str(tmp_path))[0] == names[1:]
    assert within(tmp_path, f"{tmp_path}@train_sft")[0] == names[2:]
    assert within(tmp_path, f"{tmp_path}@test_sft")[0] == names[:1]


@pytest.mark.parametrize(
    "names",
    [
        ["a.jsonl", "train.jsonl"],
        ["test.jsonl", "validation.jsonl"],
        ["contest.jsonl", "training.jsonl"],
        ["developer.jsonl", "latest.jsonl", "train.jsonl"],
        ["license-texts.jsonl", "readme_first.jsonl", "state.jsonl"],
    ],
)
def test_without_a_train_split_beside_another_all_is_read(tmp_path, names):
    make(tmp_path, *names)
    assert within(tmp_path, str(tmp_path)) == [names, []]


def test_a_split_s_word_in_the_folder_s_own_path_tells_nothing(tmp_path):
    make(tmp_path / "test", "a.jsonl", "train.jsonl")
    assert within(tmp_path / "test", str(tmp_path / "test")) == [["a.jsonl", "train.jsonl"], []]


def test_a_given_format_and_a_glob_read_what_a_folder_leaves_out(tmp_path):
    make(tmp_path, "README.md", "test.bin", "train.bin")
    assert within(tmp_path, str(tmp_path), any_format=True) == [["train.bin"], ["README.md", "test.bin"]]
    make(tmp_path, "test.txt", "train.txt")
    assert within(tmp_path, f"{tmp_path}/*.txt")[0] == ["test.txt", "train.txt"]
    assert within(tmp_path, f"{tmp_path}/*.md")[0] == ["README.md"]


def test_a_name_with_an_at_sign_that_exists_is_itself(tmp_path):
    make(tmp_path, "pool@test/a.jsonl", "pool/train.jsonl", "pool/test.jsonl")
    assert within(tmp_path, f"{tmp_path}/pool@test")[0] == ["pool@test/a.jsonl"]


def test_of_a_remote_folder_the_train_split_is_read():
    for name in ("README.md", "train/a.jsonl", "test/a.jsonl"):
        with fsspec.open(f"memory://splits/{name}", "wb") as stream:
            stream.write(b"x")
    files, passed_over = expand(["memory://splits"])
    assert files == ["memory:///splits/train/a.jsonl"]
    assert passed_over == ["memory:///splits/README.md", "memory:///splits/test/a.jsonl"]


@pytest.mark.parametrize(
    "name", ["README_zh.md", "readme.zh-CN.md", "NOTICE.txt", "LICENSE-CODE.txt", "CHANGELOG.md", "croissant.json"]
)
def test_what_is_about_the_documents_is_passed_over(tmp_path, name):
    for file in (name, "train.jsonl", "notice_board.md"):
        (tmp_path / file).write_text('{"text": "a"}')
    files, passed_over = expand([str(tmp_path)])
    assert [Path(file).name for file in files] == ["notice_board.md", "train.jsonl"]
    assert str(tmp_path / name) in passed_over
