"""The arms of a study: each way to get training documents that its `methods` name, sweeps spelled out."""

from __future__ import annotations

import itertools
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from zipfit.compression.compressors import get_compressor
from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.methods.base import Seeded, is_scorer
from zipfit.methods.registry import METHODS, build_method, method_options
from zipfit.methods.within import Within
from zipfit.selection.cut import Rules
from zipfit.study.problems import Problems
from zipfit.study.schema import RULES, Arm
from zipfit.study.yaml_file import Node, Readers

if TYPE_CHECKING:
    from collections.abc import Callable

    from zipfit.methods.base import Method


def arm_method(arm: Arm, seed: int | None = None) -> Method:
    """The method of an arm that has one, before it is fitted; with a seed, that is the one of all that draw."""
    assert arm.method is not None
    if arm.within is not None:
        return Within(arm.method, arm.within, arm.options, seed)
    method = build_method(arm.method, arm.options)
    if seed is None or not isinstance(method, Seeded):
        return method
    return build_method(arm.method, {**arm.options, "seed": seed})


def draws(method: Method) -> bool:
    """Whether a method, or one that shortlists for it, draws at random."""
    return any(isinstance(each, Seeded) for each in (method.methods if isinstance(method, Within) else [method]))


def _shortlists(node: Node) -> tuple[str, ...]:
    """One shortlist, or a list of them, of methods that can be built."""
    items = node.items() if isinstance(node.value, list) else [node]
    for item in items:
        try:
            Within("random", item.text())
        except ZipfitError as error:
            item.fail(str(error))
    return tuple(item.text() for item in items)


def _or_null(read: Callable[[Node], Any]) -> Callable[[Node], Any]:
    return lambda node: None if node.value is None else read(node)


_WAYS = ("method", "train_on", "label", "lengths_of")
_OF_METHODS = ("min_score", "target_size", "within", *RULES)
_KEYS = (*_WAYS, "options", "sweep", *_OF_METHODS, "budgets")
_SWEPT = ("label", *_OF_METHODS)
_READERS: Readers = {
    "train_on": partial(Node.choice, allowed=("target", "source")),
    "label": Node.text,
    "lengths_of": Node.text,
    "min_score": _or_null(Node.number),
    "target_size": _or_null(partial(Node.whole, least=1)),
    "within": _or_null(_shortlists),
    "dedup": _or_null(partial(Node.choice, allowed=("exact", "near"))),
    "dedup_threshold": _or_null(Node.number),
    "max_share": _or_null(Node.number),
    "min_bytes": _or_null(partial(Node.whole, least=0)),
    "max_bytes": _or_null(partial(Node.whole, least=0)),
}

# A rule that `Rules` may not take, and the others that it then looks at.
_CHECKED = {
    "dedup_threshold": ("dedup", "dedup_threshold"),
    "max_share": ("max_share",),
    "max_bytes": ("min_bytes", "max_bytes"),
}


def read_arms(node: Node, block_size: int) -> tuple[Arm, ...]:
    """The arms of a study's `methods`, in their order.

    Args:
        node: the mapping of families.
        block_size: training tokens of a block, below which a budget makes no sense.

    Raises:
        ZipfitError: a family is not valid; the message names file and key.
    """
    families = node.entries()
    if not families:
        node.fail("must name at least one method, as in {zipfit: {}, random: {}}")
    problems = Problems()
    found = [problems.take(_family, name, family, block_size) for name, family in families.items()]
    problems.tell()
    arms: list[Arm] = [arm for family in found for arm in family]
    by_name = {arm.name: arm for arm in arms}
    for arm in arms:
        family = families[arm.family]
        if by_name[arm.name] is not arm:
            family.fail(f"its arm {arm.name!r} has the name of another: rename one")
        if arm.lengths_of is not None:
            other, named = by_name.get(arm.lengths_of), family.entries()["lengths_of"]
            if other is None:
                names = ", ".join(name for name in by_name if name != arm.name)
                named.fail(f"there is no arm {arm.lengths_of!r}: there are {names}")
            if other.lengths_of is not None:
                named.fail(f"{arm.lengths_of!r} has its lengths from another arm: name that one")
    return tuple(arms)


def read_budgets(node: Node, block_size: int) -> tuple[int | None, ...]:
    """A list of training tokens, each of at least one block; None for no budget.

    Raises:
        ZipfitError: it is none; the message names file and key.
    """
    problems = Problems()
    budgets = tuple(None if item.value is None else problems.take(item.whole, 1) for item in node.items())
    for budget in budgets:
        if budget is not None and budget < block_size:
            problems.take(node.fail, f"{budget} tokens are less than one block of training.block_size {block_size}")
    problems.tell()
    return budgets


