"""The scores of a whole pool in a folder: made once, cut at any budget.

`scores.json` says how they were made, and names the tables beside it, which have a row for each record of the pool in
source order. The folder `work` holds what they were put together from, part by part, so that a pool that grows
is scored only where it grew.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.corpus import Corpus, Rejected
from zipfit.corpus.inputs import Files
from zipfit.corpus.pieces import stamp
from zipfit.corpus.reading import check_form
from zipfit.corpus.store import Store
from zipfit.corpus.streams import HashedFile
from zipfit.corpus.write import RANK_FIELD, SCORE_FIELD
from zipfit.errors import ZipfitError, need
from zipfit.methods.registry import Named
from zipfit.selection.cut import Budget, Rules, Terms
from zipfit.selection.manifest import files_of, readings_of, whereabouts
from zipfit.selection.ranking import InOrder, Ranking
from zipfit.selection.rivals import methods_of, rivals_of
from zipfit.selection.score_tables import MANIFEST, VERSION, is_final_table, read_table
from zipfit.selection.selection import Selection
from zipfit.selection.sources import CorpusPool, Facts, Stopwatch, codes_of, open_sources
from zipfit.selection.test_set import open_test_sets
from zipfit.selection.tokens import token_counter
from zipfit.system.plain_types import check_arguments
from zipfit.system.progress import TerminalProgress
from zipfit.system.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents
    from zipfit.selection.rivals import Against
    from zipfit.selection.sources import Sources


class Scores:
    """The scores of a pool, as `open_scores` found them.

    Attributes:
        path: the folder.
        manifest: how they were made.
        ranking: of the pool's documents.
    """

    def __init__(self, path: str, manifest: dict[str, Any], ranking: Ranking) -> None:
        self.path = path
        self.manifest = manifest
        self.ranking = ranking

    def __len__(self) -> int:
        return len(self.ranking.sources.pool.facts.lengths)

    def __repr__(self) -> str:
        return f"<Scores of {len(self)} documents by {self.manifest['method']['class'].rpartition(':')[2]}>"

    def select(
        self,
        *,
        top: int | None = None,
        fraction: float | None = None,
        tokens: int | None = None,
        min_score: float | None = None,
        allow_fewer: bool = False,
        tokenizer: str | os.PathLike[str] | None = None,
        min_bytes: int = 0,
        max_bytes: int | None = None,
        dedup: str | None = None,
        dedup_threshold: float = 0.8,
        max_share: float | None = None,
        exclude: Documents | None = None,
        check: Documents | None = None,
        overlap: str | None = None,
        against: Against = (),
    ) -> Selection:
        """Cut the ranking: the selection that `zipfit.select` would make of the pool, without scoring it.

        Arguments and errors are those of `zipfit.select`.
        """
        check_arguments(Scores.select, locals())
        terms = Terms(
            Budget(top, fraction, tokens, min_score, allow_fewer=allow_fewer),
            Rules(min_bytes, max_bytes, dedup, dedup_threshold, max_share),
            None if tokenizer is None else token_counter(os.fspath(tokenizer)),
        )
        others, sources = methods_of(against), self.ranking.sources
        excluded, checked = open_test_sets(exclude, check, sources.target_reading, overlap, sources.rejected)
        selection = Selection(self.ranking, replace(terms, exclude=excluded), checked)
        selection.rivals = rivals_of(selection, others)
        return selection


def open_scores(folder: str | os.PathLike[str], *, threads: int | None = None, progress: bool = False) -> Scores:
    """Open the scores of a pool, to select from it.

    The pool is not read; of its files, sizes and times are compared with those that were scored, and where the time
    differs, the content is. The target is read again.

    Args:
        folder: where `score` put them.
        threads: as of `zipfit.select`.
        progress: likewise.

    Raises:
        ZipfitError: the folder holds no whole scores, or those of another version; a file has changed since.
    """
    check_arguments(open_scores, locals())
    store = Store(os.fspath(folder))
    names = store.names()
    need(bool(names), f"{store.path}: there is no such folder of scores")
    need(
        MANIFEST in names,
        f"{store.path}: holds no whole scores: zipfit score --resume goes on, or zipfit merge puts parts together",
    )
    manifest = _read_manifest(store)
    reading, target_reading = readings_of(manifest)
    files = files_of(manifest, "source"), files_of(manifest, "target")
    sources = open_sources(*files, reading, target_reading, threads=threads, progress=progress)
    return Scores(store.path, manifest, kept_ranking(store.path, manifest, sources))


def kept_ranking(folder: str, manifest: dict[str, Any], sources: Sources) -> Ranking:
    """The ranking that scores in a folder are.

    Args:
        folder: where they are.
        manifest: theirs.
        sources: what was scored, opened again; the source is not read.

    Raises:
        ZipfitError: as `open_scores`.
    """
    store = Store(folder)
    for item, known in zip(sources.examples.inputs, manifest["target"]["inputs"], strict=True):
        need(item.identity().get("sha256") == known["sha256"], f"{item.name}: has changed since the pool was scored")
    columns, facts, bad = _load(store, manifest)
    scored = [each["name"] for each in manifest["source"]["inputs"]]
    wanted = {whereabouts(name, manifest) for name in scored}
    inputs = [item for item in sources.pool.corpus.inputs if item.name in wanted]
    need(len(inputs) == len(scored), f"{store.path}: was scored from other files")
    for item, known in zip(inputs, manifest["source"]["inputs"], strict=True):
        _check_same(item, known)
    corpus = Corpus(inputs, sources.reading)
    told = manifest["source"]["inputs"]
    corpus.restore([each["documents"] for each in told], [each["skipped"] for each in told], bad)
    corpus.sample.extend(manifest["sample"])
    terminal = TerminalProgress() if sources.progress else None
    if sources.rejected is not None:
        for rejected in _rejected(store, manifest):
            sources.rejected(rejected)
    sources = replace(
        sources,
        source=Files(**manifest["source"]["files"]),
        pool=CorpusPool(corpus, sources.threads or available_cores(), terminal, facts),
        passed_over=manifest["files_passed_over"],
        unreadable=manifest.get("files_unreadable"),
        seconds=manifest["seconds"],
    )
    method = Named(*(manifest["method"][key] for key in ("class", "options", "engine", "notes")))
    scores, ranks = columns
    stopwatch = Stopwatch()
    if ranks is None:
        return Ranking(sources, method, InOrder.descending(scores), scores, stopwatch)
    order = np.argsort(ranks, kind="stable")[np.count_nonzero(ranks < 0) :]
    return Ranking(sources, method, InOrder(order, scores), None, stopwatch)


def _read_manifest(store: Store) -> dict[str, Any]:
    from zipfit.selection.scores_schema import check_scores_manifest

    path = store.of(MANIFEST)
    try:
        manifest = json.loads(store.read(MANIFEST))
        later = isinstance(manifest, dict) and manifest.get("scores_version") not in (VERSION, None)
        need(not later, f"{path}: was written by another version of zipfit: score the pool again")
        check_scores_manifest(manifest)
        check_form(manifest["parameters"].get("convert"))
        return manifest  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as error:
        raise ZipfitError(f"{path}: is no manifest of scores ({error})") from error


def _check_same(item: Any, known: dict[str, Any]) -> None:
    now = stamp(item)
    changed = f"{item.name}: has changed since the pool was scored (zipfit score --resume scores it again)"
    need(item.size() == known["bytes"], changed)
    item.file.bytes, item.file.sha256 = known["bytes"], known["sha256"]
    if now != known["stamp"]:
        try:
            item.file.hash_contents()
        except ZipfitError as error:
            raise ZipfitError(changed) from error


def _load(
    store: Store, manifest: dict[str, Any]
) -> tuple[tuple[NDArray[np.float64], NDArray[np.int64] | None], Facts, list[set[int]]]:
    """Scores, ranks (None where the scores are the ranking), facts, and the bad rows of each input."""
    import pyarrow as pa

    inputs = manifest["source"]["inputs"]
    bad: dict[str, set[int]] = {each["name"]: set() for each in inputs}
    total = sum(each["documents"] for each in inputs)
    need(0 <= total <= sum(each["records"] for each in manifest["tables"]), f"{store.path}: has not all of its tables")
    scores, ranks = np.empty(total), np.empty(total, np.int64)
    lengths, hashes, codes = np.empty(total, np.int64), np.empty(total, np.uint64), np.empty(total, np.int32)
    names: dict[str, int] = {}
    done = 0
    for each in manifest["tables"]:
        need(is_final_table(each["path"]), f"{store.of(MANIFEST)}: names a table {each['path']!r}")
        file = HashedFile(store.of(each["path"]))
        file.hash_contents()
        need(file.sha256 == each["sha256"], f"{file.path}: is not the table that was written")
        table = read_table(store, each["path"], ["file", "row", SCORE_FIELD, RANK_FIELD, "bytes", "hash", "label"])
        need(table.num_rows == each["records"], f"{file.path}: is not the table that was written")
        good = np.asarray(table["bytes"].is_valid())
        if not good.all():
            broken = table.filter(pa.array(~good))
            for name, row in zip(broken["file"].to_pylist(), broken["row"].to_pylist(), strict=True):
                need(name in bad, f"{store.of(each['path'])}: has a record of {name}, which was not scored")
                bad[name].add(row)
            table = table.filter(pa.array(good))
        here = slice(done, done + table.num_rows)
        done = here.stop
        need(done <= total, f"{store.path}: has more scores than its {total} documents")
        scores[here] = np.asarray(table[SCORE_FIELD].fill_null(float("nan")))
        ranks[here] = np.asarray(table[RANK_FIELD].fill_null(-1))
        lengths[here], hashes[here] = np.asarray(table["bytes"]), np.asarray(table["hash"])
        coded = table["label"].combine_chunks().dictionary_encode()
        codes[here] = codes_of(coded.dictionary.to_pylist(), names)[np.asarray(coded.indices)]
    need(done == total > 0, f"{store.path}: has {done} scores of {total} documents")
    facts = Facts(lengths, hashes, codes, list(names))
    return (scores, ranks if (ranks >= 0).any() else None), facts, list(bad.values())


def _rejected(store: Store, manifest: dict[str, Any]) -> Iterator[Rejected]:
    import pyarrow.compute as pc

    for each in manifest["tables"]:
        table = read_table(store, each["path"], ["file", "place", "reason", "raw"])
        for item in table.filter(pc.is_valid(table["reason"])).to_pylist():
            yield Rejected(item["file"], item["place"], item["reason"], item["raw"])
