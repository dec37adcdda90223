"""The options of a selection in a file, as `zipfit select --config` reads it and `zipfit config` makes it."""

from __future__ import annotations

import inspect
import json
import os
import re
import reprlib
import sys
from dataclasses import replace
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_type_hints

import typer

from zipfit.cli import common
from zipfit.errors import ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from zipfit.corpus.inputs import Files
    from zipfit.study.yaml_file import Node

_BY_HAND = ("config", "overwrite", "allow-code", "address")
"""What a file, which a stranger may have written, cannot ask for: to replace files, to run code, to join a cluster."""


def read_config(context: typer.Context, path: str | None) -> str | None:
    """Take the options of a file for the defaults of a command, so that those on the command line win.

    Raises:
        ZipfitError: the file cannot be read, or has a key that is no option or a value of the wrong type.
    """
    if path is not None and not context.resilient_parsing:  # which is how a shell asks for completions
        context.default_map = _read(path, _options(context.command))
    return path


Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        is_eager=True,
        callback=common.handles_errors(read_config),
        help="Take options from a YAML or TOML file; those given here win.",
    ),
]


def need_consent_for_file(context: typer.Context, allow_code: Collection[str]) -> None:
    """Check that the methods which a command's file names are zipfit's own, or agreed to; those typed need no consent.

    Raises:
        ZipfitError: one is neither.
    """
    from zipfit.methods.registry import need_consent, parts_of

    filed = {
        name: context.params[name]
        for name in ("method", "param", "within", "report_against")
        if (source := context.get_parameter_source(name)) is not None and source.name == "DEFAULT_MAP"
    }
    options = common.method_options(filed.get("param", []), {})
    need_consent(filed.get("method", "zipfit"), allow_code, {**options, "within": list(filed.get("within", ()))})
    for name, options, within in map(parts_of, filed.get("report_against", ())):
        need_consent(name, allow_code, {**options, "within": within})


def config_command(
    manifest: Annotated[str, typer.Argument(help="A selection's manifest.")],
    allow_code: common.AllowCode = None,
) -> None:
    """Print the options that made a selection, as a file for zipfit select --config."""
    import yaml
    from typer.main import get_command

    from zipfit.cli.app import application

    select = get_command(application(["select"])).commands["select"]  # type: ignore[attr-defined]
    defaults = {key: option.default for key, option in _options(select).items()}
    given = {key: value for key, value in _of_manifest(manifest, allow_code or ()).items() if value != defaults[key]}
    print(yaml.safe_dump(given, sort_keys=False, default_flow_style=None, width=sys.maxsize), end="")


class _Option(NamedTuple):
    """The parameter of a command that takes an option, the type that it takes, and its default."""

    name: str
    kind: Any
    default: Any


def _options(command: Any) -> dict[str, _Option]:
    """The options of a command by their long names, and its arguments."""
    hints = get_type_hints(command.callback)
    parameters = inspect.signature(command.callback).parameters
    return {
        max(each.opts, key=len).removeprefix("--"): _Option(
            each.name, _not_none(hints[each.name]), parameters[each.name].default
        )
        for each in command.params
        if each.name in parameters
    }


def _not_none(hint: Any) -> Any:
    """The type that an annotation names beside None."""
    kinds = get_args(hint)
    return next(kind for kind in kinds if kind is not NoneType) if NoneType in kinds else hint


def _read(path: str, options: Mapping[str, _Option]) -> dict[str, Any]:
    """The values that a file has for a command's parameters."""
    readers: dict[Any, Callable[[Node], Any]] = {
        bool: lambda node: node.flag(),
        int: lambda node: node.whole(),
        float: lambda node: node.number(),
        str: _text,
        list[str]: _texts,
    }
    root = _parse(path)
    found: dict[str, Any] = {}
    entries = root.entries()
    if not entries:
        raise ZipfitError(f"{path}: holds no options")
    for key, entry in entries.items():
        node = replace(entry, line=root.lines.get(key))
        if key in _BY_HAND:
            node.fail("is taken from the command line alone")
        if key not in options:
            import difflib

            near = difflib.get_close_matches(key, options, n=1)
            node.fail(f"there is no such option: {f'did you mean {near[0]}?' if near else 'see zipfit select --help'}")
        found[options[key].name] = readers[options[key].kind](node)
    return {name: value for name, value in found.items() if value is not False}


def _parse(path: str) -> Node:
    """What a file holds, by its suffix."""
    from zipfit.study.yaml_file import read_yaml

    if path.lower().endswith((".yaml", ".yml")):
        return read_yaml(path)
    if path.lower().endswith(".toml"):
        return _parse_toml(path)
    raise ZipfitError(f"{path}: options are read from a file in YAML or TOML: name it .yaml or .toml")


