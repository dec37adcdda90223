"""A fine-tuning run from files to a folder: results as they come, checkpoints to go on from, and the model.

The folder holds `results.jsonl`, one JSON object a line: `start` with all that determines the run, `train` and `test`
for each measurement, and how it ended; `checkpoints/`; and at the end `model/`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypedDict

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.outputs import replacing
from zipfit.corpus.reading import Reading
from zipfit.errors import ZipfitError, need
from zipfit.system.runtime import library_versions
from zipfit.training.chats import Chat, check_chat_template, read_chats
from zipfit.training.models import ModelSource, load_model, load_tokenizer
from zipfit.training.run import Checkpoints, Course, Earlier, HeldOut, Measured, Run, Unobserved
from zipfit.training.settings import PRESETS
from zipfit.training.train import train

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from zipfit.corpus.inputs import Documents
    from zipfit.training.run import Observer
    from zipfit.training.settings import Settings


RESULTS = "results.jsonl"
CHECKPOINTS = "checkpoints"
MODEL = "model"


class FinetuneOptions(TypedDict, total=False):
    """Keywords of `finetune` that have a default; it says what they mean."""

    budget: int | None
    seed: int
    evaluate_every: int | None
    checkpoint_every: int | None
    save_model: bool
    resume: bool
    overwrite: bool
    revision: str | None
    trust_remote_code: bool
    text_field: str | None
    template: str | None
    chat_template: str | None
    test_field: str | None
    test_template: str | None


def finetune(
    documents: Documents,
    model: str,
    output: str | os.PathLike[str],
    *,
    test: Documents | None = None,
    settings: Settings | None = None,
    observer: Observer | None = None,
    **options: Unpack[FinetuneOptions],
) -> Run:
    """Fine-tune a causal language model on documents, and keep results, checkpoints and model in a folder.

    Args:
        documents: to train on, best first; as `source` of `zipfit.select`.
        model: a name on the hub, a folder, a `.gguf` file, or `smollm2`; see `load_model`.
        output: the folder; made if it does not exist.
        test: held-out documents, whose loss is measured before, during and after, in float32; None to skip that.
        settings: see `Settings`; None for the preset `default`.
        observer: told of each measurement.
        **options: any of the following.
            budget: training tokens of an epoch, taken from the first documents on; None (the default) for all.
            seed: of the order of documents, dropout and fresh adapters; 0.
            evaluate_every: training tokens between evaluations; None for before and after alone.
            checkpoint_every: training tokens between checkpoints; None for one at an interruption alone.
            save_model: whether to keep the trained model; True.
            resume: go on from the newest checkpoint of an interrupted run with the same documents, model and
                settings; False.
            overwrite: replace an earlier run; False.
            revision: of the model on the hub; None for the newest.
            trust_remote_code: run the Python code that comes with the model; False.
            text_field: as in `zipfit.select`, and so is `template`.
            template: see there.
            chat_template: write chats and pairs, of the test set too, in the model's own chat template, with the loss
                on `all` tokens or on those of the `assistant` alone; None for plain text.
            test_field: the same for the test set, and so is `test_template`.
            test_template: see there.

    Returns:
        The run; if Ctrl-C ended it early it is not `finished`, and a checkpoint is there to go on from.

    Raises:
        MissingExtraError: a package of the extra `train` is not installed.
        TypeError: a keyword is none of these.
        ZipfitError: the folder holds a run that may not be replaced or cannot be resumed; a document cannot be read
            or written as a chat; the documents do not fill a block; the model cannot be loaded or trained; the loss is
            not a number; memory ran out.
    """
    for name in options:
        if name not in FinetuneOptions.__optional_keys__:
            raise TypeError(f"finetune() got an unexpected keyword argument {name!r}")
    folder = Path(output)
    settings = settings or PRESETS["default"]
    source = ModelSource(model, options.get("revision"), options.get("trust_remote_code", False))
    course = Course(options.get("budget"), options.get("seed", 0), options.get("evaluate_every"))
    chat_template = options.get("chat_template")
    reading = Reading(options.get("text_field"), options.get("template"))
    test_reading = Reading(options.get("test_field"), options.get("test_template"))
    for each in (reading, test_reading):
        check_chat_template(chat_template, each.template)
    chats = None if chat_template is None else (load_tokenizer(source), chat_template)
    given, turns_as = _read("documents", documents, reading, chats)
    held_out = None
    if test is not None:
        held_out = HeldOut(_read("test set", test, test_reading, chats)[0])
        need(len(held_out.documents) > 0, "the test set is empty: it holds no document")
    described = {
        "model": source.name,
        "revision": source.revision,
        "documents": _digest(given),
        "test": _digest([] if held_out is None else held_out.documents),
        "settings": asdict(settings),
        **asdict(course),
        **({} if chat_template is None else {"chat_template": chat_template}),
    }
    resume = options.get("resume", False)
    earlier = None if options.get("overwrite", False) else _earlier(folder, described, resume)
    loaded = load_model(source, settings, course.seed)
    if earlier is None:
        _make_anew(folder)
    checkpoints = Checkpoints(folder / CHECKPOINTS, options.get("checkpoint_every"), earlier)
    with (folder / RESULTS).open("a", encoding="utf-8") as stream:
        record = _Record(stream, described, observer or Unobserved())
        try:
            run = train(loaded, given, settings, course, held_out=held_out, checkpoints=checkpoints, observer=record)
        except ZipfitError as error:
            record.write("failed", error=str(error))
            raise
        ending = {"tokens": run.done_tokens, "seconds": run.seconds, "precision": run.precision, "device": run.device}
        record.write("end" if run.finished else "interrupted", **ending)
    if chats is None and getattr(loaded.tokenizer, "chat_template", None):
        run.untemplated = turns_as
    if run.finished:
        if options.get("save_model", True):
            loaded.save(folder / MODEL)
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
    return run


def _read(
    role: str, documents: Documents, reading: Reading, chats: tuple[Any, str] | None
) -> tuple[list[str | Chat], str | None]:
    """Documents as text, or by a tokenizer's chat template with a loss; and how turns were read that are text now."""
    if chats is not None:
        return list(read_chats(role, documents, reading.text_field, *chats)), None
    inputs, _ = open_documents(role, documents)
    corpus = Corpus(inputs, reading)
    texts: list[str | Chat] = [text for batch in corpus.read() for text in batch.texts]
    spoken = (document.read_as for document in corpus.sample.documents if document.read_as.speakers)
    return texts, next((read_as.what for read_as in spoken), None)


