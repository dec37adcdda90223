"""What a study keeps, as records: its arms, its cells, its selections, the losses before training, and what it is.

Each has one type here, for who writes it and for who reads it. As JSON a record has its fields in the order in which
they stand here; a field with a default is left out where it has that value.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from zipfit.corpus.remote import is_remote
from zipfit.errors import ZipfitError
from zipfit.system.values import as_type
from zipfit.training.settings import Settings  # noqa: TC001 (read at run time, as are the types of all fields)

FORMAT = 1
"""Of every file in a results folder."""

Finite = Annotated[float, Meta(gt=-1e300, lt=1e300)]

_T = TypeVar("_T")


class Arm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to get training documents; exactly one of `method`, `train_on`, `label` and `lengths_of` is set.

    Attributes:
        name: unique; the family's name, and after it `key=value` of what was swept.
        family: the key in the study file that the arm comes from.
        swept: the sweep's keys with this arm's values; empty if there was none.
        method: a name for `zipfit.methods.registry.build_method`.
        options: its options.
        train_on: `target` or `source`: all of it, in an order drawn by the seed.
        label: the source's documents of this label, in an order drawn by the seed.
        lengths_of: the arm whose documents' lengths random documents of the source shall have.
        min_score: with a method, all documents scoring at least so much, in an order drawn by the seed.
        target_size: number of target examples that the method sees; None for all.
        dedup: with a method, `exact` or `near`: of duplicates the best ranked alone is taken; None to keep all.
        dedup_threshold: for `near`, the least Jaccard similarity, in (0, 1]; None for `zipfit.select`'s.
        max_share: with a method, the largest share of the budget, in (0, 1], that one label may take.
        within: with a method, the shortlists that it ranks, each `METHOD:SHARE`; None for the whole source.
        min_bytes: with a method, the shortest text to take, in bytes of UTF-8.
        max_bytes: with a method, the longest text to take.
        budgets: the arm's own budgets; None for the study's.
    """

    name: str
    family: str
    swept: dict[str, Any]
    method: str | None
    options: dict[str, Any]
    train_on: str | None
    label: str | None
    lengths_of: str | None
    min_score: Finite | None
    target_size: int | None
    dedup: str | None = None
    dedup_threshold: Finite | None = None
    max_share: Finite | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    within: tuple[str, ...] | None = None
    budgets: tuple[int | None, ...] | None

    @property
    def rules(self) -> dict[str, Any]:
        """Which documents its method may take, by the names that `zipfit.select` has for it; those that are set."""
        values = {name: getattr(self, name) for name in RULES}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def way(self) -> dict[str, Any]:
        """What it is, whatever it is called and whichever budgets it is trained at; JSON."""
        return {name: value for name, value in to_builtins(self).items() if name not in ("name", "budgets")}

    @property
    def is_selection(self) -> bool:
        """Whether a method chose its documents by what the target is like: neither chance, label nor yardstick."""
        return self.method not in (None, "random") and self.train_on is None and self.lengths_of is None

    @property
    def is_plain(self) -> bool:
        """Whether it is a method as it comes: no options, rules, shortlists, score or part of the target."""
        return not (self.options or self.swept or self.label or self.rules or self.within or self.is_cut)

    @property
    def is_cut(self) -> bool:
        """Whether it is a method's ranking cut at a score, or for a part of the target."""
        return self.min_score is not None or self.target_size is not None or "target_size" in self.swept

    @property
    def is_random(self) -> bool:
        """Whether its documents are drawn from the whole source by chance: what a selection must beat."""
        return self.method == "random" and self.is_plain and self.lengths_of is None


RULES = ("dedup", "dedup_threshold", "max_share", "min_bytes", "max_bytes")
"""The fields of an arm that say which documents its method may take."""


