"""Scoring a pool on a Ray cluster: its parts as tasks, put together by whoever asked.

A task is what `zipfit score --part i/n` is, so a worker that is lost is tried again and goes on with what its part's
folder holds, and the scores are those of one machine, bit for bit. Pool, target and folder must lie where the driver
and all workers reach them by the same names.
"""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need, needing, one_line
from zipfit.methods.registry import as_method
from zipfit.selection.merge import merge_scores
from zipfit.selection.parts import check_can_be_parted
from zipfit.selection.reading_options import bad_files_share
from zipfit.selection.scoring import score_pool
from zipfit.system.progress import TerminalProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from zipfit.corpus.inputs import Documents
    from zipfit.methods.base import Method
    from zipfit.selection.reading_options import ReadingOptions

_RETRIES = 5
"""Times that a part is tried again whose worker was lost."""

_PARTS_PER_CORE = 4
"""So that no core waits long for the last part, and a lost worker loses little."""


def score_on_ray(
    source: Documents,
    target: Documents,
    folder: str | os.PathLike[str],
    *,
    address: str | None = None,
    parts: int | None = None,
    method: str | Method = "zipfit",
    options: Mapping[str, Any] | None = None,
    **reading: Unpack[ReadingOptions],
) -> dict[str, Any]:
    """Score every document of a pool into a folder, as `score_pool` does, on a cluster.

    Args:
        source: as of `score_pool`, like all that is not named here.
        target: likewise.
        folder: where the scores go; parts that lie there of the same job are kept.
        address: of the cluster, as `ray.init` takes it; None for the one that is running, or else this machine.
        parts: how many tasks; None for four a core of the cluster.
        method: one that scores documents one by one.
        options: likewise.
        reading: likewise; each task computes with one thread.

    Returns:
        The manifest of the scores.

    Raises:
        MissingExtraError: the package ray is not installed.
        ZipfitError: as `score_pool`; there is no cluster at the address; a worker has no zipfit, or another version,
            does not see the driver's folder, or was lost too often.
    """
    need(parts is None or parts >= 1, f"parts must be at least 1, not {parts}")
    built = as_method(method, options)
    check_can_be_parted(built, 2)
    with needing("scoring on a cluster", "ray"):
        import ray
    started = not ray.is_initialized()
    if started:
        _need_answer(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error", ignore_reinit_error=True)
        except Exception as error:  # Ray raises many kinds
            raise ZipfitError(f"ray: no cluster answers at {address or 'this machine'} ({one_line(error)})") from error
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        count = parts or max(1, cores * _PARTS_PER_CORE)
        job = {"source": source, "target": target, "folder": os.fspath(folder), "method": built, **reading}
        job |= {"threads": 1, "progress": False}
        _run(ray, job, count, 2 * cores, watched=reading.get("progress", False))
    finally:
        if started:
            ray.shutdown()
    return merge_scores(folder, max_bad_files=bad_files_share(reading), overwrite=True)


def _need_answer(address: str | None) -> None:
    """Check that somebody listens at HOST:PORT or ray://HOST:PORT, which Ray itself tries for minutes."""
    place = (address or "").removeprefix("ray://")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():  # `auto`, or none
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ZipfitError(f"ray: no cluster answers at {address} ({one_line(error)})") from error


def _run(ray: Any, job: dict[str, Any], parts: int, at_once: int, *, watched: bool) -> None:
    """Have all parts scored, so many tasks at once."""
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_score_part)
    shared = ray.put(job)
    where = os.getcwd()
    told = TerminalProgress().begin(parts, 0) if watched else nullcontext()
    with told as advance:
        waiting = list(range(parts, 0, -1))
        flying: list[Any] = []
        while waiting or flying:
            while waiting and len(flying) < at_once:
                flying.append(task.remote(shared, waiting.pop(), parts, where, version("zipfit")))
            done, flying = ray.wait(flying, num_returns=1)
            try:
                records = ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                for other in flying:
                    ray.cancel(other)
                if isinstance(error.cause, ZipfitError):
                    raise ZipfitError(str(error.cause)) from error
                if isinstance(error.cause, ImportError):
                    raise ZipfitError(f"ray: a worker cannot load zipfit ({one_line(error.cause)})") from error
                raise
            except ray.exceptions.RayError as error:
                raise ZipfitError(f"ray: a part was not scored ({one_line(error)})") from error
            if advance is not None:
                advance.raw(1)
                advance.documents(records)


def _score_part(job: dict[str, Any], part: int, parts: int, where: str, wanted: str) -> int:
    """Score one part, from 1, on a worker; return its number of records."""
    have = version("zipfit")
    need(have == wanted, f"ray: a worker has zipfit {have}, and the driver {wanted}")
    try:
        os.chdir(where)
    except OSError as error:
        raise ZipfitError(f"ray: a worker does not see the folder {where} ({error.strerror})") from error
    arguments = dict(job)
    done = score_pool(
        arguments.pop("source"),
        arguments.pop("target"),
        arguments.pop("folder"),
        part=(part, parts),
        if_exists="resume",
        **arguments,
    )
    return int(done["kept"] + done["scored"])