@dataclass
class _Record:
    """Writes down each measurement as it comes, and hands it on."""

    stream: TextIO
    described: dict[str, Any]
    observer: Observer

    def write(self, event: str, **values: Any) -> None:
        self.stream.write(json.dumps({"event": event, **values}) + "\n")
        self.stream.flush()

    def started(self, run: Run) -> None:
        if not run.train:  # of a resumed run, the beginning is written already
            overlap = None if run.overlap is None else asdict(run.overlap)
            versions = library_versions(("zipfit", "torch", "transformers"))
            self.write("start", **self.described, overlap=overlap, versions=versions)
        self.observer.started(run)

    def trained(self, run: Run, measured: Measured) -> None:
        self.write("train", tokens=measured.tokens, loss=measured.loss)
        self.observer.trained(run, measured)

    def tested(self, run: Run, measured: Measured) -> None:
        self.write("test", **asdict(measured))
        self.observer.tested(run, measured)

    def stopping(self, run: Run) -> None:
        self.observer.stopping(run)


def _earlier(folder: Path, described: dict[str, Any], resume: bool) -> Earlier | None:
    """The run to go on with, as far as its newest checkpoint goes, and that one; None for a run from the start."""
    results = folder / RESULTS
    events = _read_events(results)
    if not any(event["event"] == "train" for event in events):  # what failed at once is no run
        return None
    need(
        resume,
        f"{folder}: holds a run already (give --resume to go on with it, or --overwrite; in Python resume=True or "
        "overwrite=True)",
    )
    now = {"chat_template": None, **json.loads(json.dumps(described))}
    changed = [name for name, value in now.items() if events[0].get(name) != value]
    need(not changed, f"{folder}: cannot be resumed, as it was started with other {' and '.join(changed)}")
    need(events[-1]["event"] != "end", f"{folder}: its run is finished (give --overwrite to run it again)")
    # Of a checkpoint, the trainer's state is written last.
    whole = [path.parent for path in (folder / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")]
    if not whole:
        return None
    newest = max(whole, key=_steps)
    run, kept = Run(), events[:1]
    for event in events[1:]:
        if event["event"] == "train" and len(run.train) == _steps(newest):
            break
        if event["event"] in ("train", "test"):
            measured = Measured(event["tokens"], event["loss"], event.get("bits_per_byte"))
            (run.train if event["event"] == "train" else run.test).append(measured)
            kept.append(event)
    run.done_tokens = run.train[-1].tokens
    with replacing(str(results)) as written:
        for event in kept:
            written.file.write(json.dumps(event).encode() + b"\n")
    return Earlier(run, newest)


def _read_events(results: Path) -> list[dict[str, Any]]:
    if not results.is_file():
        return []
    lines = results.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        # The last line of a run that was killed may lack its end.
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        assert all(isinstance(event["event"], str) for event in events)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ZipfitError(f"{results}: is damaged (give --overwrite to start the run again)") from error
    return events


def _make_anew(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (CHECKPOINTS, MODEL):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / RESULTS).write_text("")
    except OSError as error:
        raise ZipfitError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _steps(checkpoint: Path) -> int:
    """Optimizer steps done at a checkpoint, which its name ends in."""
    return int(checkpoint.name.rpartition("-")[2])


def _digest(documents: Sequence[str | Chat]) -> str:
    sha256 = hashlib.sha256()
    for document in documents:
        if isinstance(document, Chat):
            encoded = document.tokens.astype("<i4").tobytes() + document.scored.tobytes()
        else:
            encoded = document.encode("utf-8", "surrogatepass")
        sha256.update(len(encoded).to_bytes(8, "little") + encoded)
    return sha256.hexdigest()
