"""The results folder of a study: one JSON file a cell and one a selection, each written whole or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zipfit.corpus.write import replacing
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from pathlib import Path

    from zipfit.study.spec import Study

FORMAT = 1


class Store:
    """Reads and writes the results folder.

    Args:
        folder: made if it does not exist.

    Raises:
        ZipfitError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            for name in ("cells", "selections", "baselines"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ZipfitError(f"{folder}: cannot be made a results folder ({error.strerror or error})") from error

    def write_study(self, study: Study, cells: list[str], versions: dict[str, str]) -> None:
        """Keep what is being studied, the keys of all its cells, and with which versions."""
        self._write("study.json", {"format": FORMAT, "study": study.to_json(), "cells": cells, "versions": versions})

    def read(self, kind: str, key: str) -> dict[str, Any] | None:
        """A cell, selection or baseline by its key, or None if it is not there.

        Raises:
            ZipfitError: the file is damaged.
        """
        path = self.folder / kind / f"{key}.json"
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise ZipfitError(f"{path}: is damaged ({error}): delete it, and it will be made again") from error
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ZipfitError(f"{path}: is not of this version: delete it, and it will be made again")
        return values

    def write(self, kind: str, key: str, values: dict[str, Any]) -> None:
        """Keep a cell, selection or baseline."""
        self._write(f"{kind}/{key}.json", {"format": FORMAT, "key": key} | values)

    def _write(self, name: str, values: dict[str, Any]) -> None:
        with replacing(str(self.folder / name)) as written:
            text = json.dumps(values, ensure_ascii=False, indent=1 if name == "study.json" else None)
            written.file.write(text.encode("utf-8", "backslashreplace") + b"\n")