def _family(name: str, node: Node, block_size: int) -> list[Arm]:
    """The arms of one family: one, or one for each combination of the sweep's values."""
    found = node.fields(_KEYS)
    sweep = {key: item.items() for key, item in found["sweep"].entries().items()} if "sweep" in found else {}
    if "sweep" in found and not sweep:
        found["sweep"].fail("must name what to sweep, as in {level: [1, 6, 9]}")
    options = found["options"].entries() if "options" in found else {}
    for key, items in sweep.items():
        if key in found or key in options:
            items[0].fail(f"{key} is both swept and set: take one away")
    budgets = read_budgets(found["budgets"], block_size) if "budgets" in found else None
    return [
        _arm(name, node, found, options, dict(zip(sweep, values, strict=True)), budgets)
        for values in itertools.product(*sweep.values())
    ]


def _arm(
    family: str,
    node: Node,
    found: dict[str, Node],
    options: dict[str, Node],
    swept: dict[str, Node],
    budgets: tuple[int | None, ...] | None,
) -> Arm:
    given = {**found, **{key: item for key, item in swept.items() if key in _SWEPT}}
    options = {**options, **{key: item for key, item in swept.items() if key not in _SWEPT}}
    ways = [key for key in _WAYS if key in given]
    if len(ways) > 1:
        node.fail(f"{' and '.join(ways)} exclude each other: an arm gets its documents in one way")
    method = None
    if not ways or ways == ["method"]:
        method = given["method"].text() if ways else family
        if not ways and method not in METHODS:
            node.fail(
                f"is not the name of a method ({', '.join(METHODS)}): say what it is by one of {', '.join(_WAYS)}"
            )
    values = _options(node, method, options)
    read = dict.fromkeys(_READERS) | {key: _READERS[key](given[key]) for key in _READERS if key in given}
    _check_rules(given, read)
    arm = Arm(
        name=" ".join([family, *(f"{key}={_shown(key, item.value)}" for key, item in swept.items())]),
        family=family,
        swept={key: values.get(key, item.value) for key, item in swept.items()},
        method=method,
        options=values,
        budgets=budgets,
        **read,
    )
    for key in _OF_METHODS:
        if key in given and method is None:
            given[key].fail(f"belongs to a method, and {family} is {ways[0]}")
    if arm.min_score is not None and not is_scorer(build_method(str(method), values)):
        given["min_score"].fail(f"method {method!r} ranks the pool as a set and gives no scores to cut at")
    return arm


def _options(node: Node, method: str | None, options: dict[str, Node]) -> dict[str, Any]:
    """The options as the method takes them, after building it once."""
    for key, item in options.items():
        if method is None:
            item.fail(f"{key} is an option of a method, and there is none here")
        if key == "seed" and isinstance(build_method(method, {}), Seeded):
            item.fail("the study's seeds are the method's too: take it away")
        if isinstance(item.value, (list, dict)):
            item.fail("must be a single value: text, a number, true, false or null")
        if not isinstance(item.value, (str, int, float, type(None))):
            item.fail("must be text: write it in quotes")
    if method is None:
        return {}
    try:
        built = build_method(method, {key: item.value for key, item in options.items()})
    except ZipfitError as error:
        next(iter(options.values()), node).fail(str(error))
    known = method_options(built) or {}
    if {"compressor", "level"} <= known.keys():
        try:
            get_compressor(known["compressor"], known["level"])
        except MissingExtraError:
            pass  # the study is valid all the same; its arm fails, and says so, where the library is missing
        except ZipfitError as error:
            next(iter(options.values()), node).fail(str(error))
    return {key: known.get(key, item.value) for key, item in options.items()}


def _check_rules(given: dict[str, Node], values: dict[str, Any]) -> None:
    """Fail where the rules of choice are none that `zipfit.select` takes."""
    if values["dedup_threshold"] is not None and values["dedup"] != "near":
        given["dedup_threshold"].fail("belongs to dedup: near")
    for key, names in _CHECKED.items():
        if values[key] is None:
            continue
        try:
            Rules(**{name: values[name] for name in names if values[name] is not None})
        except MissingExtraError:
            pass  # as above
        except ZipfitError as error:
            given[key].fail(str(error))


def _shown(key: str, value: Any) -> str:
    """A swept value in an arm's name."""
    if value is None and key in _OF_METHODS:
        return "all" if key == "target_size" else "none"
    return value if isinstance(value, str) else json.dumps(value)
