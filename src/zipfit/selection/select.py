"""`zipfit.select`: from source and target to a selection."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zipfit.corpus.reading import Reading
from zipfit.methods.registry import as_method
from zipfit.methods.within import Within
from zipfit.selection.auto import AUTO, check_auto, choose_method
from zipfit.selection.cut import Budget, Rules, Terms
from zipfit.selection.parts import check_can_be_parted
from zipfit.selection.ranking import fit, rank
from zipfit.selection.rivals import methods_of, rivals_of
from zipfit.selection.scores import kept_ranking
from zipfit.selection.scoring import score
from zipfit.selection.selection import Selection
from zipfit.selection.sources import need_one_standard_input, open_sources
from zipfit.selection.test_set import open_test_sets
from zipfit.selection.tokens import token_counter
from zipfit.system.plain_types import check_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zipfit.corpus.inputs import Documents
    from zipfit.methods.base import Method
    from zipfit.selection.rivals import Against


def select(
    source: Documents,
    target: Documents,
    *,
    top: int | None = None,
    fraction: float | None = None,
    tokens: int | None = None,
    min_score: float | None = None,
    allow_fewer: bool = False,
    method: str | Method = "zipfit",
    options: Mapping[str, Any] | None = None,
    within: str | Sequence[str | Mapping[str, Any]] = (),
    tokenizer: str | os.PathLike[str] | None = None,
    text_field: str | None = None,
    template: str | None = None,
    target_field: str | None = None,
    target_template: str | None = None,
    by: str | None = None,
    target_by: str | None = None,
    min_bytes: int = 0,
    max_bytes: int | None = None,
    dedup: str | None = None,
    dedup_threshold: float = 0.8,
    max_share: float | None = None,
    exclude: Documents | None = None,
    check: Documents | None = None,
    overlap: str | None = None,
    against: Against = (),
    roles: str | None = None,
    role_labels: bool = True,
    convert: str | None = None,
    convert_to_table: bool = False,
    skip_bad: bool = False,
    skip_bad_files: bool = False,
    max_bad_files: float = 0.5,
    work: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Selection:
    """Choose the documents of `source` that best fit `target`.

    The same input gives the same selection, bit for bit, whatever the number of threads; equal scores rank by source
    order.

    Args:
        source: the pool: a path (a file, glob, folder, remote path or `hub:NAME@SPLIT`), `Files(...)` for several or
            with a format, or documents that Python holds: strings, dicts, a `datasets.Dataset`, a pandas or polars
            frame, an Arrow table, any iterable (read into memory).
        target: the task's examples, likewise; they are held in memory.
        top: budget: number of documents.
        fraction: budget: share of the pool's documents, in (0, 1].
        tokens: budget: number of tokens of `tokenizer`.
        min_score: budget: lowest score to take. At least one budget is given; the first that is reached ends the walk.
        allow_fewer: take what there is where the pool gives fewer documents than asked for.
        tokenizer: see `token_counter`; without a budget in tokens, tokens are counted for the summary alone.
        method: a name (see `zipfit.methods.registry.METHODS`), `module:Class`, or an object with a method's protocol.
            `auto` for the one that a preview finds best (`zipfit.selection.auto`), which the manifest names.
        options: arguments of the method's constructor, for a method given by name.
        within: the method ranks those documents alone that other methods shortlist: `METHOD:SHARE`, as in
            `zipfit:0.3`, or several; see `zipfit.methods.within.Within`. Nothing for the whole pool.
        text_field: field that holds a record's text; dots reach into nested records. See
            `zipfit.corpus.reading.Reading` for the default.
        template: text made of fields in braces, instead of a field.
        target_field: the same for the target.
        target_template: the same for the target.
        roles: the roles whose turns make the text of a chat or pair, of source and target, as `user,assistant`; None
            for all.
        role_labels: whether each turn of a chat begins with its role.
        convert: form that `save` writes the records in: `messages`, `prompt-completion` or `text`; a record of the
            source that cannot take it is a bad one. See `zipfit.corpus.convert`. None for records as they are.
        convert_to_table: whether `save` will write them to Parquet or Arrow, so that a record is a bad one too if it
            fits no columns then.
        by: field whose value labels a document in the summary and in `max_share`; by default its `source` field or, if
            it has none, the input's name.
        target_by: field that tells several targets apart, for a method that weighs them (`dsir`).
        min_bytes: shortest text to take, in bytes of UTF-8.
        max_bytes: longest text to take.
        dedup: `exact` to take one of the documents that are the same text, `near` to take one of those that nearly are
            (see `zipfit.selection.dedup`; needs the extra `near`): the best ranked. None to keep duplicates.
        dedup_threshold: for `near`, the least Jaccard similarity.
        max_share: largest share of the budget, in (0, 1], that documents of one label may take.
        exclude: test sets, read like the target; documents that overlap with one of their examples are passed over.
        check: test sets likewise, but their overlaps are only counted, by `Selection.save`.
        overlap: the rule of `exclude` and `check`: `exact`, `N-gram` or `N-gram=SHARE`, by default `8-gram=0.5`; see
            `zipfit.corpus.overlap`.
        against: other methods that choose as well, by the same budget and rules, for the page of `Selection.report`:
            `METHOD`, `METHOD,NAME=VALUE` or `METHOD within METHOD:SHARE`, one or several, or objects by the names to
            show. Each reads the pool and scores it; all are fitted before the first does, so that what is wrong with
            one is known by then.
        skip_bad: pass over records that give no text, or cannot be converted, instead of stopping at the first; they
            are counted and kept.
        skip_bad_files: pass over files that cannot be read to their end, likewise; each is read once more to find out.
        max_bad_files: the largest share of the source's files, and of the target's, that may be passed over.
        work: a folder to keep the scores in as they are made, so that a job that was killed goes on with what it finds
            there; for methods that score documents one by one. Whoever gives it removes it. None to keep nothing.
        threads: how many to compute with; None for one a core.
        progress: show a progress bar on standard error.

    Raises:
        ZipfitError: one sentence that says what is wrong with the input or the arguments.

    Example:
        >>> pool = ["def sub(a, b): return a - b", "To be or not to be", "def mul(a, b): return a * b"]
        >>> selection = select(pool, ["def add(a, b): return a + b"], top=2)
        >>> selection.indices.tolist()
        [0, 2]
    """
    check_arguments(select, locals())
    terms = Terms(
        Budget(top, fraction, tokens, min_score, allow_fewer=allow_fewer),
        Rules(min_bytes, max_bytes, dedup, dedup_threshold, max_share),
        None if tokenizer is None else token_counter(os.fspath(tokenizer)),
    )
    if method == AUTO:
        check_auto(options, within, work, target_by)
    else:
        method = as_method(method, options)
    if within:
        method = Within(method, within)
    if work is not None and not isinstance(method, str):
        check_can_be_parted(method, 1)
    others = methods_of(against)
    need_one_standard_input(source, target, exclude, check)
    bad_files = max_bad_files if skip_bad_files else None
    target_reading = Reading(target_field, target_template, target_by, skip_bad, roles, role_labels)
    sources = open_sources(
        source,
        target,
        Reading(text_field, template, by, skip_bad, roles, role_labels, convert, convert_to_table),
        target_reading,
        threads=threads,
        progress=progress,
        max_bad_files=bad_files,
        find_bad_files=work is None,
    )
    excluded, checked = open_test_sets(exclude, check, target_reading, overlap, sources.rejected)
    for other in others.values():
        fit(other, sources, sources.pool)
    choice = None
    if isinstance(method, str):
        choice = choose_method(sources, terms)
        method = choice.method
    if work is None:
        ranking = rank(sources, method)
    else:
        folder = os.fspath(work)
        manifest = score(sources, method, folder, resume=True, max_bad_files=bad_files)
        ranking = kept_ranking(folder, manifest, sources)
    selection = Selection(ranking, replace(terms, exclude=excluded), checked)
    if choice is not None:
        selection.notes["auto"] = choice.describe()
    selection.rivals = rivals_of(selection, others, fitted=True)
    return selection
