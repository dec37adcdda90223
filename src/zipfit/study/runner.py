"""Run a study: every cell that has not been run yet, each kept as soon as it is finished.

A cell is found again by a digest of everything that determines it: what its arm does, the contents of source, target
and test set, budget, model, seed and settings. So an interrupted study goes on where it stopped, a new method runs
alone, and renaming an arm costs nothing. Cells that train on the same documents, as neighbouring levels of gzip often
do, are measured once.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, astuple, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from zipfit.errors import ZipfitError, need
from zipfit.humaneval import Judging, Sampling, humaneval
from zipfit.methods.encoder import PROBE
from zipfit.study.data import digest, read_texts, write_chats
from zipfit.study.documents import Chats, Chooser, Rankings, arm_digest, is_seeded
from zipfit.study.plan import Part, plan
from zipfit.study.schema import Baseline, Cell, HumanEvalRates, Loss, MeasuredOn, Overlap, SelectionRecord, StepLoss
from zipfit.study.store import Store
from zipfit.system.runtime import available_cores, library_versions, zipfit_commit
from zipfit.training.chats import Chat, need_chat_template
from zipfit.training.evaluation import DocumentLoss, Evaluation, cross_entropy
from zipfit.training.models import ModelSource, find_model, load_model, load_tokenizer
from zipfit.training.precision import in_float32
from zipfit.training.run import Course, HeldOut, Unobserved
from zipfit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zipfit.study.documents import Chosen
    from zipfit.study.plan import PlannedCell
    from zipfit.study.schema import ModelSpec, Study
    from zipfit.training.models import LanguageModel
    from zipfit.training.run import Observer, Run

# What cells that train on the same documents have in common.
_MEASURED = (
    *("tokens", "training_seconds", "tokens_per_second", "losses", "training_losses"),
    *("overlap", "test", "humaneval", "made"),
)
_LIBRARIES = ("zipfit", "torch", "transformers", "peft", "numpy")


class StudyObserver(Protocol):
    """Told of a study as it goes."""

    def planned(self, ahead: list[PlannedCell], finished: int) -> None:
        """These cells will be run, in this order, and so many are finished already."""
        ...

    def began(self, cell: PlannedCell) -> Observer:
        """A cell begins; its run is told to what this returns."""
        ...

    def ended(self, cell: PlannedCell, result: Cell) -> None:
        """A cell is kept, `done` or `failed`."""
        ...


class UnobservedStudy:
    """An observer that ignores everything."""

    def planned(self, ahead: list[PlannedCell], finished: int) -> None:
        pass

    def began(self, cell: PlannedCell) -> Observer:  # noqa: ARG002
        return Unobserved()

    def ended(self, cell: PlannedCell, result: Cell) -> None:
        pass


def run_study(
    study: Study,
    folder: Path,
    *,
    part: Part | None = None,
    excerpts: bool = True,
    allow_code_execution: bool = False,
    trust_remote_code: bool = False,
    observer: StudyObserver | None = None,
) -> list[Cell]:
    """Run the cells that are not finished; those that failed before are tried again.

    Processes that run different parts may share a results folder.

    Args:
        study: what to run.
        folder: the results folder; what is there is used where it is of the same cell.
        part: the cells to run; None for all.
        excerpts: whether to keep the beginnings of each selection's first documents, which the report shows.
        allow_code_execution: consent to run programs that models write, for a study with HumanEval.
        trust_remote_code: consent to run the Python code that comes with the models for which the study asks it.
        observer: told how it goes.

    Returns:
        The part's cells as they are kept, in the order of `plan`.

    Raises:
        ZipfitError: the study as a whole cannot be run, or has no such part. What is wrong with one cell is kept as
            its error.
        KeyboardInterrupt: Ctrl-C; the cells finished so far are kept, and the one under way is not.
    """
    if study.humaneval is not None and not allow_code_execution:
        raise ZipfitError(
            "this study has models write programs, and runs them: agree with --allow-code-execution, or take away "
            "its key humaneval"
        )
    observer = observer or UnobservedStudy()
    whole = plan(study)
    cells = (part or Part()).of(whole)
    own_code = next((cell.model.name for cell in cells if cell.model.trust_remote_code), None)
    need(
        own_code is None or trust_remote_code,
        f"this study runs the Python code that comes with the model {own_code}: if you trust it, agree with "
        "--trust-remote-code (in Python: trust_remote_code=True)",
    )
    store = Store(folder)
    store.make()
    results = {cell.key: store.read(Cell, cell.key) for cell in cells}
    store.write_study(study, [cell.key for cell in whole], library_versions(_LIBRARIES))
    ahead = [cell for cell in cells if (known := results[cell.key]) is None or not known.is_done]
    if study.chat_template is not None:
        _need_chat_templates(study, dict.fromkeys(cell.model for cell in ahead))
    observer.planned(ahead, len(cells) - len(ahead))
    rankings = Rankings(study)
    workshop: _Workshop | None = None
    with ExitStack() as stack:
        for cell in ahead:
            if workshop is None or workshop.model_spec != cell.model:
                stack.close()
                workshop = _Workshop(study, cell, store, rankings, excerpts, stack)
            result = workshop.run(cell, observer.began(cell))
            store.write(result)
            results[cell.key] = result
            observer.ended(cell, result)
            if workshop.interrupted:  # during the cell's last step
                raise KeyboardInterrupt
    return [result for result in results.values() if result is not None]


def _need_chat_templates(study: Study, models: Iterable[ModelSpec]) -> None:
    """Check that each model has a chat template, before the first is trained."""
    for model in models:
        tokenizer = load_tokenizer(ModelSource(study.model_path(model), model.revision, model.trust_remote_code))
        try:
            need_chat_template(tokenizer)
        except ZipfitError as error:
            raise ZipfitError(f"model {model.label}: {error}") from error


class _Workshop:
    """What the cells of one model, the first one's, share."""

    def __init__(
        self, study: Study, first: PlannedCell, store: Store, rankings: Rankings, excerpts: bool, stack: ExitStack
    ) -> None:
        self.study = study
        self.model_spec = first.model
        self._store = store
        self._excerpts = excerpts
        self._arms = {arm.name: arm for arm in study.arms}
        self._identity = first.identity
        self._rankings = rankings
        self.interrupted = False
        self._stack = stack
        self._chats: Chats | None = None
        self._test: Sequence[str | Chat]
        if study.chat_template is None:
            self._test = read_texts(study, study.test, "test")
        else:
            roles = {role: getattr(study, role) for role in ("source", "target", "test")}
            self._chats = Chats(**{role: write_chats(study, roles[role], role, self._tokenizer) for role in roles})
            self._test = self._chats.test
        done = [cell for cell in store.read_all(Cell) if cell.is_done]
        self._by_documents = {cell.training_key: cell for cell in done}
        self._made = [cell.made or {} for cell in done if cell.model in (first.model.label, first.model.name)]

    def run(self, cell: PlannedCell, observer: Observer) -> Cell:
        """The cell's result; what goes wrong with it is in there."""
        result = self._begun(cell)
        run: list[Run] = []
        try:
            self._measure(cell, result, observer, run)
        except ZipfitError as error:
            result.status, result.error = "failed", str(error)
        except Exception as error:  # one cell's surprise must not lose the others
            reason = str(error).strip().partition("\n")[0]
            result.status, result.error = "failed", f"{type(error).__name__}: {reason}"
        if run and not result.is_done:
            _keep_losses(result, run[0])
        return result

    def _begun(self, cell: PlannedCell) -> Cell:
        """What is known of a cell before anything is measured."""
        return Cell(
            key=cell.key,
            study=self.study.name,
            arm=cell.arm.name,
            way=cell.arm.way,
            budget=cell.budget,
            model=cell.model.label,
            seed=cell.seed,
            status="done",
            error=None,
            settings=asdict(self.study.settings),
            made={
                "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "commit": zipfit_commit(),
                **library_versions(_LIBRARIES),
            },
        )

    def _measure(self, cell: PlannedCell, result: Cell, observer: Observer, runs: list[Run]) -> None:
        self._need_same_tokens()
        study = self.study
        budgets = [math.inf if budget is None else budget for budget in study.budgets_of(cell.arm)]
        largest = None if math.inf in budgets else int(max(budgets))
        if cell.arm.max_share is not None:
            largest = cell.budget
        selection = self._chooser.choose(cell.arm, largest, cell.seed)  # smaller budgets take their part of it
        chosen = self._chooser.choose(cell.arm, cell.budget, cell.seed)
        result.selection = self._keep_selection(cell, selection)
        result.documents = len(chosen.documents)
        result.alignment = fmean(document.alignment for document in chosen.documents)
        result.mean_bytes = fmean(document.bytes for document in chosen.documents)
        result.selection_seconds = sum(chosen.seconds.values())
        result.cached_vectors = chosen.cached
        result.training_key = self._training_key(cell, chosen)
        twin = self._by_documents.get(result.training_key)
        if twin is not None:
            for name in _MEASURED:
                setattr(result, name, getattr(twin, name))
            result.same_as = twin.key
            return
        model = replace(load_model(self._source, study.settings, cell.seed), name=self.model_spec.name)
        before = self._baseline(model)
        watched = _Watched(observer, runs)
        run = train(
            model,
            chosen.trained_on,
            study.settings,
            Course(cell.budget, cell.seed, study.evaluate_every),
            held_out=HeldOut(self._test, before),
            observer=watched,
        )
        if not run.finished:
            raise KeyboardInterrupt
        self.interrupted = run.interrupted
        assert run.overlap is not None
        assert result.made is not None
        _keep_losses(result, run)
        result.overlap = Overlap(**asdict(run.overlap))
        result.test = MeasuredOn(len(before.documents), before.tokens, before.bytes, before.truncated)
        result.made |= {"device": run.device, "precision": run.precision, "tokens": self._tokens}
        result.humaneval = self._humaneval(model, cell.seed)
        self._by_documents[result.training_key] = result

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self._rankings, self._tokenizer, self.study.arms, self._chats)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._source)

    @cached_property
    def _tokens(self) -> str:
        """A digest of the tokens that a text is cut into, which the model's files alone do not determine."""
        return digest(self._tokenizer(PROBE, verbose=False)["input_ids"])

    def _need_same_tokens(self) -> None:
        """Check that the folder's cells of this model were made with the same tokens.

        Cells of before this was kept count as others where the model is a GGUF file, as such text was cut otherwise.
        """
        allowed: tuple[str | None, ...] = (self._tokens, None)
        if "gguf_file" in find_model(self.study.model_path(self.model_spec))[1]:
            allowed = (self._tokens,)
        others = sum(made.get("tokens") not in allowed for made in self._made)
        need(
            not others,
            f"{self._store.folder}: {others} of its cells were made when text was cut into other tokens for model "
            f"{self.model_spec.label}, so their losses do not compare with new ones: run the study in a new folder",
        )

    @cached_property
    def _source(self) -> ModelSource:
        """What the model is read from for each cell: a GGUF file is unpacked once, as that takes long."""
        place = self.study.model_path(self.model_spec)
        if "gguf_file" in find_model(place)[1]:
            unpacked = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="zipfit-model-"))
            load_model(place).save(Path(unpacked))
            place = unpacked
        return ModelSource(place, self.model_spec.revision, self.model_spec.trust_remote_code)

    def _humaneval(self, model: LanguageModel, seed: int) -> HumanEvalRates | None:
        """pass@1 and, with as many samples, pass@10; to run the programs was agreed to before."""
        spec = self.study.humaneval
        if spec is None:
            return None
        sampling = Sampling(samples=spec.samples, seed=seed, temperature=spec.temperature)
        k = [k for k in (1, 10, 100) if k <= spec.samples]
        judging = Judging(k=k, rows=spec.rows, workers=available_cores(), consent=True)
        with in_float32(model.network):  # as the model would be saved
            found = humaneval(model.network, model.tokenizer, sampling, judging)
        return HumanEvalRates(**found.summary() | {"pass_at": found.pass_at})

    def _keep_selection(self, cell: PlannedCell, chosen: Chosen) -> str:
        seed = cell.seed if is_seeded(cell.arm) else None
        identity = {name: getattr(self._identity, name) for name in ("source", "target", "model")}
        # Of a share of the budget, a smaller budget's documents are no head of a larger one's.
        budget = {} if cell.arm.max_share is None else {"budget": cell.budget}
        arm = {"arm": arm_digest(cell.arm, self._arms), "seed": seed}
        key = digest(identity | arm | budget | self.study.template_key)
        kept = self._store.read(SelectionRecord, key)
        if kept is None or len(kept.tokens) < len(chosen.documents):
            self._store.write(chosen.record(key, cell.arm, self._excerpts))
        return key

    def _training_key(self, cell: PlannedCell, chosen: Chosen) -> str:
        """A digest of what the training itself depends on: the set of documents, and not who chose them."""
        documents = sorted(hashlib.sha256(_bytes(document)).hexdigest() for document in chosen.trained_on)
        known = {"model": self._identity.model, "test": self._identity.test, "budget": cell.budget, "seed": cell.seed}
        return digest(self.study.measure | known | {"documents": documents})

    def _baseline(self, model: LanguageModel) -> Evaluation:
        """The test set under the untrained model, measured once."""
        limit = self.study.settings.test_tokens
        identity = {"model": self._identity.model, "test": self._identity.test, "test_tokens": limit}
        key = digest(identity | self.study.template_key)
        kept = self._store.read(Baseline, key)
        if kept is not None:
            return Evaluation([DocumentLoss(*document) for document in kept.documents])
        evaluation = cross_entropy(model, self._test, limit)
        self._store.write(
            Baseline(
                key=key,
                model=self.model_spec.label,
                loss=evaluation.loss,
                bits_per_byte=evaluation.bits_per_byte,
                documents=[astuple(document) for document in evaluation.documents],
            )
        )
        return evaluation


def _bytes(document: str | Chat) -> bytes:
    """What tells a document from others, as it is trained on."""
    if isinstance(document, Chat):
        return document.tokens.astype("<i4").tobytes() + document.scored.tobytes()
    return document.encode("utf-8", "replace")


class _Watched:
    """Hands a run on to an observer, and keeps hold of it in case it fails."""

    def __init__(self, observer: Observer, runs: list[Run]) -> None:
        self._runs = runs
        self.trained = observer.trained
        self.tested = observer.tested
        self.stopping = observer.stopping
        self._observer = observer

    def started(self, run: Run) -> None:
        self._runs.append(run)
        self._observer.started(run)


def _keep_losses(result: Cell, run: Run) -> None:
    result.tokens = run.done_tokens
    result.training_seconds = run.seconds
    result.tokens_per_second = run.done_tokens / run.seconds if run.seconds else 0.0
    result.losses = [Loss(measured.tokens, measured.loss, measured.bits_per_byte) for measured in run.test]
    result.training_losses = [StepLoss(measured.tokens, measured.loss) for measured in run.train]
