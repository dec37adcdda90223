from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError

import pytest

from zipfit.system import runtime

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that zipfit's code is taken to lie in, and pip noted nothing of it."""
    folder = tmp_path / "src" / "zipfit"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("one = 1\n")
    monkeypatch.setattr(runtime, "__file__", str(folder / "runtime.py"))
    monkeypatch.setattr("importlib.metadata.distribution", Installed(None))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # as a git hook has them
        monkeypatch.delenv(name, raising=False)
    return folder


class Installed:
    """An installed package with this in its direct_url.json, and every name's distribution."""

    def __init__(self, noted):
        self.noted = noted

    def __call__(self, name):
        return self

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.noted


def git(folder, *arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit():
    return runtime.zipfit_commit.__wrapped__()


@needs_git
def test_a_checkout_says_its_commit_and_whether_files_have_changed(package, tmp_path):
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "v1")  # is not what is said
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit() == head
    assert re.fullmatch("[0-9a-f]{40}", head)

    (tmp_path / "results.jsonl").write_text("{}\n")  # that git does not keep changes nothing
    assert commit() == head
    (package / "__init__.py").write_text("one = 2\n")
    assert commit() == head + "-dirty"


@needs_git
def test_another_projects_repository_is_not_ours(package, tmp_path):
    (tmp_path / ".gitignore").write_text("src\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "theirs")
    assert commit() is None


def test_there_may_be_no_repository_and_no_git(package, monkeypatch):
    assert commit() is None
    monkeypatch.setenv("PATH", "")
    assert commit() is None


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"url": "https://example.org/zipfit.git", "vcs_info": {"vcs": "git", "commit_id": "5" * 40}}, "5" * 40),
        ({"url": "file:///zipfit", "dir_info": {}}, None),
        ({"url": "https://example.org/zipfit.whl", "archive_info": {}}, None),
    ],
)
def test_pip_noted_the_commit_that_it_installed(package, monkeypatch, noted, expected):
    monkeypatch.setattr("importlib.metadata.distribution", Installed(json.dumps(noted)))
    assert commit() == expected


def test_zipfit_may_not_be_installed_at_all(package, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert commit() is None


def test_libraries_that_are_not_there_are_left_out():
    assert runtime.library_versions(["pytest", "no-such-library"]) == {"pytest": pytest.__version__}
