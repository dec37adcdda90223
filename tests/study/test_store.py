from __future__ import annotations

import json
import math
import shutil

import pytest
import zstandard
from synthetic_results import MAIN_ARMS, write_json, write_results
from typer.testing import CliRunner

from zipfit.cli.app import application
from zipfit.errors import ZipfitError
from zipfit.report.tables import cell_rows, loss_rows, selection_rows
from zipfit.study.results import load_results
from zipfit.study.schema import Baseline, Cell, SelectionRecord
from zipfit.study.store import PACKED, Store

FEW = [item for item in MAIN_ARMS if item["name"] in ("zipfit", "dsir", "random", "target")]


@pytest.fixture
def folder(tmp_path):
    folder = write_results(tmp_path / "results", arms=FEW, budgets=(20_000,), seeds=(0, 1))
    Store(folder).make()
    Store(folder).write(
        Baseline(key="b" * 16, model="smollm2", loss=2.5, bits_per_byte=1.0, documents=[(3, 9, 7.5, False)])
    )
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}


def unpacked(folder):
    """File to content, of what is packed: as `zstd -d` and a line of any language would have it."""
    lines = zstandard.ZstdDecompressor().decompress((folder / PACKED).read_bytes()).decode().splitlines()
    records = [json.loads(line) for line in lines]
    return {f"{record.pop('kind')}/{record['key']}.json": json.dumps(record) for record in records}


def everything(folder):
    results = load_results(folder)
    return [[*cell_rows(results)], [*loss_rows(results)], [*selection_rows(results)], results.selections]


def test_what_is_packed_is_what_was_there(folder):
    before, said = files(folder), everything(folder)
    assert Store(folder).pack() == len(before) - 1
    assert sorted(path.name for path in folder.iterdir()) == [PACKED, "study.json"]
    study = before.pop("study.json")
    assert unpacked(folder) == {name: json.dumps(json.loads(text)) for name, text in before.items()}
    assert (folder / "study.json").read_text() == study
    assert everything(folder) == said
    assert Store(folder).read(Baseline, "b" * 16).documents == [(3, 9, 7.5, False)]
    assert Store(folder).read(Baseline, "c" * 16) is None


def test_the_command_packs(folder):
    ran = CliRunner().invoke(application(), ["study", "pack", str(folder)])
    assert ran.exit_code == 0
    assert ran.stdout == f"11 records lie in {folder / PACKED}\n"
    assert len(load_results(folder).cells) == 8
    ran = CliRunner().invoke(application(), ["study", "pack", str(folder.parent)])
    assert ran.exit_code == 2


def test_the_same_records_are_packed_into_the_same_bytes(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    Store(folder).pack()
    first = (folder / PACKED).read_bytes()
    Store(folder).pack()
    Store(tmp_path / "other").pack()
    assert (folder / PACKED).read_bytes() == (tmp_path / "other" / PACKED).read_bytes() == first


def test_what_is_written_beside_the_packed_counts_before_it(folder):
    store = Store(folder)
    store.pack()
    store.make()
    kept = next(cell for cell in store.read_all(Cell) if cell.arm == "zipfit")
    kept.losses[-1].loss = 1.25
    new = Cell(**{name: getattr(kept, name) for name in Cell.__struct_fields__} | {"key": "f" * 16})
    store.write(kept)
    store.write(new)
    for _ in range(2):
        assert store.read(Cell, kept.key).loss == 1.25
        found = {cell.key: cell.loss for cell in Store(folder).read_all(Cell)}
        assert len(found) == 9
        assert found[kept.key] == found["f" * 16] == 1.25
        assert store.pack() == 9 + len(store._packed["selections"]) + 1


def test_numbers_that_are_none_are_packed_as_they_are(folder):
    path = next((folder / "cells").iterdir())
    record = json.loads(path.read_text())
    write_json(path, record | {"status": "failed", "error": "NaN", "losses": [{"tokens": 0, "loss": math.nan}]})
    before = path.read_text()
    Store(folder).pack()
    assert unpacked(folder)[f"cells/{path.name}"] == before
    assert len(load_results(folder).failed) == 1


def test_what_is_damaged_is_named_and_not_packed(folder):
    path = sorted((folder / "cells").iterdir())[0]
    text = path.read_text()
    path.write_text(text[:50])
    with pytest.raises(ZipfitError, match=rf"{path.name}: is damaged"):
        Store(folder).pack()
    assert path.exists()
    assert not (folder / PACKED).exists()
    path.write_text(text)
    with pytest.raises(ZipfitError, match="is no results folder"):
        Store(folder / "cells").pack()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line[:30], "line 2: is damaged: it is no JSON"),
        (lambda line: b"[1]", "line 2: is damaged: it holds no JSON object"),
        (lambda line: line.replace(b'"kind": "cells"', b'"kind": "cell"'), "line 2: is damaged: its kind must be one of cells"),
        (lambda line: line.replace(b'"format": 1', b'"format": 2'), "line 2: has format 2; this zipfit reads format 1"),
        (lambda line: line.replace(b'"seed": ', b'"seed": "x", "was": '), 'line 2: is damaged: seed must be a whole number, not "x"'),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(folder, change, said):
    Store(folder).pack()
    lines = zstandard.ZstdDecompressor().decompress((folder / PACKED).read_bytes()).splitlines()
    lines[1] = change(lines[1])
    (folder / PACKED).write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lines)))
    with pytest.raises(ZipfitError) as error:
        load_results(folder)
    assert str(error.value).startswith(f"{folder / PACKED}: {said}")


def test_a_packed_file_that_is_cut_off_is_named(folder):
    Store(folder).pack()
    (folder / PACKED).write_bytes((folder / PACKED).read_bytes()[:-20])
    with pytest.raises(ZipfitError, match=rf"{PACKED}: the compressed file is cut off before its end"):
        list(Store(folder).read_all(SelectionRecord))
