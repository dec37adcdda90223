from __future__ import annotations

import inspect
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
from support import write_jsonl
from tiny import TEXTS, save_chat_model

import zipfit
from zipfit.errors import ZipfitError
from zipfit.training.finetune import FinetuneOptions
from zipfit.training.run import Measured, Run, Unobserved
from zipfit.training.settings import Settings

SETTINGS = Settings(block_size=64, batch_size=2, learning_rate=3e-3)


class Interrupting(Unobserved):
    def trained(self, run: Run, measured: Measured) -> None:
        if len(run.train) == 5:
            os.kill(os.getpid(), signal.SIGINT)


def finetune(tiny: Path, output: Path, **arguments: Any) -> Run:
    texts = arguments.pop("texts", TEXTS[:60])
    return zipfit.finetune(texts, str(tiny), output, **({"settings": SETTINGS, "test": TEXTS[60:]} | arguments))


def events(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]


def test_the_folder_holds_results_and_the_model(tiny: Path, tmp_path: Path):
    run = finetune(tiny, tmp_path / "run", evaluate_every=512)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["model", "results.jsonl"]
    start, *measured, end = events(tmp_path / "run")
    assert (start["event"], end["event"]) == ("start", "end")
    assert start["settings"]["block_size"] == 64
    assert start["overlap"] == {"exact": 0, "ngram": 0, "test_documents": 20}
    tests = [event for event in measured if event["event"] == "test"]
    assert [(event["tokens"], event["loss"]) for event in tests] == [(m.tokens, m.loss) for m in run.test]
    evaluation = zipfit.evaluate(str(tmp_path / "run" / "model"), TEXTS[60:])
    assert evaluation.loss == pytest.approx(run.test[-1].loss, rel=1e-5)


def test_turns_that_are_trained_as_plain_text_are_said(tiny: Path, tmp_path: Path):
    chat = save_chat_model(tmp_path / "chat")
    turns = [{"role": "user", "content": TEXTS[0]}, {"role": "assistant", "content": TEXTS[1]}]
    chats = [{"text": TEXTS[2]}, *[{"messages": turns}] * 9]
    pairs = [{"question": TEXTS[0], "answer": TEXTS[1]}] * 9
    read_as = [
        finetune(model, tmp_path / f"run{place}", texts=texts, test=None, save_model=False).untemplated
        for place, (model, texts) in enumerate([(chat, chats), (chat, pairs), (chat, TEXTS), (tiny, chats)])
    ]
    assert read_as == ["messages (user, assistant)", "question + answer", None, None]


def test_documents_and_test_set_are_read_from_files(tiny: Path, tmp_path: Path):
    write_jsonl(tmp_path / "train.jsonl", [{"body": text} for text in TEXTS[:60]])
    write_jsonl(tmp_path / "test.jsonl", [{"q": text, "a": "!"} for text in TEXTS[60:]])
    read = zipfit.finetune(
        tmp_path / "train.jsonl",
        str(tiny),
        tmp_path / "run",
        settings=SETTINGS,
        text_field="body",
        test=tmp_path / "test.jsonl",
        test_template="{q}{a}",
        save_model=False,
    )
    held = finetune(tiny, tmp_path / "other", test=[f"{text}!" for text in TEXTS[60:]])
    assert read.test == held.test
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["results.jsonl"]


def test_an_overlap_with_the_test_set_is_recorded(tiny: Path, tmp_path: Path):
    run = finetune(tiny, tmp_path, texts=TEXTS, save_model=False)
    assert run.overlap is not None
    assert run.overlap.exact == 20
    assert events(tmp_path)[0]["overlap"]["exact"] == 20


