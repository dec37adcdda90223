"""The methods by name, and how a name with options becomes a method."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import re
import reprlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need
from zipfit.methods.base import HasGiven, Scorer, Selector, Shortlister, calling
from zipfit.methods.estimator import Estimator
from zipfit.system.plain_types import PLAIN, check_arguments, is_one_of, kinds_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import ModuleType

    from zipfit.methods.base import Method

METHODS = {
    "zipfit": "zipfit.methods.zipfit:ZipFit",
    "racing": "zipfit.methods.racing:Racing",
    "random": "zipfit.methods.uniform:Random",
    "dsir": "zipfit.methods.dsir:Dsir",
    "d4": "zipfit.methods.d4:D4",
    "embedding": "zipfit.methods.embedding:Embedding",
    "cover": "zipfit.methods.cover:Cover",
    "bm25": "zipfit.methods.bm25:Bm25",
    "gain": "zipfit.methods.gain:Gain",
    "lossdrop": "zipfit.methods.lossdrop:LossDrop",
    "less": "zipfit.methods.less:Less",
    "distilled": "zipfit.methods.distilled:Distilled",
    "mmr": "zipfit.methods.mmr:Mmr",
    "turns": "zipfit.methods.turns:Turns",
}

AND = " and "
"""Between methods that take turns, in a text."""


def build_method(name: str, options: Mapping[str, Any]) -> Method:
    """Return a new method.

    Args:
        name: one of `METHODS`, or `module:Class` for a user's own.
        options: arguments of its constructor; text is converted to the type that the constructor's annotation names,
            and anything else must be of that type where it is a plain one.

    Raises:
        ZipfitError: the name is unknown, an option is unknown or of the wrong type, or the class is no method.
    """
    _check_name(name)
    need(isinstance(options, Mapping), f"options must be names with their values, not {reprlib.repr(options)}")
    method_class = _method_class(name)
    need(isinstance(method_class, type), f"method {name!r}: is no class")
    _check_protocol(method_class, method_class.__name__)
    given = _converted(name, method_class, options)
    with calling(method_class, "__init__"):
        try:
            return method_class(**given)  # type: ignore[no-any-return]
        except TypeError as error:
            raise ZipfitError(f"method {name!r}: {error}") from error


def _check_name(name: str) -> None:
    """Check that a name is that of a method and no more; what it should have been is easily said."""
    named, given = name_and_options(name)
    if given:
        params = " ".join(f"--param {option}={value}" for option, value in given.items())
        raise ZipfitError(f"method {name!r}: its options go apart: {named} with {params} (in Python: options={given})")
    module, colon, class_name = name.partition(":")
    if colon and module.endswith(".py"):
        written = module.removesuffix(".py").replace("/", ".")
        raise ZipfitError(f"method {name!r}: is a module and no file: write {written}:{class_name}")


def as_method(method: str | Method, options: Mapping[str, Any] | None) -> Method:
    """A method by its name and options, or the one that was given.

    Raises:
        ZipfitError: as `build_method` and `check_method`; or there are options for a method that is built already.
    """
    if isinstance(method, str):
        return build_method(method, options or {})
    check_method(method)
    need(not options, "options are for a method given by name; this one is built already")
    return method


def check_method(method: object) -> None:
    """Check that an object has a method's protocol and, of a method of zipfit's own, options of the right types.

    Raises:
        ZipfitError: it has not, or is a class.
    """
    if isinstance(method, type):
        raise ZipfitError(f"{method.__name__} is a class, and a method is an object: write {method.__name__}()")
    _check_protocol(method, type(method).__name__)
    if isinstance(method, Estimator):
        check_arguments(type(method).__init__, method.get_params())


def _check_protocol(method: object, name: str) -> None:
    need(
        isinstance(method, (Scorer, Selector, Shortlister)),
        f"{name} is no method: it needs fit(target, pool) and score(texts), rank(pool) or shortlist(pool, reach)",
    )


def need_consent(name: str, allow_code: Collection[str], options: Mapping[str, Any] | None = None) -> None:
    """Check that a method which a file names, and perhaps a stranger wrote, may be imported.

    Args:
        name: as `build_method` takes it.
        allow_code: modules that the user has agreed to run.
        options: the method's, which may name other methods.

    Raises:
        ZipfitError: it, or one that its options name, is neither one of zipfit's own nor agreed to.
    """
    for each in _named(name, options or {}):
        module = METHODS.get(each, each).partition(":")[0]
        if ":" in each and module and not module.startswith("zipfit.methods.") and module not in allow_code:
            raise ZipfitError(
                f"method {each!r} would run the code of the module {module}: if you trust it, agree with "
                f"--allow-code {module} (in Python: allow_code=[{module!r}])"
            )


def _named(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    """A method's name, and those of all methods that its options name."""
    yield name
    within = options.get("within", ())
    shortlists = within if isinstance(within, (list, tuple)) else [within]
    for each in [options, *map(shortlist_of, shortlists)]:
        if isinstance(each, dict) and isinstance(each.get("method"), str):
            nested = each.get("options")
            yield from _named(each["method"], nested if isinstance(nested, dict) else {})
    teacher, methods = options.get("teacher"), options.get("methods")
    for text in [teacher, *(methods.split(AND) if isinstance(methods, str) else ())]:
        if isinstance(text, str):
            named, nested, inner = parts_of(text)
            yield from _named(named, {**nested, "within": inner})


