"""Making a selection again from its manifest, bit for bit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zipfit.corpus.inputs import check_output, names_of
from zipfit.corpus.outputs import Outputs
from zipfit.corpus.shards import Sharding
from zipfit.errors import ZipfitError
from zipfit.methods.registry import need_consent
from zipfit.selection.manifest import ROLES, beside_manifest, files_of, read_manifest, whereabouts
from zipfit.selection.select import select

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from zipfit.selection.selection import Selection

_WORDS = {"source": "reads", "target": "for", "exclude": "without", "check": "to check against"}

_SHOWN = 8
"""Files of each kind that are announced by name."""


def rerun(
    manifest_path: str,
    output: str | None = None,
    *,
    overwrite: bool = False,
    progress: bool = False,
    allow_code: Collection[str] = (),
    announce: Callable[[str], None] | None = None,
) -> tuple[Selection, bool]:
    """Make a selection again with the inputs, method and parameters of its manifest, and save it.

    Args:
        manifest_path: the manifest.
        output: where to write; None for beside the manifest, by the name of its own output.
        overwrite: replace what is there.
        progress: show a progress bar on standard error.
        allow_code: modules that may be imported for a method of a user's own, which a manifest only names.
        announce: told which files will be read and which written, before any is; and which were not the same.

    Returns:
        The selection, and whether its output has the hash that the manifest names.

    Raises:
        ZipfitError: as `select` and `Selection.save`; or the inputs did not come from files, or the method cannot be
            built from its name and options, or not without consent.
    """
    manifest = read_manifest(manifest_path)
    method = manifest["method"]
    if method["options"] is None:
        raise ZipfitError(
            f"{manifest_path}: the options of {method['class']} are not known, so it cannot be built again"
        )
    need_consent(method["class"], allow_code, method["options"])
    saved = manifest["output"]
    if saved is None:
        raise ZipfitError(f"{manifest_path}: names no output")
    read: dict[str, Any] = {role: files_of(manifest, role) for role in ROLES if role in manifest}
    output = output or beside_manifest(manifest_path, saved["path"])
    form = saved.get("convert")
    shards = {f"shard_{name}": saved.get(f"shard_{name}") for name in ("records", "bytes", "format")}
    outputs = Outputs.of_selection(output, overwrite, form, Sharding.of(*shards.values()))
    outputs.check([name for files in read.values() for name in names_of(files)])
    if form is None:
        check_output(outputs.records, read["source"])
    if announce is not None:
        announce(f"{_reads(read)}, and writes {output}")
    parameters = {**manifest["parameters"], "progress": progress}
    if parameters["tokenizer"] is not None and os.path.exists(
        tokenizer := whereabouts(parameters["tokenizer"], manifest)
    ):
        parameters["tokenizer"] = tokenizer
    selection = select(**read, method=method["class"], options=method["options"], **parameters)
    if announce is not None:
        for name in _changed(manifest, selection.manifest):
            announce(f"{name} has changed since the manifest was written")
    how = {"order": saved["order"], "add_fields": saved["add_fields"], "convert": form, **shards}
    new = selection.save(output, **how, overwrite=overwrite)["output"]
    return selection, all(new.get(key) == saved.get(key) for key in ("sha256", "shards"))


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The inputs that are no longer the same."""
    changed = []
    for role in ROLES:
        before = {whereabouts(item["name"], old): item for item in old.get(role, {}).get("inputs", ())}
        after = {item["name"]: item for item in new.get(role, {}).get("inputs", ())}
        changed += [name for name in before.keys() & after.keys() if before[name]["sha256"] != after[name]["sha256"]]
    return sorted(changed)


def _reads(read: dict[str, Any]) -> str:
    """Which files are read, each role's in its own words."""
    said = [(words, read[role].paths) for role, words in _WORDS.items() if role in read]
    return " ".join(f"{words} {_some(paths)}" for words, paths in said)


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return shown if len(paths) <= _SHOWN else f"{shown} and {len(paths) - _SHOWN:,} more"
