from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("accelerate")
pytest.importorskip("yaml")
from support import write_jsonl
from tiny import TEXTS, save_model

from zipfit import alignment, select
from zipfit.errors import ZipfitError
from zipfit.study.plan import Part, PlannedCell, plan
from zipfit.study.runner import UnobservedStudy, run_study
from zipfit.study.schema import MeasuredOn, Study
from zipfit.study.spec import load_study
from zipfit.study.store import Store
from zipfit.system.runtime import zipfit_commit
from zipfit.training.train import Measured, Run, Unobserved

STUDY = """
name: small
source: pool.jsonl
target: target.jsonl
test: test.jsonl
methods: {random: {}, zipfit: {}, target: {train_on: target}}
budgets: [256, 512]
models: [./tiny]
training: {block_size: 64, batch_size: 2, learning_rate: 3e-3}
evaluate_every: 256
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    save_model(folder / "tiny")
    pool = [{"text": text, "source": "code" if text.startswith("def") else "prose"} for text in TEXTS]
    write_jsonl(folder / "pool.jsonl", pool)
    write_jsonl(
        folder / "target.jsonl", [f"def subtract_{name}(left, right):\n    return left - right\n" for name in "abc"]
    )
    write_jsonl(
        folder / "test.jsonl", [f"def times_{name}(left, right):\n    return left * right\n" for name in "abcd"]
    )
    return folder


def study_of(folder: Path, text: str = STUDY) -> Study:
    (folder / "study.yaml").write_text(text)
    return load_study(folder / "study.yaml")


class Counting(UnobservedStudy):
    def __init__(self) -> None:
        self.began_cells: list[str] = []

    def began(self, cell: PlannedCell) -> Unobserved:
        self.began_cells.append(str(cell))
        return Unobserved()


def only(arms: str) -> str:
    return STUDY.replace("{random: {}, zipfit: {}, target: {train_on: target}}", arms).replace("[256, 512]", "[256]")


def test_cells_come_seed_by_seed_and_budget_by_budget(folder: Path):
    cells = plan(study_of(folder, STUDY + "seeds: [3, 1]\n"))
    assert [(cell.seed, cell.budget, cell.arm.name) for cell in cells] == [
        (seed, budget, arm) for seed in (3, 1) for budget in (256, 512) for arm in ("random", "zipfit", "target")
    ]
    assert len({cell.key for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (Part(), 2 * 3 * 2),
        (Part(seeds=(1,)), 3 * 2),
        (Part(arms=("target", "random"), budgets=(512,)), 2 * 2),
        (Part(models=("tiny",), seeds=(1, 0), budgets=(256,), arms=("zipfit",)), 2),
    ],
)
def test_a_part_of_the_cells(folder: Path, part: Part, wanted: int):
    cells = plan(study_of(folder, STUDY + "seeds: [0, 1]\n"))
    chosen = part.of(cells)
    assert len(chosen) == wanted
    assert chosen == [cell for cell in cells if cell in chosen]
    assert {cell.arm.name for cell in chosen} == set(part.arms or ("random", "zipfit", "target"))
    assert {cell.budget for cell in chosen} == set(part.budgets or (256, 512))
    assert {cell.seed for cell in chosen} == set(part.seeds or (0, 1))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part(arms=("zipfti",)), "the study has no arm zipfti: it has random, zipfit, whole"),
        (Part(budgets=(300,)), "the study has no budget 300: it has 256, all"),
        (Part(models=("gpt2",)), "the study has no model gpt2: it has tiny"),
        (Part(seeds=(0, 7)), "the study has no seed 7: it has 0"),
        (Part(arms=("whole",), budgets=(256,)), "an arm that is named has other budgets of its own"),
    ],
)
def test_a_part_that_is_not_there_is_named(folder: Path, tmp_path: Path, part: Part, message: str):
    study = study_of(folder, only("{random: {}, zipfit: {}, whole: {train_on: source, budgets: [null]}}"))
    with pytest.raises(ZipfitError, match=message):
        run_study(study, tmp_path / "results", part=part)
    assert not (tmp_path / "results").exists()


def test_parts_that_run_one_by_one_make_the_whole(folder: Path, tmp_path: Path):
    study = study_of(folder, only("{random: {}, zipfit: {}, near: {lengths_of: zipfit}}"))
    whole = run_study(study, tmp_path / "whole")
    parts = [run_study(study, tmp_path / "parts", part=Part(arms=(name,))) for name in ("near", "zipfit", "random")]
    assert [part[0].losses for part in reversed(parts)] == [whole[i].losses for i in (0, 1, 2)]
    for name in ("study.json", *(f"cells/{cell.key}.json" for cell in whole)):
        assert (tmp_path / "parts" / name).is_file()
    assert (tmp_path / "parts" / "study.json").read_bytes() == (tmp_path / "whole" / "study.json").read_bytes()
    selections = sorted((tmp_path / "whole" / "selections").iterdir())
    assert [path.name for path in selections] == sorted(path.name for path in (tmp_path / "parts/selections").iterdir())
    counting = Counting()
    run_study(study, tmp_path / "parts", observer=counting)
    assert not counting.began_cells


def test_every_cell_is_kept_with_its_losses_and_its_selection(folder: Path, tmp_path: Path):
    results = run_study(study_of(folder), tmp_path)
    assert [result.status for result in results] == ["done"] * 6
    assert json.loads((tmp_path / "study.json").read_text())["cells"] == [result.key for result in results]
    for result in results:
        assert json.loads((tmp_path / "cells" / f"{result.key}.json").read_text()) == {"format": 1} | result.to_json()
        assert [loss.tokens for loss in result.losses] == [0, 256, 512][: result.budget // 256 + 1]
        assert result.tokens == result.budget
        assert result.test == MeasuredOn(documents=4, tokens=result.test.tokens, bytes=200, truncated=0)
        assert result.made["commit"] == zipfit_commit()
    assert len({str(result.losses[0]) for result in results}) == 1
    zipfit = results[4]
    assert (zipfit.arm, zipfit.budget) == ("zipfit", 512)
    kept = json.loads((tmp_path / "selections" / f"{zipfit.selection}.json").read_text())
    chosen = select(folder / "pool.jsonl", folder / "target.jsonl", top=len(kept["position"]))
    assert kept["position"] == chosen.indices.tolist()
    assert kept["score"] == chosen.scores.tolist()
    assert kept["top"][0]["text"] == chosen.texts[0]
    assert zipfit.alignment == pytest.approx(alignment(chosen.texts[: zipfit.documents], folder / "target.jsonl").mean)


def test_a_finished_study_runs_nothing_again_and_a_new_method_runs_alone(folder: Path, tmp_path: Path):
    first = run_study(study_of(folder, only("{random: {}}")), tmp_path)
    counting = Counting()
    again = run_study(study_of(folder, only("{random: {}}")), tmp_path, observer=counting)
    assert not counting.began_cells
    assert again == first
    more = run_study(study_of(folder, only("{chance: {method: random}, dsir: {}}")), tmp_path, observer=counting)
    assert counting.began_cells == ["dsir, 256 tokens, tiny, seed 0"]
    assert more[0].key == first[0].key


def test_a_packed_study_goes_on_beside_what_is_packed(folder: Path, tmp_path: Path):
    first = run_study(study_of(folder, only("{random: {}}")), tmp_path)
    assert Store(tmp_path).pack() == 3  # a cell, a selection, the losses before training
    counting = Counting()
    more = run_study(study_of(folder, only("{chance: {method: random}, zipfit: {}}")), tmp_path, observer=counting)
    assert counting.began_cells == ["zipfit, 256 tokens, tiny, seed 0"]
    assert more[:1] == first
    assert [path.stem for path in (tmp_path / "cells").iterdir()] == [more[1].key]
    assert [path.stem for path in (tmp_path / "selections").iterdir()] == [more[1].selection]
    assert not list((tmp_path / "baselines").iterdir())


def test_whatever_determines_a_cell_makes_it_another(folder: Path):
    study = study_of(folder, only("{zipfit: {}}"))
    key = plan(study)[0].key
    others = [
        replace(study, settings=replace(study.settings, learning_rate=1e-3)),
        replace(study, seeds=(1,)),
        replace(study, budgets=(320,)),
        replace(study, evaluate_every=None),
        replace(study, test=study.target),
        study_of(folder, only("{zipfit: {options: {level: 1}}}")),
        study_of(folder, only("{zipfit: {target_size: 2}}")),
        study_of(folder, only("{zipfit: {min_score: 0.1}}")),
    ]
    assert len({key, *(plan(other)[0].key for other in others)}) == len(others) + 1
    assert plan(study_of(folder, only("{name of its own: {method: zipfit}}")))[0].key == key


def test_a_changed_file_makes_new_cells(folder: Path, tmp_path: Path):
    study = study_of(folder, only("{random: {}}"))
    key = plan(study)[0].key
    write_jsonl(tmp_path / "target.jsonl", ["other"])
    moved = study_of(folder, only("{random: {}}").replace("target.jsonl", str(tmp_path / "target.jsonl")))
    assert plan(moved)[0].key != key


def test_the_same_documents_are_trained_on_once(folder: Path, tmp_path: Path):
    results = run_study(
        study_of(folder, only("{six: {method: zipfit}, nine: {method: zipfit, options: {level: 9}}}")), tmp_path
    )
    assert results[0].key != results[1].key
    assert results[1].same_as == results[0].key
    assert results[1].losses == results[0].losses
    assert results[1].to_json().keys() - {"same_as"} == results[0].to_json().keys()


def test_a_cell_that_fails_is_kept_with_its_reason_and_tried_again(folder: Path, tmp_path: Path):
    study = study_of(folder, only("{random: {}, none: {label: nothing of the kind}, zipfit: {}}"))
    results = run_study(study, tmp_path)
    assert [result.status for result in results] == ["done", "failed", "done"]
    assert results[1].error == "arm none: no document of the source has the label 'nothing of the kind'"
    counting = Counting()
    run_study(study, tmp_path, observer=counting)
    assert counting.began_cells == ["none, 256 tokens, tiny, seed 0"]


@pytest.mark.parametrize(("tokens", "gguf", "goes_on"), [("same", True, True), ("none", False, True), ("none", True, False), ("others", False, False)])  # fmt: skip
def test_cells_that_were_made_of_other_tokens_are_not_mixed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: str, gguf: bool, goes_on: bool
):
    (first,) = run_study(study_of(folder, only("{random: {}}")), tmp_path)
    assert first.made is not None
    kept = dict(first.made)
    if tokens != "same":
        del kept["tokens"]
    Store(tmp_path).write(
        msgspec.structs.replace(first, made=kept | ({"tokens": "0" * 16} if tokens == "others" else {}))
    )
    if gguf:
        monkeypatch.setattr("zipfit.study.runner.find_model", lambda name: (name, {"gguf_file": "model.gguf"}))
    (more,) = run_study(study_of(folder, only("{zipfit: {}}")), tmp_path)
    assert more.is_done == goes_on
    if not goes_on:
        assert str(more.error).startswith(f"{tmp_path}: 1 of its cells were made when text was cut into other tokens")


def test_a_run_that_fails_half_way_keeps_what_it_measured(folder: Path, tmp_path: Path):
    class Failing(UnobservedStudy):
        def began(self, cell: PlannedCell) -> Any:
            class Observer(Unobserved):
                def trained(self, run: Run, measured: Measured) -> None:
                    if measured.tokens == 384:
                        raise RuntimeError("the device fell off\nits table")

            return Observer()

    (result,) = run_study(
        study_of(folder, only("{random: {}}").replace("[256]", "[512]")), tmp_path, observer=Failing()
    )
    assert (result.status, result.error) == ("failed", "RuntimeError: the device fell off")
    assert [loss.tokens for loss in result.losses] == [0, 256]


def test_ctrl_c_keeps_the_finished_cells_and_the_study_goes_on(folder: Path, tmp_path: Path):
    class Interrupting(UnobservedStudy):
        cells = 0

        def began(self, cell: PlannedCell) -> Any:
            self.cells += 1
            if self.cells < 3:
                return Unobserved()

            class Observer(Unobserved):
                def trained(self, run: Run, measured: Measured) -> None:
                    os.kill(os.getpid(), signal.SIGINT)

            return Observer()

    with pytest.raises(KeyboardInterrupt):
        run_study(study_of(folder), tmp_path, observer=Interrupting())
    assert len(list((tmp_path / "cells").glob("*.json"))) == 2
    counting = Counting()
    results = run_study(study_of(folder), tmp_path, observer=counting)
    assert len(counting.began_cells) == 4
    assert [result.status for result in results] == ["done"] * 6


def test_ctrl_c_in_a_cells_last_step_keeps_it_and_ends_the_study(folder: Path, tmp_path: Path):
    class Late(UnobservedStudy):
        def began(self, cell: PlannedCell) -> Any:
            class Observer(Unobserved):
                def trained(self, run: Run, measured: Measured) -> None:
                    if run.finished:
                        os.kill(os.getpid(), signal.SIGINT)

            return Observer()

    with pytest.raises(KeyboardInterrupt):
        run_study(study_of(folder, only("{random: {}, zipfit: {}}")), tmp_path, observer=Late())
    assert len(list((tmp_path / "cells").glob("*.json"))) == 1


def test_seeds_change_what_is_drawn_and_nothing_else(folder: Path, tmp_path: Path):
    results = run_study(study_of(folder, only("{random: {}, zipfit: {}}") + "seeds: [0, 1]\n"), tmp_path)
    random0, zipfit0, random1, zipfit1 = results
    assert random0.selection != random1.selection
    assert zipfit0.selection == zipfit1.selection
    assert zipfit0.losses[-1] != zipfit1.losses[-1]
    assert zipfit0.losses[0] == zipfit1.losses[0]


def test_arms_of_other_kinds(folder: Path, tmp_path: Path):
    arms = """{zipfit: {}, above: {method: zipfit, min_score: 0.2}, code: {label: code}, all: {train_on: source, budgets: [null]},
               lengths: {lengths_of: zipfit}, few: {method: zipfit, target_size: 1}}"""
    results = {result.arm: result for result in run_study(study_of(folder, only(arms)), tmp_path)}
    assert {result.status for result in results.values()} == {"done"}
    kept = {
        name: json.loads((tmp_path / "selections" / f"{result.selection}.json").read_text())
        for name, result in results.items()
    }
    assert set(kept["code"]["label"]) == {"code"}
    assert min(kept["above"]["score"]) >= 0.2
    assert kept["above"]["score"] != sorted(kept["above"]["score"], reverse=True)
    assert sorted(kept["all"]["position"]) == list(range(len(TEXTS)))
    assert results["all"].budget is None
    pairs = zip(sorted(kept["lengths"]["bytes"]), sorted(kept["zipfit"]["bytes"]), strict=False)
    assert all(abs(left - right) <= 3 for left, right in pairs)


def test_vectors_kept_from_before_are_counted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A time to select means nothing where an earlier method has paid for the encoding."""
    monkeypatch.setenv("ZIPFIT_CACHE", str(tmp_path / "cache"))
    near = f"{{method: embedding, options: {{encoder: {folder / 'tiny'}, max_length: 32, reduce: %s}}}}"
    arms = f"{{random: {{}}, first: {near % 'max'}, second: {near % 'mean'}}}"
    results = run_study(study_of(folder, only(arms)), tmp_path / "results")
    cached = {result.arm: result.cached_vectors for result in results}
    assert cached == {"random": None, "first": 0.0, "second": 1.0}


def test_a_damaged_cell_is_named(folder: Path, tmp_path: Path):
    study = study_of(folder, only("{random: {}}"))
    (result,) = run_study(study, tmp_path)
    path = tmp_path / "cells" / f"{result.key}.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ZipfitError, match=rf"{result.key}\.json: is damaged"):
        run_study(study, tmp_path)


def test_programs_are_run_by_consent_alone(folder: Path, tmp_path: Path):
    study = study_of(folder, STUDY + "humaneval: {samples: 1}\n")
    with pytest.raises(ZipfitError, match="--allow-code-execution"):
        run_study(study, tmp_path / "results")
    assert not (tmp_path / "results").exists()
