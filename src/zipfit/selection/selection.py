"""A selection: the documents chosen, and everything that one can do with them."""

from __future__ import annotations

import os
import reprlib
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from zipfit.corpus.outputs import Outputs, check_order
from zipfit.corpus.records import all_types, dump_record, without_nan
from zipfit.corpus.shards import Sharding
from zipfit.corpus.write import RANK_FIELD, SCORE_FIELD, as_table, write_records, write_shards
from zipfit.errors import ZipfitError, need, needing, needing_package, one_line
from zipfit.methods.base import HasNotes
from zipfit.methods.registry import METHODS, class_path, method_options
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.cut import Budget, Terms
from zipfit.selection.findings import Observer
from zipfit.selection.manifest import build_manifest, dump_manifest
from zipfit.system.plain_types import check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Literal

    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from zipfit.corpus.outputs import Writing
    from zipfit.corpus.records import Records
    from zipfit.selection.explain import Explanation
    from zipfit.selection.ranking import Ranking
    from zipfit.selection.rivals import Against, Rival
    from zipfit.selection.sources import CorpusPool
    from zipfit.selection.test_set import TestSet


_LABELS = 15
_SHOWN = 10
_CHARACTERS = 200
_BINS = 30


class Selection:
    """The documents chosen from a pool, best first.

    Attributes:
        indices: their positions among all records of the source, shape (k,); bad ones passed over count too.
        scores: their scores, shape (k,).
        pool_scores: the scores of all N documents in source order, shape (N,); None for a method that ranks the pool
            without scoring each document.
        ranking: what the selection was cut from.
        terms: how it was cut.
        cut: what came of it.
        check: a test set to look for when it is saved; None for none.
        notes: what the method noted until then.
        rivals: what other methods choose by the same budget and rules, where `select` was told to ask them.

    Raises:
        ZipfitError: the pool gives less than the budget asks for.
    """

    def __init__(self, ranking: Ranking, terms: Terms, check: TestSet | None = None) -> None:
        self.ranking = ranking
        self.terms = terms
        self.check = check
        self.cut = ranking.cut(terms)
        self.notes = deepcopy(ranking.method.notes) if isinstance(ranking.method, HasNotes) else {}
        self.rivals: list[Rival] = []
        self.cut.check_enough(terms.budget, len(ranking.sources.pool.facts.lengths))

    def __len__(self) -> int:
        return len(self.cut.indices)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._at(range(len(self))))

    @overload
    def __getitem__(self, ranks: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, ranks: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, ranks: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """The chosen record of a rank, from 0, or those of a slice of ranks, with score and rank added."""
        try:
            chosen = range(len(self))[ranks]
        except TypeError:
            raise TypeError(f"a selection is indexed by ranks from 0, or a slice, not {reprlib.repr(ranks)}") from None
        except IndexError:
            raise IndexError(f"there is no document {ranks}: the selection has {len(self)}, from 0") from None
        found = self._at([chosen] if isinstance(chosen, int) else chosen)
        return found[0] if isinstance(chosen, int) else found

    def __repr__(self) -> str:
        return f"<Selection of {len(self)} out of {len(self.ranking.sources.pool.facts.lengths)} documents>"

    @property
    def indices(self) -> NDArray[np.int64]:
        return self._pool.corpus.source_positions(self.cut.indices)

    @property
    def scores(self) -> NDArray[np.float64]:
        return self.cut.scores

    @property
    def pool_scores(self) -> NDArray[np.float64] | None:
        return self.ranking.pool_scores

    @property
    def records(self) -> list[dict[str, Any]]:
        """The chosen records as they are in the source, in rank order; read again at every access."""
        return self._read(np.arange(len(self)))

    def _read(self, ranks: NDArray[np.int64]) -> list[dict[str, Any]]:
        indices = self.cut.indices[ranks]
        order = np.argsort(indices, kind="stable")
        records: list[dict[str, Any]] = [{}] * len(ranks)
        for place, record in zip(order.tolist(), self._pool.corpus.dicts(indices[order]), strict=True):
            records[place] = record
        return records

    def _at(self, ranks: Sequence[int]) -> list[dict[str, Any]]:
        records = self._read(np.array(ranks, dtype=np.int64))
        added = [{SCORE_FIELD: float(self.scores[rank]), RANK_FIELD: rank + 1} for rank in ranks]
        return [record | fields for record, fields in zip(records, added, strict=True)]

    @property
    def texts(self) -> list[str]:
        """The chosen documents' texts in rank order; read again at every access."""
        return list(self._pool.texts(self.cut.indices))

    @property
    def manifest(self) -> dict[str, Any]:
        """How the selection was made, as `save` writes it (the output, and what is found on writing it, aside)."""
        return self._manifest()

    def _manifest(self, output: dict[str, Any] | None = None) -> dict[str, Any]:
        return build_manifest(self.ranking, self.terms, self.cut, self.notes, output, self.check)

    def explain(self, rank: int | None = None, *, position: int | None = None) -> Explanation:
        """Why a document scores as it does: its nearest target examples, and what they share.

        Args:
            rank: the document's in the selection, from 1; the best one's if neither is given.
            position: instead, the document's in the source, from 0, chosen or not.

        Raises:
            ZipfitError: there is no such document.
        """
        check_arguments(Selection.explain, locals())
        need(rank is None or position is None, "give either a rank or a position")
        from zipfit.selection.explain import explain_text, index_of

        sources, method = self.ranking.sources, self.ranking.method
        if position is None:
            rank = 1 if rank is None else rank
            need(1 <= rank <= len(self), f"there is no document of rank {rank}: the selection has {len(self)}")
            index = int(self.cut.indices[rank - 1])
        else:
            index = index_of(self._pool.corpus, len(self._pool.facts.lengths), position)
            rank = next((int(place) + 1 for place in np.flatnonzero(self.cut.indices == index)), None)
        fields: dict[str, Any] = {}
        if rank is not None:
            fields = {SCORE_FIELD: float(self.scores[rank - 1]), RANK_FIELD: rank}
        elif self.pool_scores is not None:
            fields = {SCORE_FIELD: float(self.pool_scores[index])}
        own = method_options(method) if class_path(method) == METHODS["zipfit"] else None
        text = self._pool.texts([index])[0]
        return explain_text(text, list(sources.texts), ZipFit(**(own or {})), fields)

    def summary(self) -> str:
        """What `zipfit select` says of a selection, as text."""
        facts = self._pool.facts
        labels = Counter(facts.label(index) for index in self.cut.indices.tolist())
        scores = f"scores from {self.scores[0]:.4g} to {self.scores[-1]:.4g} at the cut"
        counts = (f"{count:>7,}  {label}" for label, count in labels.most_common(_LABELS))
        return "\n".join([f"{len(self):,} of {len(facts.lengths):,} documents, {scores}", *counts])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a histogram of the scores, of the pool (where the method scores it) and of the selection, with the cut.

        Args:
            ax: where to draw; None for a figure of its own.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        if ax is None:
            with needing("plot", "plots"):
                import matplotlib.pyplot as plt
            ax = plt.subplots(figsize=(6, 3), layout="constrained")[1]
        chosen = self.scores[np.isfinite(self.scores)]
        pool = chosen if self.pool_scores is None else self.pool_scores[np.isfinite(self.pool_scores)]
        edges = np.histogram_bin_edges(pool, bins=_BINS).tolist()
        if self.pool_scores is not None:
            ax.hist(pool, bins=edges, color="silver", label="pool")
        ax.hist(chosen, bins=edges, color="tab:blue", label="selected")
        if np.isfinite(self.scores[-1]):
            ax.axvline(self.scores[-1], color="black", linewidth=1, label="cut")
        ax.set(xlabel="score", ylabel="documents")
        ax.legend()
        return ax

    def _repr_html_(self) -> str:
        """The best documents as a table, for notebooks."""
        from html import escape

        shown = range(min(len(self), _SHOWN))
        texts = self._pool.texts(self.cut.indices[list(shown)]) if shown else []
        rows = "".join(
            f"<tr><td>{rank + 1}</td><td>{self.scores[rank]:.4g}</td><td>{escape(text[:_CHARACTERS])}</td></tr>"
            for rank, text in zip(shown, texts, strict=True)
        )
        rest = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        head = "<tr><th>rank</th><th>score</th><th>text</th></tr>"
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{head}{rows}</table>{rest}"

    def at(
        self,
        *,
        top: int | None = None,
        fraction: float | None = None,
        tokens: int | None = None,
        min_score: float | None = None,
        allow_fewer: bool = False,
    ) -> Selection:
        """Cut the same ranking at another budget, without scoring again; racing races again, to find what it needs.

        Raises:
            ZipfitError: as `select` for the same budget.

        Example:
            >>> from zipfit import select
            >>> selection = select(["def sub(a, b)", "to be or not to be", "def mul(a, b)"], ["def add(a, b)"], top=2)
            >>> selection.at(top=1).texts
            ['def sub(a, b)']
        """
        check_arguments(Selection.at, locals())
        budget = Budget(top, fraction, tokens, min_score, allow_fewer=allow_fewer)
        return Selection(self.ranking, replace(self.terms, budget=budget), self.check)

    @property
    def _pool(self) -> CorpusPool:
        return self.ranking.sources.pool

    def to_pandas(self) -> pd.DataFrame:
        """The chosen records with `zipfit_score` and `zipfit_rank`, one row each, best first.

        Where a column of pandas cannot hold the values (lone surrogates, say), all are columns of Python objects.

        Raises:
            ZipfitError: pandas is not installed.
        """
        with needing_package("to_pandas", "pandas"):
            import pandas as pd
        records = list(self)
        try:
            return pd.DataFrame(records)
        except (TypeError, ValueError, OverflowError):
            names = list(dict.fromkeys(name for record in records for name in record))
            rows = [[record.get(name) for name in names] for record in records]
            return pd.DataFrame(rows, columns=pd.Index(names, dtype=object), dtype=object)

    def to_polars(self) -> Any:
        """The same as a polars frame (needs polars).

        Raises:
            ZipfitError: polars is not installed; as `to_arrow`; or polars has no type for a column.
        """
        with needing_package("to_polars", "polars"):
            import polars as pl
        from pyarrow import types

        def frame(table: pa.Table) -> Any:
            for kind in (each for column in table.schema.types for each in all_types(column)):
                if types.is_union(kind) or types.is_decimal256(kind):
                    raise TypeError(f"polars has no type for {kind}")  # and would panic
            return pl.from_arrow(table)

        return self._made("polars frame", frame, (Exception, pl.exceptions.PanicException))

    def to_arrow(self) -> pa.Table:
        """The same as an Arrow table: the columns of tables as they are, others with the types that Arrow finds.

        Raises:
            ZipfitError: the values of a field make no column, or the inputs' columns do not go together.
        """
        by_source = np.argsort(self.cut.indices, kind="stable")
        added = [(float(score), rank) for rank, score in enumerate(self.scores, start=1)]
        return as_table(self._pool.corpus.records(self.cut.indices[by_source]), np.argsort(by_source).tolist(), added)

    def to_dataset(self) -> Any:
        """The same as a `datasets.Dataset` (needs the extra `hub`).

        Raises:
            MissingExtraError: `datasets` is not installed.
            ZipfitError: as `to_arrow`, or `datasets` has no type for a column.
        """
        with needing("to_dataset", "hub"):
            import datasets
        return self._made("data set", datasets.Dataset, (Exception,))

    def _made(self, what: str, make: Callable[[pa.Table], Any], errors: tuple[type[BaseException], ...]) -> Any:
        """What another library makes of the records: of their Arrow types or, if it lacks one, of Python's values."""
        from zipfit.corpus.columns import culprit, table_of

        def made(table: pa.Table) -> Any:
            table.validate(full=True)  # others take it on trust that strings are UTF-8
            return make(table)

        table = self.to_arrow()
        try:
            return made(table)
        except errors as error:  # of many kinds
            with suppress(*errors):
                return made(table_of(list(self)))
            name = culprit(table, made, errors)
            reason = f"the column {name!r}: {one_line(error)}"
            raise ZipfitError(f"the records make no {what} ({reason}): to_arrow takes them") from error

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        order: Literal["rank", "source"] = "rank",
        add_fields: bool = True,
        overwrite: bool = False,
        convert: str | None = None,
        shard_records: int | None = None,
        shard_bytes: int | str | None = None,
        shard_format: str | None = None,
    ) -> dict[str, Any]:
        """Write the chosen records, whole or converted, and beside them the manifest.

        The files appear under their names only when all are complete. Records passed over are written to
        `<path>.rejected.jsonl`, duplicates dropped to `<path>.duplicates.jsonl`, documents that overlap with a test set
        to `<path>.excluded.jsonl`. What else is found in the chosen documents (`selection.findings`, and overlaps with
        the test set to check) stands in the manifest.

        Args:
            path: its extension is the format; `-` writes JSON Lines to standard output, without a manifest.
            order: best first, or as in the source.
            add_fields: add `zipfit_score` and `zipfit_rank` to each record.
            overwrite: replace what is there, and remove what lies there of an earlier selection.
            convert: form to write the records in: `messages`, `prompt-completion` or `text`; see
                `zipfit.corpus.convert`. None for the one that `select` was given, or the records as they are.
            shard_records: write a folder of files that have so many records each at most; the path is the folder's.
            shard_bytes: likewise, of so many bytes before compression, also as `100MB`.
            shard_format: what the files of the folder are; see `zipfit.corpus.shards.FORMATS`.

        Returns:
            The manifest.

        Raises:
            ZipfitError: one of the files cannot be written, exists, or is one of the inputs; or a record cannot be
                converted, which `select` finds before it scores if it is told of it (`convert`, `convert_to_table`).
        """
        check_arguments(Selection.save, locals())
        path = os.fspath(path)
        check_order(order)
        form = self.ranking.sources.reading.convert if convert is None else convert
        sharding = Sharding.of(shard_records, shard_bytes, shard_format)
        outputs = Outputs.of_selection(path, overwrite, form, sharding)
        test_sets = [each for each in (self.terms.exclude, self.check) if each is not None]
        outputs.check([*self.ranking.sources.input_names, *(item.name for each in test_sets for item in each.inputs)])
        self._pool.check_unchanged(self.cut.indices)
        output = {"path": outputs.path, "order": order, "add_fields": add_fields}
        output |= {} if form is None else {"convert": form}
        output |= {} if sharding is None else {f"shard_{name}": value for name, value in vars(sharding).items()}
        observer = Observer(self.ranking.sources, self.ranking.method, len(self), self.check)
        with outputs.writing() as files:
            with self.ranking.stopwatch.stage("write"):
                output |= self._write(files, outputs, output, observer)
            if self.ranking.sources.rejected is not None:
                self.ranking.sources.rejected.save(files, outputs.rejected)
            self._write_duplicates(files, outputs.duplicates)
            self._write_excluded(files, outputs.excluded)
            manifest = self._manifest(output)
            if findings := observer.findings():
                manifest["findings"] = findings
            if self.check is not None:
                manifest["check"] |= observer.checked()
            if outputs.manifest is not None:
                with files.open(outputs.manifest) as written:
                    written.file.write(dump_manifest(manifest))
        return manifest

    def report(self, path: str | os.PathLike[str], *, against: Against = (), overwrite: bool = False) -> str:
        """Write a page about the selection, and return its path; see `zipfit.report_selection`."""
        import zipfit  # the door: what draws pages is above this room

        return zipfit.report_selection(self, path, against=against, overwrite=overwrite)

    def _write(self, files: Writing, outputs: Outputs, output: Mapping[str, Any], observer: Observer) -> dict[str, Any]:
        path, form = outputs.records, outputs.convert
        by_source = np.argsort(self.cut.indices, kind="stable")  # the ranks (from 0) in source order
        place = np.empty(len(self), dtype=np.int64)
        place[by_source] = np.arange(len(self))
        ranks = by_source if output["order"] == "source" else np.arange(len(self))
        added = [(float(self.scores[rank]), rank + 1) for rank in ranks.tolist()] if output["add_fields"] else None
        ranks_by_source = iter(by_source.tolist())

        def see(text: str) -> None:
            observer.see(next(ranks_by_source), text)

        corpus, chosen = self._pool.corpus, self.cut.indices[by_source]
        records: Iterator[Records] = (
            corpus.records(chosen, see)
            if form is None
            else corpus.converted(chosen, form, see, to_table=outputs.is_table)
        )
        rest = (records, place[ranks].tolist(), added, self.ranking.sources.reading.text_columns)
        about: dict[str, Any] = {"documents": len(self)}
        if outputs.sharding is None:
            with files.open(path) as written:
                nulled = write_records(written.file, path, *rest)
            about |= {"bytes": written.bytes, "sha256": written.sha256}
        else:
            with files.folder(outputs.path) as folder:
                counts, nulled = write_shards(folder.open, outputs.sharding, *rest)
            shards = [
                {"path": name, "documents": count, "bytes": each.bytes, "sha256": each.sha256}
                for (name, each), count in zip(folder.written.items(), counts, strict=True)
            ]
            about |= {"bytes": sum(each.bytes for each in folder.written.values()), "sha256": folder.sha256}
            about["shards"] = shards
        return about | {"numbers_made_null": nulled} if nulled else about

    def _write_duplicates(self, files: Writing, path: str | None) -> None:
        pairs = [(item.position, item.duplicate_of) for item in self.cut.dropped if item.duplicate_of is not None]
        if pairs and path is not None:
            rows = self._pool.corpus.source_positions(np.array(pairs, dtype=np.int64)).tolist()
            with files.open(path) as written:
                written.file.writelines(
                    dump_record({"position": position, "duplicate_of": kept}) + b"\n" for position, kept in rows
                )

    def _write_excluded(self, files: Writing, path: str | None) -> None:
        test_set = self.terms.exclude
        found = [(item.position, *item.overlap) for item in self.cut.dropped if item.overlap is not None]
        if not found or path is None or test_set is None:
            return
        positions = self._pool.corpus.source_positions(np.array([position for position, _, _ in found], dtype=np.int64))
        with files.open(path) as written:
            for position, (_, match, score) in zip(positions.tolist(), found, strict=True):
                line = dump_record({"position": position, **test_set.describe(match), SCORE_FIELD: score})
                written.file.write(without_nan(line)[0] + b"\n")
