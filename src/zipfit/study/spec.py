"""What a study is: data, arms, budgets, models, seeds and settings, as a YAML file says them.

An *arm* is one way to get training documents; each arm is fine-tuned on at each budget, with each model and each seed.
Everything that can be known to be wrong without reading the data or loading a model is found here.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.corpus.formats import FORMATS, SAMPLE_BY
from zipfit.corpus.inputs import HUB_NAME, expand
from zipfit.corpus.reading import Reading
from zipfit.corpus.streams import is_remote
from zipfit.errors import ZipfitError
from zipfit.study.arm import Arm, read_arms, read_budgets
from zipfit.study.yaml_file import Node, read_yaml
from zipfit.training.settings import PRESETS, Settings, build_settings

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    folder: str

    def path(self, name: str) -> str:
        """A name of a file or local model as it can be opened; names on the hub and remote paths stay as they are."""
        if name.startswith("hub:") or is_remote(name):
            return name
        return os.path.join(self.folder, os.path.expanduser(name))

    def model_path(self, model: ModelSpec) -> str:
        """What to load a model from: its hub name, or the path of a local one."""
        return self.path(model.name) if _is_local_model(model.name) else model.name

    def budgets_of(self, arm: Arm) -> tuple[int | None, ...]:
        """The budgets that an arm is trained at."""
        return self.budgets if arm.budgets is None else arm.budgets

    def to_json(self) -> dict[str, Any]:
        """The study as plain values, without `folder`: where it was run is no part of what it is."""
        values = asdict(self)
        del values["folder"]
        return values


def load_study(path: str | os.PathLike[str], data: str | None = None) -> Study:
    """Read and check a study file.

    Args:
        path: a YAML file.
        data: folder that the paths in it are relative to; None for the file's own.

    Raises:
        MissingExtraError: pyyaml is not installed.
        ZipfitError: the study is not valid, or a local file that it names does not exist; the message names file and
            key, and says what is wanted.
    """
    root = read_yaml(path)
    required = ("name", "source", "target", "test", "methods", "budgets", "models")
    found = root.fields(
        (*required, "description", "seeds", "training", "evaluate_every", "humaneval"), required=required
    )
    folder = os.fspath(data) if data is not None else str(Path(path).parent)
    settings = _settings(found["training"]) if "training" in found else PRESETS["default"]
    every = found.get("evaluate_every")
    return Study(
        name=found["name"].text(),
        description=found["description"].text() if "description" in found else "",
        source=_data(found["source"], folder),
        target=_data(found["target"], folder),
        test=_data(found["test"], folder),
        arms=read_arms(found["methods"], settings.block_size),
        budgets=read_budgets(found["budgets"], settings.block_size),
        models=_models(found["models"], folder),
        seeds=tuple(item.whole(0) for item in found["seeds"].items()) if "seeds" in found else (0,),
        settings=settings,
        evaluate_every=None if every is None or every.value is None else every.whole(1),
        humaneval=_humaneval(found["humaneval"]) if "humaneval" in found else None,
        folder=folder,
    )


def _settings(node: Node) -> Settings:
    """A preset and changes to it."""
    found = node.fields(("preset", *(field.name for field in fields(Settings))))
    preset = found.pop("preset").choice(PRESETS) if "preset" in found else "default"
    try:
        return build_settings(preset, {name: item.value for name, item in found.items()})
    except ZipfitError as error:
        node.fail(str(error))


def _humaneval(node: Node) -> HumanEvalSpec | None:
    if node.value is None:
        return None
    found = node.fields(field.name for field in fields(HumanEvalSpec))
    spec = HumanEvalSpec(
        samples=found["samples"].whole(1) if "samples" in found else 1,
        temperature=found["temperature"].number(least=0) if "temperature" in found else 0.0,
        rows=_rows(found["rows"]) if "rows" in found else (None, None),
    )
    if spec.samples > 1 and spec.temperature == 0:
        node.fail(f"at temperature 0 the {spec.samples} samples would be the same: set a temperature above 0")
    return spec


def _data(node: Node, folder: str) -> tuple[Data, ...]:
    """One path, one mapping, or a list of them; paths that stand together are one `Data`."""
    if isinstance(node.value, list):
        parts = node.items()
        if all(isinstance(item.value, str) for item in parts):
            return (Data(_files(node, parts, folder)),)
        return tuple(part for item in parts for part in _data(item, folder))
    if not isinstance(node.value, dict):
        return (Data(_files(node, [node], folder)),)
    found = node.fields((field.name for field in fields(Data)), required=("files",))
    files = found["files"]
    text = {name: found[name].text() for name in ("text_field", "template", "by", "label") if name in found}
    data = Data(
        files=_files(files, files.items() if isinstance(files.value, list) else [files], folder),
        format=found["format"].choice(FORMATS) if "format" in found else None,
        text_field=text.get("text_field"),
        template=text.get("template"),
        sample_by=found["sample_by"].choice(SAMPLE_BY) if "sample_by" in found else "line",
        by=text.get("by"),
        label=text.get("label"),
        rows=_rows(found["rows"]) if "rows" in found else (None, None),
        sample=found["sample"].whole(1) if "sample" in found else None,
    )
    if data.by is not None and data.label is not None:
        node.fail("give by (a field that labels each document) or label (one for all of them), not both")
    try:
        Reading(data.text_field, data.template)
    except ZipfitError as error:
        node.fail(str(error))
    return (data,)


def _files(node: Node, items: Iterable[Node], folder: str) -> tuple[str, ...]:
    names = tuple(item.text() for item in items)
    for name in names:
        if name.startswith("hub:"):
            if HUB_NAME.fullmatch(name) is None:
                node.fail(f"{name}: write a data set as hub:NAME@SPLIT or hub:NAME:CONFIG@SPLIT")
        elif name == "-":
            node.fail("a study reads its data several times, and standard input can be read once: save it in a file")
        elif not is_remote(name):
            try:
                expand([os.path.join(folder, os.path.expanduser(name))], any_format=True)
            except (ZipfitError, ValueError) as error:  # ValueError: a NUL character in a path
                node.fail(f"{error} (paths are relative to {folder or '.'}; --data FOLDER gives another folder)")
    return names


def _rows(node: Node) -> tuple[int | None, int | None]:
    """A half-open range with null for an open end."""
    if not isinstance(node.value, list) or len(node.value) != 2:
        node.fail("must be two numbers, the first document and the one after the last, as in [0, 82] or [82, null]")
    start, end = (
        None if value is None else Node(node.file, f"{node.key}.{index}", value).whole(0)
        for index, value in enumerate(node.value)
    )
    if end is not None and end <= (start or 0):
        node.fail(f"holds no document: {end} is not above {start or 0}")
    return start, end


def _models(node: Node, folder: str) -> tuple[ModelSpec, ...]:
    models: list[ModelSpec] = []
    for item in node.items():
        found = (
            item.fields(field.name for field in fields(ModelSpec)) if isinstance(item.value, dict) else {"name": item}
        )
        if "name" not in found:
            item.fail("name is missing")
        name = found["name"].text()
        if _is_local_model(name) and not os.path.exists(os.path.join(folder, os.path.expanduser(name))):
            found["name"].fail(f"{name}: no such file or folder (paths are relative to {folder or '.'})")
        model = ModelSpec(
            name=name,
            label=found["label"].text() if "label" in found else name.rstrip("/").rsplit("/", 1)[-1],
            revision=found["revision"].text() if "revision" in found else None,
            trust_remote_code=found["trust_remote_code"].flag() if "trust_remote_code" in found else False,
        )
        if model.label in [other.label for other in models]:
            item.fail(f"there are two models of the label {model.label}: give them different ones")
        models.append(model)
    return tuple(models)


def _is_local_model(name: str) -> bool:
    return name.startswith((".", "~", "/")) or name.endswith(".gguf")
