from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zipfit.cli.app import application
from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.study import check
from zipfit.study.check import check_study
from zipfit.study.problems import ProblemsError
from zipfit.study.spec import load_study

yaml = pytest.importorskip("yaml")

STUDIES = Path(__file__).resolve().parents[2] / "studies"
PAPER = sorted((STUDIES / "paper").glob("*.yaml"))

STUDY = {
    "name": "a study",
    "source": "pool.jsonl",
    "target": {"files": "task.jsonl", "rows": [0, 3]},
    "test": {"files": "task.jsonl", "rows": [3, None]},
    "methods": {"zipfit": {}, "one": {"label": "books"}, "levels": {"method": "zipfit", "sweep": {"level": [1, 9]}}},
    "budgets": [2048, 4096],
    "models": ["org/model"],
    "seeds": [0, 1, 2],
}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "pool.jsonl", [{"text": f"document {i}", "source": ("web", "books")[i % 2]} for i in range(10)])
    write(tmp_path / "task.jsonl", [{"text": f"example {i}"} for i in range(5)])
    return tmp_path


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def checked(folder):
    def _checked(**changes):
        (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes, sort_keys=False))
        return check_study(load_study(folder / "study.yaml"))

    return _checked


def test_a_study_in_numbers(checked):
    found = checked()
    assert (found.arms, found.cells) == (4, 4 * 2 * 3)
    assert found.documents == {"source": 10, "target": 3, "test": 2}
    assert found.notes == ["not looked at, as it is not on this machine: the model org/model"]


def test_a_study_runs_no_code_without_consent(folder, monkeypatch):
    (folder / "own_arm.py").write_text(
        "from pathlib import Path\nPath('imported').touch()\n"
        "class Own:\n    def fit(self, target, pool=None): return self\n    def score(self, texts): return [0.0] * len(texts)\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    for method, consent, message in (
        (
            "own_arm:Own",
            (),
            r"study.yaml: methods.mine.method: method 'own_arm:Own' would run .* --allow-code own_arm ",
        ),
        ("subprocess:Popen", (), r"--allow-code subprocess "),
        ("subprocess:Popen", ("subprocess",), r"Popen is no method"),
        ("own_arm:Own", ("own_arm",), None),
    ):
        arm = {"method": method} if method.startswith("own") else {"method": method, "options": {"args": "true"}}
        (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"methods": {"mine": arm}}, sort_keys=False))
        if message is None:
            assert load_study("study.yaml", allow_code=consent).arms[0].method == method
        else:
            with pytest.raises(ZipfitError, match=message):
                load_study("study.yaml", allow_code=consent)
        assert (folder / "imported").exists() == (message is None)
    ran = CliRunner().invoke(application(), ["study", "check", "study.yaml"])
    assert ran.exit_code == 2
    assert CliRunner().invoke(application(), ["study", "check", "study.yaml", "--allow-code", "own_arm"]).exit_code == 0


def test_budgets_of_an_arm_count_instead_of_the_studys(checked):
    assert checked(methods={"zipfit": {}, "everything": {"train_on": "source", "budgets": [None]}}).cells == (2 + 1) * 3


def test_what_is_elsewhere_is_named_once(checked):
    remote = {"files": ["hub:org/set@train", "s3://bucket/x.jsonl"], "label": "remote"}
    found = checked(source=["pool.jsonl", remote, remote | {"rows": [0, 1]}])
    assert found.documents == {"source": None, "target": 3, "test": 2}
    assert [note.rsplit(": ", 1)[1] for note in found.notes] == [
        "hub:org/set@train",
        "s3://bucket/x.jsonl",
        "the model org/model",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": {"a": {"label": "Books"}}},
            "arm 'a': no document of the source has its label: there are web, books",
        ),
        ({"test": {"files": "task.jsonl", "rows": [5, 9]}}, "test: task.jsonl holds no document within rows [5, 9]"),
        ({"source": {"files": "pool.jsonl", "text_field": "body"}}, "no field 'body'"),
        ({"source": "hub:org/a--b@train"}, "source: hub:org/a--b@train: 'org/a--b' cannot be the name"),
        ({"target": "hub:a/b/c@train"}, "'a/b/c' cannot be the name"),
        ({"models": ["org/a model"]}, "'org/a model' is no local path and cannot be the name"),
    ],
)
def test_what_cannot_run_is_an_error(checked, changes, message):
    with pytest.raises(ZipfitError) as caught:
        checked(**changes)
    assert message in str(caught.value)


