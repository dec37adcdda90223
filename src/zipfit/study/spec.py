"""A study as a YAML file says it: data, arms, budgets, models, seeds and settings.

An *arm* is one way to get training documents; each arm is fine-tuned on at each budget, with each model and each seed.
Everything that can be known to be wrong without reading the data or loading a model is found here.
"""

from __future__ import annotations

import os
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.corpus.folders import expand
from zipfit.corpus.formats import FORMATS, SAMPLE_BY, Layout
from zipfit.corpus.inputs import HUB_NAME
from zipfit.corpus.reading import Reading
from zipfit.corpus.remote import is_remote
from zipfit.errors import ZipfitError
from zipfit.methods.registry import need_consent
from zipfit.study.arm import read_arms, read_budgets
from zipfit.study.problems import Problems
from zipfit.study.schema import Arm, Data, HumanEvalSpec, ModelSpec, Study, is_local_model
from zipfit.study.yaml_file import Node, Readers, read_yaml
from zipfit.training.chats import CHAT_LOSSES, check_chat_template
from zipfit.training.settings import PRESETS, Settings, build_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def load_study(path: str | os.PathLike[str], data: str | None = None, allow_code: Collection[str] = ()) -> Study:
    """Read and check a study file.

    Args:
        path: a YAML file.
        data: folder that the paths in it are relative to; None for the file's own.
        allow_code: modules that may be imported for methods of a user's own, which the file only names.

    Raises:
        MissingExtraError: pyyaml is not installed.
        ZipfitError: the study is not valid, or a local file that it names does not exist; the message names file and
            key, and says what is wanted. A method needs consent. A `ProblemsError` of all that is wrong.
    """
    root = read_yaml(path)
    required = ("name", "source", "target", "test", "methods", "budgets", "models")
    folder = os.fspath(data) if data is not None else str(Path(path).parent)
    found, problems = root.entries(), Problems()
    training = problems.take(_training, found["training"]) if "training" in found else (PRESETS["default"], None)
    settings, chat_template = training or (None, None)
    block_size = 1 if settings is None else settings.block_size
    readers: Readers = {
        "name": Node.text,
        "description": Node.text,
        "source": partial(_data, folder=folder),
        "target": partial(_data, folder=folder),
        "test": partial(_data, folder=folder),
        "methods": lambda methods: _arms(methods, block_size, allow_code),
        "budgets": partial(read_budgets, block_size=block_size),
        "models": partial(_models, folder=folder),
        "seeds": lambda seeds: tuple(item.whole(0) for item in seeds.items()),
        "training": lambda _: settings,
        "evaluate_every": lambda every: None if every.value is None else every.whole(1),
        "humaneval": _humaneval,
    }
    values = problems.take(root.read, readers, required)
    problems.tell()
    for role in ("source", "target", "test"):
        problems.take(_need_turns, found[role], values[role], chat_template)
    problems.tell()
    values["arms"] = values.pop("methods")
    values |= {"settings": settings, "chat_template": chat_template}
    values.pop("training", None)
    return Study(
        **{"description": "", "seeds": (0,), "evaluate_every": None, "humaneval": None} | values, folder=folder
    )


_NAMING = ("method", "within", "teacher")
"""Keys, of an arm or of its method's options, whose values name methods."""


def _arms(methods: Node, block_size: int, allow_code: Collection[str]) -> tuple[Arm, ...]:
    _need_consent(methods, allow_code)
    return read_arms(methods, block_size)


def _need_consent(methods: Node, allow_code: Collection[str]) -> None:
    """Check, before any is imported, that the modules which the arms name may run."""
    for family in methods.entries().values():
        found = family.entries()
        inner = [found[key].entries() for key in ("options", "sweep") if key in found]
        for key, node in [item for nodes in (found, *inner) for item in nodes.items()]:
            for value in node.value if isinstance(node.value, list) else [node.value]:
                if key in _NAMING and isinstance(value, str):
                    try:
                        need_consent("" if key != "method" else value, allow_code, {key: value})
                    except ZipfitError as error:
                        node.fail(str(error))