@dataclass(frozen=True)
class Data:
    """Documents, and how they are read; a study's source, target and test set each are one `Data` or several in a row.

    Attributes:
        files: as the study file names them: paths relative to `Study.folder` (globs and folders too), remote paths, or
            `hub:NAME[:CONFIG]@SPLIT`.
        format: one of `zipfit.corpus.formats.FORMATS`; None to tell by name and content.
        text_field: field that holds the text; with neither field nor template the usual shapes are recognised.
        template: text made of fields.
        sample_by: what one document of a text file is.
        by: field that labels a document; None as in `zipfit.corpus.corpus.Corpus`.
        label: the label of all of these documents, instead of a field's value.
        rows: half-open range of documents among all those of `files`; None for an open end.
        sample: number of documents drawn from these at random, always the same ones, in their order; None for all.
        encoding: of text that is not UTF-8, as Python names it; None to tell by its mark.
        delimiter: of CSV and TSV, the character between fields; None for a comma, or a tab.
        header: of CSV and TSV, whether the first row names the fields; if not, their names are 0, 1 and so on.
    """

    files: tuple[str, ...]
    format: str | None = None
    text_field: str | None = None
    template: str | None = None
    sample_by: str = "line"
    by: str | None = None
    label: str | None = None
    rows: tuple[int | None, int | None] = (None, None)
    sample: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True

    def to_json(self) -> dict[str, Any]:
        """The values as JSON, without those that kept results lack, where they say nothing."""
        values: dict[str, Any] = to_builtins(self)
        silent = {"encoding": None, "delimiter": None, "header": True}
        return {name: value for name, value in values.items() if (name, value) not in silent.items()}


@dataclass(frozen=True)
class ModelSpec:
    """A model to fine-tune.

    Attributes:
        name: hub name, `smollm2`, or a local path, which begins with `.`, `~` or `/` or ends in `.gguf` (relative to
            `Study.folder`).
        label: what figures call it; unique.
        revision: of the hub.
        trust_remote_code: whether code that comes with the model may run.
    """

    name: str
    label: str
    revision: str | None = None
    trust_remote_code: bool = False


@dataclass(frozen=True)
class HumanEvalSpec:
    """Evaluation on HumanEval beside the test loss.

    Attributes:
        samples: programs a problem; pass@k is estimated for k up to this.
        temperature: 0 for greedy decoding.
        rows: half-open range of the 164 problems, so that those the selection saw can be left out.
    """

    samples: int = 1
    temperature: float = 0.0
    rows: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True)
class Study:
    """A study; see `docs/study.md` for the file.

    Attributes:
        name: title of report and figures.
        description: a sentence or two; may be empty.
        source: the pool, its parts one after another.
        target: the examples that methods see.
        test: the held-out documents that the loss is measured on.
        arms: in the order of the figures' legends.
        budgets: training tokens; None for all of an arm's documents.
        models: at least one.
        seeds: of training, of random orders, and of methods that draw.
        settings: of every fine-tuning run.
        evaluate_every: tokens between evaluations on the test set; None for before and after only.
        humaneval: None to leave it out.
        chat_template: one of `CHAT_LOSSES`, what the loss of chats in the model's own template is on; None for plain
            text.
        folder: what relative paths are relative to.
    """

    name: str
    description: str
    source: tuple[Data, ...]
    target: tuple[Data, ...]
    test: tuple[Data, ...]
    arms: tuple[Arm, ...]
    budgets: tuple[int | None, ...]
    models: tuple[ModelSpec, ...]
    seeds: tuple[int, ...]
    settings: Settings
    evaluate_every: int | None
    humaneval: HumanEvalSpec | None
    chat_template: str | None = None
    folder: str = ""

    def path(self, name: str) -> str:
        """A name of a file or local model as it can be opened; names on the hub and remote paths stay as they are."""
        if name.startswith("hub:") or is_remote(name):
            return name
        return os.path.join(self.folder, os.path.expanduser(name))

    def model_path(self, model: ModelSpec) -> str:
        """What to load a model from: its hub name, or the path of a local one."""
        return self.path(model.name) if is_local_model(model.name) else model.name

    def budgets_of(self, arm: Arm) -> tuple[int | None, ...]:
        """The budgets that an arm is trained at."""
        return self.budgets if arm.budgets is None else arm.budgets

    @property
    def template_key(self) -> dict[str, str]:
        """The chat template's part of a key; nothing where none is given, so that kept cells keep theirs."""
        return {} if self.chat_template is None else {"chat_template": self.chat_template}

    @property
    def measure(self) -> dict[str, Any]:
        """How every cell is trained and evaluated; JSON."""
        values = {name: to_builtins(getattr(self, name)) for name in ("settings", "evaluate_every", "humaneval")}
        return values | self.template_key

    def to_json(self) -> dict[str, Any]:
        """The study as plain values, without `folder`: where it was run is no part of what it is."""
        values: dict[str, Any] = to_builtins(self)
        del values["folder"]
        if self.chat_template is None:  # as in kept results
            del values["chat_template"]
        for role in ("source", "target", "test"):
            values[role] = [part.to_json() for part in getattr(self, role)]
        return values


