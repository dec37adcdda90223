from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from zipfit.errors import ZipfitError
from zipfit.methods.registry import METHODS, build_method, check_method, class_path, method_options
from zipfit.methods.zipfit import ZipFit


@dataclass
class Own:
    """A method of a user's own, with an option of every plain type."""

    count: int = 1
    weight: float | None = 0.5
    flag: bool = False
    name: str = "x"
    either: int | str = 0

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return np.array([float(len(text)) for text in texts])


class NotOne:
    def fit(self, target, pool=None):
        return self


def test_every_name_leads_to_a_class():
    for path in METHODS.values():
        module, _, name = path.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_a_built_method_keeps_its_options():
    method = build_method("zipfit", {"compressor": "zstd", "level": "5"})
    assert method == ZipFit("zstd", 5)
    assert method_options(method) == {"compressor": "zstd", "level": 5}
    assert class_path(method) == "zipfit.methods.zipfit:ZipFit"
    assert build_method(class_path(method), method_options(method)) == method


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("count", "3", 3), ("weight", "0.25", 0.25), ("weight", "2", 2.0), ("weight", "none", None),
        ("flag", "true", True), ("flag", "False", False), ("name", "5", "5"), ("name", "none", "none"),
        ("either", "5", 5), ("either", "a", "a"),
    ],
)  # fmt: skip
def test_text_becomes_the_type_that_the_option_has(option, text, value):
    found = getattr(build_method(f"{__name__}:Own", {option: text}), option)
    assert found == value
    assert type(found) is type(value)


def test_values_that_are_no_text_are_taken_as_they_are():
    assert build_method(f"{__name__}:Own", {"count": 7, "weight": None}) == Own(count=7, weight=None)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("Own", {}, "unknown method 'Own': choose from zipfit"),
        ("test_registry:Missing", {}, "module test_registry has no Missing"),
        ("no_such_module:Own", {}, "No module named 'no_such_module'"),
        ("test_registry:NotOne", {}, "NotOne is no method: it needs fit"),
        ("test_registry:Own", {"depth": 1}, "has no option 'depth': it has count, weight, flag, name, either"),
        ("test_registry:Own", {"count": "many"}, "option count takes int, not 'many'"),
        ("test_registry:Own", "x", "options must be names with their values, not 'x'"),
        ("test_registry:Own", {"flag": "maybe"}, "option flag takes bool, not 'maybe'"),
        ("test_registry:Own", {"count": "1.5"}, "option count takes int, not '1.5'"),
    ],
)
def test_mistakes(name, options, reason):
    with pytest.raises(ZipfitError, match=reason):
        build_method(name, options)


def test_a_module_may_lie_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "lying_here.py").write_text("""
class Own:
    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return [0.0 for _ in texts]
""")
    (tmp_path / "json.py").write_text("raise SystemExit('taken')")  # what is installed goes first
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    with pytest.raises(ZipfitError, match="No module named 'lying_here'"):
        build_method("lying_here:Own", {})
    monkeypatch.chdir(tmp_path)
    assert type(build_method("lying_here:Own", {})).__module__ == "lying_here"
    with pytest.raises(ZipfitError, match="module json has no Own"):
        build_method("json:Own", {})
    with pytest.raises(ZipfitError, match="No module named 'lying_there'"):
        build_method("lying_there:Own", {})


def test_any_object_with_the_protocol_is_a_method():
    check_method(Own())
    with pytest.raises(ZipfitError, match="Counter is no method"):
        check_method(__import__("collections").Counter())
    assert method_options(object()) is None


def test_a_tuple_is_written_with_commas():
    method = build_method("dsir", {"proportions": "code=3, text=1"})
    assert method.proportions == ("code=3", "text=1")


@pytest.mark.parametrize(
    ("option", "value"), [("count", 1.5), ("count", True), ("count", None), ("weight", "x"), ("flag", 1), ("name", 5)]
)
def test_a_value_of_another_type_is_an_error(option, value):
    with pytest.raises(ZipfitError, match=f"option {option} takes "):
        build_method(f"{__name__}:Own", {option: value})


def test_numbers_of_numpy_are_numbers():
    method = build_method(f"{__name__}:Own", {"count": np.int64(3), "weight": np.float32(0.5)})
    assert (method.count, method.weight) == (3, 0.5)


@pytest.mark.parametrize("name", [":", ":Own", ".relative:Own"])
def test_a_module_name_that_is_none_is_an_error(name):
    with pytest.raises(ZipfitError, match="method"):
        build_method(name, {})