def shortlist_of(given: Any) -> Any:
    """Read `METHOD:SHARE` or `METHOD,NAME=VALUE,...:SHARE` as a mapping of `method`, `options` and `share`.

    Anything but a text is returned as it is.

    Raises:
        ZipfitError: the text is not of that form.
    """
    if not isinstance(given, str):
        return given
    named, colon, share = given.rpartition(":")
    try:
        number = float(share)
    except ValueError:
        colon = ""
    name, options = name_and_options(named)
    if not colon or not name:
        raise ZipfitError(f"within {given!r}: write METHOD:SHARE, as in zipfit:0.3")
    return {"method": name, "options": options, "share": number}


def parts_of(text: str) -> tuple[str, dict[str, str], list[str]]:
    """A method's name, its options and its shortlists, of a text as `within.method_of` takes it; nothing is built."""
    if AND in text and not text.startswith("turns,"):
        return "turns", {"methods": text}, []
    named, *within = text.split(" within ")
    return *name_and_options(named), within


def name_and_options(text: str) -> tuple[str, dict[str, str]]:
    """Read `METHOD` or `METHOD,NAME=VALUE,...`; a value may hold commas."""
    name, *options = re.split(r",(?=[A-Za-z_]\w*=)", text.strip())
    return name, dict((option.split("=", 1)) for option in options)


@dataclasses.dataclass(frozen=True)
class Named:
    """A method that did its work in an earlier job: what a manifest says of it, and nothing that runs.

    Attributes:
        path: see `class_path`.
        options: see `method_options`.
        engine: what computed its numbers; None if it did not say.
        notes: what it noted.
    """

    path: str
    options: dict[str, Any] | None
    engine: str | None
    notes: dict[str, object]


def method_options(method: object) -> dict[str, Any] | None:
    """The options that would build the method again, or None if they cannot be told (it is no dataclass)."""
    if isinstance(method, Named):
        return method.options
    if isinstance(method, HasGiven):
        return method.given
    if not dataclasses.is_dataclass(method):
        return None
    return {
        field.name: getattr(method, field.name)
        for field in dataclasses.fields(method)
        if field.init and not ("added" in field.metadata and getattr(method, field.name) == field.default)
    }


def class_path(method: object) -> str:
    """The `module:Class` that `build_method` would find the method's class by."""
    if isinstance(method, Named):
        return method.path
    return f"{type(method).__module__}:{type(method).__qualname__}"


def short_name(method: object) -> str:
    """What a sentence calls a method: its class, in lower case."""
    return class_path(method).rpartition(":")[2].lower()


def _method_class(name: str) -> Any:
    path = METHODS.get(name, name)
    if ":" not in path:
        raise ZipfitError(
            f"unknown method {name!r}: choose from {', '.join(METHODS)}, or give your own as module:Class"
        )
    module_name, class_name = path.split(":", 1)
    try:
        return getattr(_module(module_name), class_name)
    except (ImportError, TypeError, ValueError) as error:  # a relative or an empty name is no ImportError
        raise ZipfitError(f"method {name!r}: {error}") from error
    except AttributeError as error:
        raise ZipfitError(f"method {name!r}: module {module_name} has no {class_name}") from error


def _module(name: str) -> ModuleType:
    """A module, also of the current folder, as `python -m` finds it; but what is installed goes first."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top, here = name.split(".")[0], os.getcwd()
        if error.name != top or here in sys.path or not (os.path.exists(f"{top}.py") or os.path.isdir(top)):
            raise
        sys.path.append(here)  # and stays there, for what the module imports later
        importlib.invalidate_caches()
        return importlib.import_module(name)


def _converted(name: str, method_class: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(method_class).parameters
    converted = {}
    for option, value in options.items():
        if option not in known:
            choice = f"it has {', '.join(known)}" if known else "it has none"
            raise ZipfitError(f"method {name!r} has no option {option!r}: {choice}")
        kinds = kinds_of(known[option].annotation)
        if isinstance(value, str):
            value = _parse(name, option, value, kinds)
        elif kinds and kinds <= PLAIN and not is_one_of(value, kinds):
            raise _wrong_type(name, option, value, kinds)
        converted[option] = value
    return converted


def _parse(name: str, option: str, text: str, kinds: set[str]) -> Any:
    """Read an option's text as one of the plain types that its annotation allows."""
    if "None" in kinds and text.lower() == "none":
        return None
    if any(kind.startswith("tuple[str") for kind in kinds):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if "bool" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind, read in (("int", int), ("float", float)):
        if kind in kinds:
            try:
                return read(text)
            except ValueError:
                continue
    if not kinds & {"int", "float", "bool"} or "str" in kinds:
        return text
    raise _wrong_type(name, option, text, kinds)


def _wrong_type(name: str, option: str, value: Any, kinds: set[str]) -> ZipfitError:
    return ZipfitError(
        f"method {name!r}: option {option} takes {' or '.join(sorted(kinds - {'None'}))}, not {reprlib.repr(value)}"
    )