def is_local_model(name: str) -> bool:
    """Whether a model's name is a path rather than one of the hub's."""
    return name.startswith((".", "~", "/")) or name.endswith(".gguf")


class StudyFile(Struct, kw_only=True):
    """`study.json`: what is studied.

    Attributes:
        study: itself.
        cells: the keys of its cells; None where the file names none.
        versions: library to version.
    """

    study: Study
    cells: list[str] | None = None
    versions: dict[str, str] = {}


class Record(Struct, kw_only=True, omit_defaults=True):
    """What a results folder keeps by its key."""

    key: str

    def to_json(self) -> dict[str, Any]:
        """The record as plain values."""
        values: dict[str, Any] = to_builtins(self, str_keys=True)
        return values


class Loss(Struct):
    """The test loss at one moment of training.

    Attributes:
        tokens: tokens trained on so far.
        loss: cross-entropy, nats a token.
        bits_per_byte: the same in bits a byte of text, or None.
    """

    tokens: int
    loss: Finite
    bits_per_byte: Finite | None = None


class StepLoss(Struct):
    """The loss of one step's blocks, nats a token, after so many tokens; None for one that was no number."""

    tokens: int
    loss: Finite | None = None


class Overlap(Struct):
    """How many test documents the training documents hold: `exact` whole, `ngram` by runs of 13 words."""

    exact: int
    ngram: int
    test_documents: int | None = None


class MeasuredOn(Struct):
    """What the losses were measured on; `truncated` documents were cut to the longest scored length."""

    documents: int
    tokens: int
    bytes: int
    truncated: int = 0


class HumanEvalRates(Struct):
    """pass@k on HumanEval: k to the rate, in 0..1."""

    problems: int
    samples: int
    pass_at: dict[int, Finite | None]


