"""The manifest beside a selection: how it was made, so that it can be checked and made again."""

from __future__ import annotations

import json
import os
import platform
import zlib
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.corpus.inputs import Files, as_files
from zipfit.corpus.reading import Reading
from zipfit.corpus.remote import file_system, is_remote
from zipfit.corpus.streams import HashedFile, naming
from zipfit.errors import ZipfitError
from zipfit.methods.base import HasEngine
from zipfit.methods.registry import class_path, method_options
from zipfit.system.runtime import library_versions
from zipfit.system.whole_file import read_rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.corpus.inputs import Documents, Input
    from zipfit.methods.base import Method
    from zipfit.methods.registry import Named
    from zipfit.selection.cut import Cut, Terms
    from zipfit.selection.ranking import Ranking
    from zipfit.selection.selection import Selection
    from zipfit.selection.sources import Sources
    from zipfit.selection.test_set import TestSet

FORMAT_VERSION = 1

ROLES = ("source", "target", "exclude", "check")
"""What a selection reads; the last two only where they are given."""

# What a result can depend on besides zipfit itself; absent ones are left out.
_LIBRARIES = ("numpy", "pyarrow", "zstandard", "lz4", "brotli", "tokenizers", "datasets", "torch", "transformers")


def build_manifest(
    ranking: Ranking,
    terms: Terms,
    cut: Cut,
    notes: dict[str, object],
    output: dict[str, Any] | None = None,
    check: TestSet | None = None,
) -> dict[str, Any]:
    """Describe how a ranking was cut, what its method noted, and the output that it was written to, as JSON values."""
    test_sets = {"exclude": terms.exclude, "check": check}
    given = {role: test_set for role, test_set in test_sets.items() if test_set is not None}
    sources, method = ranking.sources, ranking.method
    rule = {"overlap": next(iter(given.values())).rule} if given else {}  # which both have in common
    facts = sources.pool.facts
    return {
        "manifest_version": FORMAT_VERSION,
        **describe_environment(),
        "source": describe_documents(sources.source, sources.pool.corpus.inputs),
        "target": describe_documents(sources.target, sources.examples.inputs),
        **{role: describe_documents(test_set.documents, test_set.inputs) for role, test_set in given.items()},
        "files_passed_over": sources.passed_over,
        **({} if sources.unreadable is None else {"files_unreadable": sources.unreadable}),
        "method": describe_method(method, notes),
        "parameters": _parameters(sources, terms) | rule,
        "pool": {
            "documents": len(facts.lengths),
            "bytes": int(facts.lengths.sum()),
            "duplicates": facts.duplicates,
            "empty": facts.empty,
        },
        "selection": {
            "documents": len(cut.indices),
            "bytes": int(facts.lengths[cut.indices].sum()),
            "tokens": None if cut.tokens is None else int(cut.tokens.sum()),
            "best_score": float(cut.scores[0]),
            "score_at_cut": float(cut.scores[-1]),
            "ties_at_cut": cut.ties(ranking.pool_scores),
            "dropped": dict(Counter(item.reason for item in cut.dropped)),
        },
        "output": output,
        "seconds": {name: round(seconds, 4) for name, seconds in (sources.seconds | ranking.stopwatch.seconds).items()},
    }


def describe_method(method: Method | Named, notes: dict[str, object]) -> dict[str, Any]:
    """A method that has done its work, and what it noted."""
    return {
        "class": class_path(method),
        "options": method_options(method),
        "engine": method.engine if isinstance(method, HasEngine) else None,
        "notes": notes,
    }