def test_all_that_is_wrong_with_a_file_is_told_at_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    study = {
        "nmae": "a typo",
        "source": ["pool.jsonl", {"files": "gone.jsonl", "sample": 0}, {"files": "pool.jsonl", "rows": [3, 1]}],
        "target": "task.jsonl",
        "methods": {"zipfit": {"options": {"level": 99}}, "cover": {"min_score": 1}, "own:Class": {}, "random": {}},
        "budgets": [0, "many", 512],
        "models": ["org/a", "other/a", {"revision": "main"}],
        "training": {"block_size": "wide", "epoch": 3},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    ran = CliRunner().invoke(application(), ["study", "check", "study.yaml"])
    assert ran.exit_code == 2
    lines = ran.output.splitlines()
    assert all(line.startswith("zipfit: error: study.yaml: ") for line in lines)
    said = [line.removeprefix("zipfit: error: study.yaml: ") for line in lines]
    for wanted in (
        "nmae: there is no such key: did you mean name?",
        "name is missing",
        "test is missing",
        "source.1.files: ",
        "source.1.sample: must be a whole number of at least 1, not 0",
        "source.2.rows: holds no document: 1 is not above 3",
        "methods.zipfit.options.level:",
        "methods.cover.min_score: method 'cover' ranks the pool as a set",
        "methods.own:Class: is not the name of a method",
        "budgets.0: must be a whole number",
        "budgets.1: must be a whole number",
        "models.1: there are two models of the label a",
        "models.2: name is missing",
        "training.epoch: there is no such key",
    ):
        assert sum(line.startswith(wanted) for line in said) == 1, (wanted, said)
    assert len(said) == len(set(said)) == 14
    report = json.loads(CliRunner().invoke(application(), ["study", "check", "study.yaml", "--json"]).stdout)
    assert report["study.yaml"]["error"].splitlines() == [f"study.yaml: {line}" for line in said]


def test_all_that_is_wrong_with_the_data_is_told_at_once(checked):
    with pytest.raises(ProblemsError) as caught:
        checked(
            methods={"a": {"label": "Books"}, "b": {"label": "Web"}, "random": {}},
            target={"files": "task.jsonl", "text_field": "body"},
            test={"files": "task.jsonl", "rows": [5, 9]},
            models=["org/a model", "org/another model", "org/model"],
        )
    assert len(caught.value.errors) == 6
    assert str(caught.value) == "\n".join(caught.value.errors)
    assert pickle.loads(pickle.dumps(caught.value)).errors == caught.value.errors


def test_a_label_may_lie_in_a_part_that_is_elsewhere(checked):
    part = {"files": "hub:org/set@train", "label": "remote"}
    assert checked(source=["pool.jsonl", part], methods={"a": {"label": "remote"}}).cells == 6


def test_notes_on_what_is_worth_a_thought(checked, monkeypatch):
    def missing(name, level):
        raise MissingExtraError(f"compressor {name}", "brotli")

    monkeypatch.setattr(check, "get_compressor", missing)
    found = checked(
        target="task.jsonl",
        methods={"zipfit": {"options": {"compressor": "brotli"}}, "more": {"method": "zipfit", "target_size": 50}},
        models=[{"name": "org/model", "trust_remote_code": True}, "nowhere/at/all"],
    )
    assert found.notes == [
        "2 documents of the test set are in the target too",
        "arm 'zipfit' will fail here: compressor brotli needs an extra that is not installed: pip install 'zipfit[brotli]'",
        "arm 'more' asks for 50 target examples, and there are 5",
        "not looked at, as it is not on this machine: the model org/model",
        "runs the Python code that comes with the model org/model",
        "will fail here: model nowhere/at/all: there is no such folder",
    ]


def test_the_command_checks_all_files_and_fails_if_one_is_not_valid(folder):
    (folder / "good.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "bad.yaml").write_text(yaml.safe_dump(STUDY | {"budgets": [1]}))
    bad, good = str(folder / "bad.yaml"), str(folder / "good.yaml")
    result = CliRunner().invoke(application(), ["study", "check", bad, good])
    assert result.exit_code == 2
    assert f"error: {bad}: budgets: 1 tokens are less than one block" in result.output
    assert f"{good}: valid: 4 arms, 24 runs; documents: source 10, target 3, test 2\n" in result.stdout
    result = CliRunner().invoke(application(), ["study", "check", bad, good, "--json"])
    reports = json.loads(result.stdout)
    assert reports[good]["cells"] == 24
    assert reports[bad]["error"].startswith(bad)
    assert CliRunner().invoke(application(), ["study", "check", good]).exit_code == 0


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Files of the names that `studies/` asks for, with documents of every label."""
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "smollm2-random").mkdir()
    (folder / "smollm2-random" / "config.json").touch()
    (folder / "gemma-3-270m-q4_k_m.gguf").touch()
    (folder / "targets").mkdir()
    sources = yaml.safe_load((STUDIES / "sources.yaml").read_text())
    labels = sources["methods"]["source"]["sweep"]["label"]
    for name in ("af_pool", "code_pool"):
        write(folder / f"{name}.jsonl.zst", [{"text": label, "source": label} for label in labels for _ in range(300)])
    for name in ("proofnet_valid", "proofnet_test", "humaneval", "mbpp", "spider_valid", "spider_test"):
        write(folder / "targets" / f"{name}.jsonl", [{"text": f"{name} {i}"} for i in range(974)])
    return folder


HERE = sorted(path for path in STUDIES.rglob("*.yaml") if path not in PAPER)


@pytest.mark.parametrize("path", HERE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_studies_run_here_are_valid(path, corpora):
    study = load_study(path, data=str(corpora))
    found = check_study(study)
    assert None not in found.documents.values()
    assert all(any(name in note for name in ("smollm2", "brotli", "GGUF")) for note in found.notes)
    assert study.settings.learning_rate == (2e-5 if path.stem == "learning-rate" else 1e-4)


def test_the_papers_studies_are_valid_and_cover_its_five_models():
    studies = [load_study(path) for path in PAPER]
    assert {model.label for study in studies for model in study.models} == {
        "GPT-2",
        "Mistral-7B",
        "Gemma2-2B",
        "CodeGemma-2B",
        "InternLM-Math-Plus-1.8B",
    }
    for study in studies:
        assert check_study(study).documents == {"source": None, "target": None, "test": None}
        settings = study.settings
        assert (settings.block_size, settings.learning_rate, settings.batch_size) == (1024, 7.5e-7, 4)
        assert (settings.epochs, settings.weight_decay, settings.max_grad_norm) == (1, 0.01, 1.0)
        labels = {part.label for part in study.source}
        assert {arm.label for arm in study.arms} - {None} <= labels


def test_the_example_of_the_docs_is_valid(corpora):
    page = (STUDIES.parent / "docs" / "study.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (corpora / "example.yaml").write_text(example)
    assert check_study(load_study(corpora / "example.yaml")).cells == 7 * 2 * 3
