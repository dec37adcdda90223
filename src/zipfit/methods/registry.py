"""The methods by name, and how a name with options becomes a method."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

from zipfit.errors import ZipfitError
from zipfit.methods.base import Scorer, Selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zipfit.methods.base import Method

METHODS = {
    "zipfit": "zipfit.methods.zipfit:ZipFit",
}


def build_method(name: str, options: Mapping[str, Any]) -> Method:
    """Return a new method.

    Args:
        name: one of `METHODS`, or `module:Class` for a user's own.
        options: arguments of its constructor; text is converted to the type that the constructor's annotation names.

    Raises:
        ZipfitError: the name is unknown, an option is unknown or of the wrong type, or the class is no method.
    """
    method_class = _method_class(name)
    try:
        method = method_class(**_converted(name, method_class, options))
    except TypeError as error:
        raise ZipfitError(f"method {name!r}: {error}") from error
    check_method(method)
    return method  # type: ignore[no-any-return]


def check_method(method: object) -> None:
    """Check that an object has a method's protocol.

    Raises:
        ZipfitError: it has not.
    """
    if not isinstance(method, (Scorer, Selector)):
        raise ZipfitError(
            f"{type(method).__name__} is no method: it needs fit(target, pool) and score(texts) or rank(pool)"
        )


def method_options(method: object) -> dict[str, Any] | None:
    """The options that would build the method again, or None if they cannot be told (it is no dataclass)."""
    if not dataclasses.is_dataclass(method):
        return None
    return {field.name: getattr(method, field.name) for field in dataclasses.fields(method) if field.init}


def class_path(method: object) -> str:
    """The `module:Class` that `build_method` would find the method's class by."""
    return f"{type(method).__module__}:{type(method).__qualname__}"


def _method_class(name: str) -> Any:
    path = METHODS.get(name, name)
    if ":" not in path:
        raise ZipfitError(
            f"unknown method {name!r}: choose from {', '.join(METHODS)}, or give your own as module:Class"
        )
    module_name, class_name = path.split(":", 1)
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        raise ZipfitError(f"method {name!r}: {error}") from error
    except AttributeError as error:
        raise ZipfitError(f"method {name!r}: module {module_name} has no {class_name}") from error


def _converted(name: str, method_class: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(method_class).parameters
    hints = get_type_hints(method_class) if dataclasses.is_dataclass(method_class) else {}
    converted = {}
    for option, value in options.items():
        if option not in known:
            choice = f"it has {', '.join(known)}" if known else "it has none"
            raise ZipfitError(f"method {name!r} has no option {option!r}: {choice}")
        converted[option] = _parse(name, option, value, hints.get(option)) if isinstance(value, str) else value
    return converted


def _parse(name: str, option: str, text: str, hint: Any) -> Any:
    """Read an option's text as the annotated type; `none` is None where the annotation allows it."""
    kinds = getattr(hint, "__args__", (hint,))
    if type(None) in kinds and text.lower() == "none":
        return None
    try:
        if bool in kinds and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if int in kinds and (float not in kinds or text.lstrip("-").isdigit()):
            return int(text)
        if float in kinds:
            return float(text)
    except ValueError:
        pass
    else:
        if str in kinds or hint is None:
            return text
    wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds if kind is not type(None))
    raise ZipfitError(f"method {name!r}: option {option} takes {wanted}, not {text!r}")
