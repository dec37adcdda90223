"""What can be told of a study before anything is trained."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipfit.compression.compressors import get_compressor
from zipfit.corpus.inputs import HUB_NAME
from zipfit.corpus.remote import is_remote
from zipfit.errors import MissingExtraError, ZipfitError, need
from zipfit.study.data import read_part, write_chats
from zipfit.study.problems import Problems
from zipfit.training.chats import need_chat_template
from zipfit.training.models import ModelSource, find_model, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.study.schema import Data, ModelSpec, Study

# What the hub takes for the name of a repository: huggingface_hub.utils.validate_repo_id.
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))(\w[\w.-]*/)?\w([\w.-]{0,94}\w)?", re.ASCII)


@dataclass(frozen=True)
class Overview:
    """A valid study in numbers.

    Attributes:
        arms: ways to get training documents.
        cells: runs: arms by budgets by models by seeds.
        documents: of `source`, `target` and `test`; None for one that is not all on this machine.
        notes: sentences: what could not be checked here, and what is worth a thought.
    """

    arms: int
    cells: int
    documents: dict[str, int | None]
    notes: list[str]


def check_study(study: Study) -> Overview:
    """Check a study as far as that goes without training or a network: local data is read, to its end.

    Where chats go by a chat template, local models have one, and it writes all local documents.

    Raises:
        ZipfitError: the study cannot run: a record gives no text, a range holds no document, an arm asks for a label
            that the source has not, a name cannot be one of the hub's, or a document cannot be written as a chat; a
            `ProblemsError` for several reasons.
    """
    found: dict[str, Counter[str]] = {}  # the source's labels, the others' texts
    documents: dict[str, int | None] = {}
    elsewhere: list[str] = []
    problems = Problems()
    for role, parts in (("source", study.source), ("target", study.target), ("test", study.test)):
        local = [part for part in parts if problems.take(_is_local, role, part, elsewhere)]
        read = [seen for part in local if (seen := problems.take(_read, study, role, part)) is not None]
        found[role] = sum(read, Counter())
        documents[role] = found[role].total() if len(read) == len(parts) else None
    if documents["source"] is not None:
        problems.take(_need_labels, study, found["source"])
    notes = [f"not looked at, as it is not on this machine: {name}" for name in dict.fromkeys(elsewhere)]
    shared = (found["test"] & found["target"]).total()
    if shared:
        notes.append(f"{shared:,} documents of the test set are in the target too")
    notes += _notes_on_arms(study, documents["target"])
    for model in study.models:
        notes += problems.take(_notes_on_model, study, model) or ()
    problems.tell()
    if study.chat_template is not None:
        here = [role for role, known in documents.items() if known is not None]
        for model in study.models:
            notes += problems.take(_notes_on_chats, study, model, here) or ()
    problems.tell()
    cells = sum(len(study.budgets_of(arm)) for arm in study.arms) * len(study.models) * len(study.seeds)
    return Overview(len(study.arms), cells, documents, notes)


def _read(study: Study, role: str, part: Data) -> Counter[str]:
    """The labels of a part of the source, the texts of another part."""
    seen = Counter(label if role == "source" else text for text, label in read_part(study, part))
    if not seen:
        raise ZipfitError(f"{role}: {', '.join(part.files)} holds no document within rows {list(part.rows)}")
    return seen


def _is_local(role: str, part: Data, elsewhere: list[str]) -> bool:
    """Whether all of a part's files are on this machine; those that are not are added to `elsewhere`."""
    distant = [name for name in part.files if name.startswith("hub:") or is_remote(name)]
    for name in distant:
        match = HUB_NAME.fullmatch(name)
        if match is not None and not _REPOSITORY.fullmatch(match["name"]):
            raise ZipfitError(f"{role}: {name}: {match['name']!r} cannot be the name of a data set on the hub")
    elsewhere += distant
    return not distant


def _need_labels(study: Study, labels: Counter[str]) -> None:
    wanted = {arm.label: arm.name for arm in study.arms if arm.label is not None}
    known = ", ".join(label for label, _ in labels.most_common(10))
    more = f" and {len(labels) - 10} more" if len(labels) > 10 else ""
    problems = Problems()
    for label, name in wanted.items():
        said = f"methods: arm {name!r}: no document of the source has its label: there are {known}{more}"
        problems.take(need, label in labels, said)
    problems.tell()


def _notes_on_arms(study: Study, targets: int | None) -> list[str]:
    notes = []
    for arm in study.arms:
        if arm.target_size is not None and targets is not None and arm.target_size > targets:
            notes.append(f"arm {arm.name!r} asks for {arm.target_size} target examples, and there are {targets}")
        if "compressor" in arm.options:
            try:
                get_compressor(arm.options["compressor"], arm.options.get("level"))
            except MissingExtraError as error:
                notes.append(f"arm {arm.name!r} will fail here: {error}")
    return notes


def _notes_on_chats(study: Study, model: ModelSpec, roles: Sequence[str]) -> list[str]:
    """Check that a model that is on this machine has a chat template, and writes the documents of these roles in it."""
    place = study.model_path(model)
    try:
        if model.trust_remote_code or not os.path.exists(find_model(place)[0]):
            return []
    except ZipfitError:  # noted as it is
        return []
    try:
        tokenizer = load_tokenizer(ModelSource(place))
    except MissingExtraError as error:
        return [f"not looked at, whether the model {model.label} has a chat template: {error}"]
    try:
        need_chat_template(tokenizer)
        for role in roles:
            write_chats(study, getattr(study, role), role, tokenizer)
    except ZipfitError as error:
        raise ZipfitError(f"model {model.label}: {error}") from error
    return []


def _notes_on_model(study: Study, model: ModelSpec) -> list[str]:
    notes = []
    try:
        place, _ = find_model(study.model_path(model))
    except ZipfitError as error:
        return [f"will fail here: {error}"]
    if not os.path.exists(place):
        if not _REPOSITORY.fullmatch(place):
            raise ZipfitError(f"models: {place!r} is no local path and cannot be the name of a model on the hub")
        notes.append(f"not looked at, as it is not on this machine: the model {place}")
    if model.trust_remote_code:
        notes.append(f"runs the Python code that comes with the model {model.name}")
    return notes