def _training(node: Node) -> tuple[Settings, str | None]:
    """A preset and changes to it; and what the loss of chats is on, if they go by the model's template."""
    found = node.fields(("preset", "chat_template", *(field.name for field in fields(Settings))))
    preset = found.pop("preset").choice(PRESETS) if "preset" in found else "default"
    given = found.pop("chat_template", None)
    chat_template = None if given is None or given.value is None else given.choice(CHAT_LOSSES)
    try:
        return build_settings(preset, {name: item.value for name, item in found.items()}), chat_template
    except ZipfitError as error:
        node.fail(str(error))


def _need_turns(node: Node, parts: Iterable[Data], chat_template: str | None) -> None:
    """Check that no template of the file's makes plain text of what a chat template writes."""
    for part in parts:
        try:
            check_chat_template(chat_template, part.template)
        except ZipfitError as error:
            node.fail(str(error))


def _humaneval(node: Node) -> HumanEvalSpec | None:
    if node.value is None:
        return None
    readers: Readers = {
        "samples": partial(Node.whole, least=1),
        "temperature": partial(Node.number, least=0),
        "rows": _rows,
    }
    spec = HumanEvalSpec(**node.read(readers))
    if spec.samples > 1 and spec.temperature == 0:
        node.fail(f"at temperature 0 the {spec.samples} samples would be the same: set a temperature above 0")
    return spec


def _data(node: Node, folder: str) -> tuple[Data, ...]:
    """One path, one mapping, or a list of them; paths that stand together are one `Data`."""
    if isinstance(node.value, list):
        parts = node.items()
        if all(isinstance(item.value, str) for item in parts):
            return (Data(_files(node, parts, folder)),)
        problems = Problems()
        read = [problems.take(_data, item, folder) for item in parts]
        problems.tell()
        return tuple(part for each in read for part in each)
    if not isinstance(node.value, dict):
        return (Data(_files(node, [node], folder)),)
    readers: Readers = {
        "files": lambda files: _files(files, files.items() if isinstance(files.value, list) else [files], folder),
        "format": partial(Node.choice, allowed=FORMATS),
        "text_field": Node.text,
        "template": Node.text,
        "sample_by": partial(Node.choice, allowed=SAMPLE_BY),
        "encoding": Node.text,
        "delimiter": _character,
        "header": Node.flag,
        "by": Node.text,
        "label": Node.text,
        "rows": _rows,
        "sample": partial(Node.whole, least=1),
    }
    data = Data(**node.read(readers, required=("files",)))
    if data.by is not None and data.label is not None:
        node.fail("give by (a field that labels each document) or label (one for all of them), not both")
    try:
        Reading(data.text_field, data.template)
        Layout(data.format, data.sample_by, data.encoding, data.delimiter, data.header)
    except ZipfitError as error:
        node.fail(str(error))
    return (data,)


def _files(node: Node, items: Iterable[Node], folder: str) -> tuple[str, ...]:
    problems = Problems()
    names = tuple(problems.take(_file, node, item, folder) for item in items)
    problems.tell()
    return names


def _file(node: Node, item: Node, folder: str) -> str:
    name = item.text()
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
    return name


def _character(node: Node) -> str:
    """One character, which may be blank."""
    if not isinstance(node.value, str):
        node.fail("must be one character, in quotes")
    return node.value


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
    def name_of(node: Node) -> str:
        name = node.text()
        if is_local_model(name) and not os.path.exists(os.path.join(folder, os.path.expanduser(name))):
            node.fail(f"{name}: no such file or folder (paths are relative to {folder or '.'})")
        return name

    readers: Readers = {"name": name_of, "label": Node.text, "revision": Node.text, "trust_remote_code": Node.flag}
    models: list[ModelSpec] = []
    problems = Problems()

    def read(item: Node) -> None:
        found = item.read(readers, required=("name",)) if isinstance(item.value, dict) else {"name": name_of(item)}
        model = ModelSpec(**{"label": found["name"].rstrip("/").rsplit("/", 1)[-1], **found})
        if model.label in [other.label for other in models]:
            item.fail(f"there are two models of the label {model.label}: give them different ones")
        models.append(model)

    for item in node.items():
        problems.take(read, item)
    problems.tell()
    return tuple(models)