class Cell(Record, kw_only=True):
    """One arm x budget x model x seed, finished or failed; what a failed one did not get to has its default.

    Attributes:
        study: the study's name.
        arm: the arm's name.
        way: what the arm is, its name and budgets aside; in the file its values stand among the cell's own.
        budget: training tokens asked for; None for all that the arm has.
        model: label of the model.
        seed: of everything that is drawn.
        status: `done` or `failed`.
        error: why it failed, a sentence; None if it is finished.
        settings: of the training.
        made: when, by which commit, with which versions, on what device, and a digest of the tokens of a probe text.
        selection: key of its selection.
        documents: number of documents trained on.
        alignment: mean ZIP-FIT alignment (gzip 6) with the target of the documents trained on.
        mean_bytes: their mean length.
        selection_seconds: to fit, score and cut; 0 where nothing was selected.
        cached_vectors: share of the pool, in 0..1, that the method's encoder was spared by its cache; None for a method
            without an encoder.
        training_key: digest of what the training depends on.
        tokens: trained on.
        training_seconds: spent training, evaluations aside.
        tokens_per_second: of them.
        losses: the first before training, the last after it; at least one in a finished cell.
        training_losses: step by step.
        overlap: of training and test documents.
        test: what the losses were measured on.
        humaneval: None if the study does without.
        same_as: key of the cell that trained on the same documents, and was measured in this one's place.
    """

    study: str
    arm: str
    way: dict[str, Any] = {}
    budget: int | None
    model: str
    seed: int
    status: str
    error: str | None
    settings: dict[str, Any] | None
    made: dict[str, Any] | None
    selection: str | None = None
    documents: int | None = None
    alignment: Finite | None = None
    mean_bytes: Finite | None = None
    selection_seconds: Finite | None = None
    cached_vectors: Finite | UnsetType | None = UNSET
    training_key: str | None = None
    tokens: int | None = None
    training_seconds: Finite | None = None
    tokens_per_second: Finite | None = None
    losses: list[Loss] = []
    training_losses: list[StepLoss] = []
    overlap: Overlap | None = None
    test: MeasuredOn | None = None
    humaneval: HumanEvalRates | UnsetType | None = UNSET
    same_as: str | None = None

    def to_json(self) -> dict[str, Any]:
        """See `Record`."""
        values = super().to_json()
        way = values.pop("way", {})
        return {"key": self.key, "study": self.study, "arm": self.arm, **way} | values

    @classmethod
    def cleaned(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The plain values of a cell that is to be read, without what may stand there and means nothing.

        Training that failed by a loss that is no number may have kept that number, as null.
        """
        values = values | {"way": {name: values[name] for name in _WAY if name in values}}
        if values.get("status") == "failed":
            losses = values.get("losses") or []
            if isinstance(losses, list):
                losses = [loss for loss in losses if not isinstance(loss, dict) or loss.get("loss") is not None]
            values |= {"losses": losses, "error": values.get("error") or "It failed for an unknown reason."}
        return values

    def check(self) -> None:
        """Raise a ValueError if values that are each of its type make no cell together."""
        if self.status not in ("done", "failed"):
            raise ValueError(f"status must be done or failed, not {self.status!r}")
        if self.is_done and not self.losses:
            raise ValueError("losses is empty")
        if any(after.tokens < before.tokens for before, after in pairwise(self.losses)):
            raise ValueError("losses are not in the order of their tokens")

    @property
    def is_done(self) -> bool:
        """Whether it was trained and evaluated to its end."""
        return self.status == "done"

    @property
    def loss(self) -> float:
        """Test loss after training."""
        return self.losses[-1].loss

    @property
    def pass_at(self) -> dict[int, float]:
        """HumanEval's pass@k, by k; empty if it was not run."""
        rates = self.humaneval.pass_at if self.humaneval else {}
        return {k: rate for k, rate in rates.items() if rate is not None}


_WAY = tuple(name for name in Arm.__struct_fields__ if name not in ("name", "budgets"))


class TopDocument(Struct, kw_only=True, omit_defaults=True):
    """A document at the head of a selection.

    Attributes:
        rank: from 1.
        position: its place in the source; None if it is of the target.
        score: the method's.
        alignment: its ZIP-FIT alignment (gzip 6) with the target.
        label: of its source.
        text: its first characters; None where they were not published.
    """

    rank: int
    position: int | None
    score: Finite | None
    alignment: Finite | None
    label: str | None
    text: str | None = None


class SelectionRecord(Record, kw_only=True):
    """An arm's documents, in the order in which a budget takes them; lists of one value a document.

    Attributes:
        arm: that chose them.
        seconds: that this took, by stage.
        position: in the source; None for a document of the target.
        score: the method's; 0 where there is none.
        label: of the source.
        tokens: end-of-text token included.
        bytes: of UTF-8.
        alignment: with the target, by gzip at level 6.
        top: the first documents.
    """

    arm: Arm
    seconds: dict[str, Any]
    position: list[int | None] = []
    score: list[Finite | None] = []
    label: list[str | None] = []
    tokens: list[int] = []
    bytes: list[int] = []
    alignment: list[Finite | None] = []
    top: list[TopDocument] = []


class Baseline(Record, kw_only=True):
    """The test set under the untrained model.

    Attributes:
        model: its label.
        loss: nats a token.
        bits_per_byte: the same in bits a byte of text.
        documents: of each, its predicted tokens, their bytes, their nats in all, and whether it was cut.
    """

    model: str
    loss: Finite | None
    bits_per_byte: Finite | None
    documents: list[tuple[int, int, float, bool]]


def from_json(values: dict[str, Any], kind: type[_T]) -> _T:
    """A record, or the study, out of plain values; one that is missing is taken for null.

    Raises:
        ValueError: a value is not what it must be; the message names it, and what is wanted.
    """
    if kind is Cell:
        values = Cell.cleaned(values)
    try:
        record = as_type(values, kind, null_if_missing=True)
    except ZipfitError as error:  # of a training setting
        raise ValueError(str(error)) from error
    if isinstance(record, Cell):
        record.check()
    return record