def _parse_toml(path: str) -> Node:
    from zipfit.study.yaml_file import Node
    from zipfit.system.whole_file import read_text

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    text = read_text(path)
    try:
        value = tomllib.loads(f"{text}\n")  # so that the last line too is told by its number
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise ZipfitError(f"{path}: is not TOML that can be read ({one_line(error)})") from error
    # The parser tells no places: a key stands where a line begins with it, if one line alone does.
    lines: dict[str, list[int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if begins := re.match(r"[ \t]*(?:\[+[ \t]*)?[\"']?([\w-]+)[\"']?[ \t]*[=.\]]", line):
            lines.setdefault(begins[1], []).append(number)
    return Node(path, "", value, lines={key: found[0] for key, found in lines.items() if len(found) == 1})


def _text(node: Node) -> str:
    """Any text that could be typed."""
    if not isinstance(node.value, str):
        node.fail(f"must be text, in quotes, not {'null' if node.value is None else reprlib.repr(node.value)}")
    try:
        possible = b"\0" not in node.value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        possible = False
    if not possible:
        node.fail(f"{node.value!r} holds what no command line can: a NUL, or half a character")
    return str(node.value)


def _texts(node: Node) -> list[str]:
    """A text, or a list of them, of which some may be the same."""
    if not isinstance(node.value, list):
        return [_text(node)]
    return [_text(replace(node, key=f"{node.key}.{index}", value=value)) for index, value in enumerate(node.value)]


def _of_manifest(path: str, allow_code: Collection[str]) -> dict[str, Any]:
    """The options of `zipfit select` that make a manifest's selection, by long name, defaults included.

    Raises:
        ZipfitError: the manifest cannot be read; there are no such options, as for documents that Python held; or the
            method is a user's own, without consent.
    """
    from zipfit.corpus.outputs import Outputs
    from zipfit.corpus.shards import Sharding
    from zipfit.methods.registry import need_consent
    from zipfit.selection.manifest import ROLES, files_of, read_manifest, whereabouts

    made = read_manifest(path)
    need_consent(made["method"]["class"], allow_code, made["method"]["options"])
    saved, parameters = made["output"], dict(made["parameters"])
    if saved is None:
        raise ZipfitError(f"{path}: names no output")
    files = {role: files_of(made, role) for role in ROLES if role in made}
    shards = {f"shard-{key}": saved.get(f"shard_{key}") for key in ("records", "bytes", "format")}
    form = saved.get("convert")
    output = Outputs.of_selection(saved["path"], overwrite=False, convert=form, sharding=Sharding.of(*shards.values()))
    written = (parameters.pop("convert", None), parameters.pop("convert_to_table", False))
    for role in files.keys() & {"exclude", "check"}:
        if replace(files[role], paths=()) != replace(files["target"], paths=()):
            raise ZipfitError(f"{path}: {role} was read otherwise than the target, and zipfit select reads them alike")
    if written != (form, form is not None and output.is_table):
        raise ZipfitError(f"{path}: records were converted for another output, and zipfit select converts for its own")
    tokenizer, share = parameters["tokenizer"], parameters["max_share"]
    if tokenizer is not None and os.path.exists(found := whereabouts(tokenizer, made)):
        tokenizer = found
    for key in ("threads", "progress"):  # which change no byte
        del parameters[key]
    return {
        "pool": list(files["source"].paths),
        **{role: list(read.paths) for role, read in files.items() if role != "source"},
        "output": saved["path"],
        **_method_of(path, made["method"]),
        **_layout_of(files["source"], ""),
        **_layout_of(files["target"], "target-"),
        **{name.replace("_", "-"): value for name, value in parameters.items() if name != "role_labels"},
        "tokenizer": tokenizer,
        "max-share": None if share is None else repr(share),
        "no-role-labels": not parameters.get("role_labels", True),
        "convert": form,
        "order": saved["order"],
        "no-fields": not saved["add_fields"],
        **shards,
        "shard-bytes": None if shards["shard-bytes"] is None else str(shards["shard-bytes"]),
    }


def _layout_of(files: Files, prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}format": files.format,
        f"{prefix}sample-by": files.sample_by,
        f"{prefix}encoding": files.encoding,
        f"{prefix}delimiter": files.delimiter,
        f"{prefix}no-header": not files.header,
    }


def _method_of(path: str, made: dict[str, Any]) -> dict[str, Any]:
    """The options that build a manifest's method again.

    Raises:
        ZipfitError: as `build_method`; or they do not, as an option of the method is nothing that can be typed.
    """
    from zipfit.methods.registry import build_method, method_options
    from zipfit.methods.within import Within

    method = None if made["options"] is None else build_method(made["class"], made["options"])
    given = _as_json(method_options(method))
    if given is None:
        raise ZipfitError(f"{path}: the options of {made['class']} are not known, so it cannot be built again")
    shortlists = given["within"] if isinstance(method, Within) else ()
    name, *texts = _texts_of(given if shortlists else {"method": made["class"], "options": given})
    within = [f"{','.join(_texts_of(each))}:{each['share']!r}" for each in shortlists]
    options = common.method_options(texts, {})
    try:
        again = _as_json(method_options(Within(name, within, options) if within else build_method(name, options)))
    except ZipfitError:
        again = None
    if again != given:
        raise ZipfitError(f"{path}: not all options of {name} can be written as NAME=VALUE: use zipfit rerun")
    return {"method": name, "param": texts or None, "within": within or None}


def _texts_of(method: Mapping[str, Any]) -> list[str]:
    """A method's name, and its options as `NAME=VALUE`."""
    from zipfit.methods.registry import METHODS

    names = {place: name for name, place in METHODS.items()}
    options = [f"{name}={_as_text(value)}" for name, value in method["options"].items()]
    return [names.get(method["method"], method["method"]), *options]


def _as_json(value: Any) -> Any:
    """Options as a manifest has them, which knows lists and no tuples."""
    return json.loads(json.dumps(value, default=str))


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
