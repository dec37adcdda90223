"""Making a selection again from its manifest, bit for bit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zipfit.errors import ZipfitError
from zipfit.selection.manifest import files_of, read_manifest, whereabouts
from zipfit.selection.select import select

if TYPE_CHECKING:
    from zipfit.selection.selection import Selection


def rerun(
    manifest_path: str, output: str | None = None, *, overwrite: bool = False, progress: bool = False
) -> tuple[Selection, bool]:
    """Make a selection again with the inputs, method and parameters of its manifest, and save it.

    Args:
        manifest_path: the manifest.
        output: where to write; None for the manifest's own output.
        overwrite: replace what is there.
        progress: show a progress bar on standard error.

    Returns:
        The selection, and whether its output has the hash that the manifest names.

    Raises:
        ZipfitError: as `select` and `Selection.save`; or the inputs did not come from files, or the method cannot be
            built from its name and options.
    """
    manifest = read_manifest(manifest_path)
    method = manifest["method"]
    if method["options"] is None:
        raise ZipfitError(
            f"{manifest_path}: the options of {method['class']} are not known, so it cannot be built again"
        )
    saved = manifest["output"]
    if saved is None:
        raise ZipfitError(f"{manifest_path}: names no output")
    source, target = files_of(manifest, "source"), files_of(manifest, "target")
    parameters = {**manifest["parameters"], "progress": progress}
    if parameters["tokenizer"] is not None and os.path.exists(
        tokenizer := whereabouts(parameters["tokenizer"], manifest)
    ):
        parameters["tokenizer"] = tokenizer
    selection = select(source, target, method=method["class"], options=method["options"], **parameters)
    new = selection.save(
        output or whereabouts(saved["path"], manifest),
        order=saved["order"],
        add_fields=saved["add_fields"],
        overwrite=overwrite,
    )
    return selection, new["output"]["sha256"] == saved["sha256"]