def test_an_interrupted_run_resumes_to_the_same_end(tiny: Path, tmp_path: Path):
    whole = finetune(tiny, tmp_path / "whole", evaluate_every=512)
    part = finetune(tiny, tmp_path / "run", evaluate_every=512, observer=Interrupting())
    assert part.interrupted
    assert events(tmp_path / "run")[-1]["event"] == "interrupted"
    assert not (tmp_path / "run" / "model").exists()
    with (tmp_path / "run" / "results.jsonl").open("a") as stream:
        stream.write('{"event": "tra')  # as a killed process leaves it
    resumed = finetune(tiny, tmp_path / "run", evaluate_every=512, resume=True)
    assert (resumed.train, resumed.test) == (whole.train, whole.test)
    assert [event for event in events(tmp_path / "run")[:-1] if event["event"] != "start"] == [
        event for event in events(tmp_path / "whole")[:-1] if event["event"] != "start"
    ]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_that_was_killed_resumes_from_its_last_checkpoint(tiny: Path, tmp_path: Path):
    class Dying(Unobserved):
        def trained(self, run: Run, measured: Measured) -> None:
            if len(run.train) == 5:
                raise SystemExit

    whole = finetune(tiny, tmp_path / "whole", checkpoint_every=256, evaluate_every=256)
    with pytest.raises(SystemExit):
        finetune(tiny, tmp_path / "run", checkpoint_every=256, evaluate_every=256, observer=Dying())
    resumed = finetune(tiny, tmp_path / "run", checkpoint_every=256, evaluate_every=256, resume=True)
    assert (resumed.train, resumed.test) == (whole.train, whole.test)


def test_a_run_killed_before_its_first_checkpoint_begins_again(tiny: Path, tmp_path: Path):
    class Dying(Unobserved):
        def trained(self, run: Run, measured: Measured) -> None:
            raise SystemExit

    with pytest.raises(SystemExit):
        finetune(tiny, tmp_path / "run", observer=Dying())
    resumed = finetune(tiny, tmp_path / "run", resume=True)
    assert resumed.test == finetune(tiny, tmp_path / "whole").test
    assert [event["event"] for event in events(tmp_path / "run")].count("start") == 1


def test_a_finished_run_is_neither_replaced_nor_resumed_by_mistake(tiny: Path, tmp_path: Path):
    finetune(tiny, tmp_path, save_model=False)
    before = (tmp_path / "results.jsonl").read_bytes()
    with pytest.raises(ZipfitError, match="holds a run already"):
        finetune(tiny, tmp_path)
    with pytest.raises(ZipfitError, match="its run is finished"):
        finetune(tiny, tmp_path, resume=True)
    assert (tmp_path / "results.jsonl").read_bytes() == before
    finetune(tiny, tmp_path, overwrite=True)
    assert (tmp_path / "model").is_dir()


def test_a_run_is_not_resumed_with_something_else(tiny: Path, tmp_path: Path):
    finetune(tiny, tmp_path, observer=Interrupting())
    with pytest.raises(ZipfitError, match="cannot be resumed, as it was started with other documents and seed"):
        finetune(tiny, tmp_path, texts=TEXTS[:50], seed=1, resume=True)


def test_damaged_results_are_an_error(tiny: Path, tmp_path: Path):
    (tmp_path / "results.jsonl").write_text("not JSON\n")
    with pytest.raises(ZipfitError, match=r"results\.jsonl: is damaged"):
        finetune(tiny, tmp_path, resume=True)


def test_what_fails_at_once_leaves_nothing_in_the_way(tiny: Path, tmp_path: Path):
    with pytest.raises(ZipfitError, match="there is no such folder"):
        zipfit.finetune(TEXTS, "./nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ZipfitError, match="do not fill one block"):
        finetune(tiny, tmp_path / "run", texts=["x"])
    finetune(tiny, tmp_path / "run", save_model=False)


def test_an_empty_test_set_is_an_error(tiny: Path, tmp_path: Path):
    with pytest.raises(ZipfitError, match="the test set is empty"):
        finetune(tiny, tmp_path / "run", test=[])


def test_an_unknown_keyword_is_an_error(tiny: Path, tmp_path: Path):
    with pytest.raises(TypeError, match=r"finetune\(\) got an unexpected keyword argument 'bugdet'"):
        finetune(tiny, tmp_path / "run", bugdet=64)
    assert not (tmp_path / "run").exists()


def test_every_keyword_is_documented():
    options = FinetuneOptions.__optional_keys__ | set(inspect.signature(zipfit.finetune).parameters) - {"options"}
    documented = set(re.findall(r"^ +(\w+): ", inspect.getdoc(zipfit.finetune) or "", re.MULTILINE))
    assert documented - {"MissingExtraError", "TypeError", "ZipfitError"} == options