def describe_environment() -> dict[str, Any]:
    """What a result can depend on besides its inputs and options."""
    return {
        "zipfit": version("zipfit"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {"zlib": zlib.ZLIB_RUNTIME_VERSION, **library_versions(_LIBRARIES)},
        "working_directory": os.getcwd(),
    }


def _parameters(sources: Sources, terms: Terms) -> dict[str, Any]:
    """The arguments of `zipfit.select` that give this selection, its method and inputs aside."""
    budget = terms.budget
    return {
        "tokenizer": None if terms.counter is None else terms.counter.name,
        **describe_reading(sources),
        **asdict(terms.rules),
        "skip_bad": sources.reading.skip_bad,
        "threads": sources.threads,
        "progress": sources.progress,
        "top": budget.top,
        "fraction": budget.fraction,
        "tokens": budget.tokens,
        "min_score": budget.min_score,
        "allow_fewer": budget.allow_fewer,
    }


def describe_reading(sources: Sources) -> dict[str, Any]:
    """How records became texts and labels, `skip_bad` aside."""
    reading, target_reading = sources.reading, sources.target_reading
    return {
        "text_field": reading.text_field,
        "template": reading.template,
        "target_field": target_reading.text_field,
        "target_template": target_reading.template,
        "by": reading.by,
        "target_by": target_reading.by,
        # Named only where they are given, so that other manifests stay as they were.
        **({} if reading.roles is None else {"roles": reading.roles}),
        **({} if reading.role_labels else {"role_labels": False}),
        **({} if reading.convert is None else {"convert": reading.convert}),
        **({"convert_to_table": True} if reading.convert_to_table else {}),
    }


def readings_of(manifest: dict[str, Any]) -> tuple[Reading, Reading]:
    """How the selection of a manifest read its source and its target."""
    given = manifest["parameters"]
    shared = (given["skip_bad"], given.get("roles"), given.get("role_labels", True))  # which 0.1.0 did not know
    converted = (given.get("convert"), given.get("convert_to_table", False))
    return (
        Reading(given["text_field"], given["template"], given["by"], *shared, *converted),
        Reading(given["target_field"], given["target_template"], given["target_by"], *shared),
    )


def describe_documents(documents: Documents, inputs: Sequence[Input]) -> dict[str, Any]:
    """How documents were given, and what was read of each input."""
    files = as_files(documents)
    given = None
    if files is not None:
        given = {**vars(files), "paths": list(files.paths)}
        for name, default in (("encoding", None), ("delimiter", None), ("header", True)):
            if given[name] is default:  # named only where they are given, so that other manifests stay as they were
                del given[name]
    return {"files": given, "inputs": [describe_input(item) for item in inputs]}


def describe_input(item: Input) -> dict[str, Any]:
    """What was read of an input."""
    return {"name": item.name, **item.identity(), "documents": item.documents, "skipped": item.skipped}


def dump_manifest(manifest: dict[str, Any]) -> bytes:
    """A manifest as it lies in its file: JSON, in lines."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def read_manifest(path: str) -> dict[str, Any]:
    """Read a manifest.

    Raises:
        ZipfitError: it is missing, broken, no manifest, or of a later version.
    """
    from zipfit.selection.manifest_schema import check_manifest

    try:
        with HashedFile(path).open() as stream:
            manifest = json.loads(read_rest(stream, path))
    except (ValueError, RecursionError) as error:
        raise ZipfitError(f"{path}: broken JSON: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("manifest_version"), int):
        raise ZipfitError(f"{path}: is not a zipfit manifest")
    if manifest["manifest_version"] > FORMAT_VERSION:
        raise ZipfitError(f"{path}: was written by a later zipfit ({manifest.get('zipfit')})")
    check_manifest(path, manifest)
    method = manifest["method"]
    if method["class"] == "zipfit.methods.racing:Racing" and method["options"]:
        method["options"].pop("top", None)  # with which manifests of 0.1.0 repeat the budget
    return manifest


def whereabouts(path: str, manifest: dict[str, Any]) -> str:
    """A path that a manifest names: relative ones lie where the selection ran or, if there is none there, here."""
    if path == "-" or is_remote(path) or path.startswith("hub:") or os.path.isabs(path):
        return path
    ran = manifest["working_directory"]
    there = os.path.join(ran, path)
    moved = not os.path.exists(there) and os.path.exists(path)
    return path if moved or ran == os.getcwd() else there


def beside_manifest(path: str, output: str) -> str:
    """Where an output by its name would lie beside a manifest, local or remote."""
    name = Path(output).name
    return f"{path.rpartition('/')[0]}/{name}" if is_remote(path) else str(Path(path).parent / name)


def _exists(path: str) -> bool:
    if not is_remote(path):
        return os.path.exists(path)
    fs, inner = file_system(path)
    with naming(path):
        return bool(fs.exists(inner))


def verify(selected: str | os.PathLike[str] | Selection) -> list[str]:
    """Check a selection's inputs and output against its manifest.

    Args:
        selected: the manifest's path; or a selection as Python holds it, of which the inputs are checked.

    Returns:
        One sentence for each difference; empty if all is as the manifest says.

    Raises:
        ZipfitError: the manifest cannot be read.
    """
    manifest = read_manifest(os.fspath(selected)) if isinstance(selected, (str, os.PathLike)) else selected.manifest
    problems = []
    for role in ROLES:
        for item in manifest[role]["inputs"] if role in manifest else ():
            problems += _compare(item["name"], item, whereabouts(item["name"], manifest))
    output = manifest["output"]
    if not isinstance(selected, (str, os.PathLike)):
        return problems
    if output is None:
        problems.append("the manifest names no output")
    else:
        beside = beside_manifest(os.fspath(selected), output["path"])
        name = beside if _exists(beside) else whereabouts(output["path"], manifest)
        problems += _compare(name, output, name) if output.get("shards") is None else _compare_shards(name, manifest)
    return problems


def _compare_shards(folder: str, manifest: dict[str, Any]) -> list[str]:
    """What differs between a folder and the shards that a manifest names; another file in it would be read too."""
    shards = {each["path"]: each for each in manifest["output"]["shards"]}
    problems = []
    for name, shard in shards.items():
        problems += _compare(f"{folder}/{name}", shard, f"{folder}/{name}")
    if os.path.isdir(folder):
        others = [name for name in sorted(os.listdir(folder)) if name not in shards and not name.startswith(".")]
        problems += [f"{folder}/{name}: is not of the selection" for name in others]
    return problems


def _compare(name: str, expected: dict[str, Any], path: str) -> list[str]:
    if expected.get("format") in ("objects", "table", "dataset") or name == "-":
        return [f"{name}: was not read from a file, so it cannot be checked"]
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):  # a device may never end
        return [f"{name}: is not a regular file, so it cannot be checked"]
    file = HashedFile(path)
    try:
        file.hash_contents()
    except ZipfitError as error:
        return [str(error)]
    if file.sha256 != expected.get("sha256"):
        return [f"{name}: has changed ({file.bytes} bytes, {expected.get('bytes')} in the manifest)"]
    return []


def files_of(manifest: dict[str, Any], role: str) -> Files:
    """The source, target or test set that a manifest names, to be read again: the very files, whatever a folder holds.

    Raises:
        ZipfitError: it did not come from files, or from standard input.
    """
    files = manifest[role]["files"]
    if files is None:
        raise ZipfitError(f"the {role} came from Python objects, not files, so it cannot be read again")
    if "-" in files["paths"]:
        raise ZipfitError(f"the {role} came from standard input, so it cannot be read again")
    return Files(**{**files, "paths": [whereabouts(item["name"], manifest) for item in manifest[role]["inputs"]]})
