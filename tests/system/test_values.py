from __future__ import annotations

import re
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from zipfit.system.values import as_type


class Inner(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern="^[a-z]+$")]
    count: Annotated[int, Meta(ge=0)] = 0


class Outer(Struct):
    inner: list[Inner]
    by_name: dict[str, float] = {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "it must be an object, not []"),
        ({}, "it lacks inner"),
        ({"inner": [{}]}, "it lacks inner[0].name"),
        ({"inner": None}, "inner must be a list, not null"),
        ({"inner": [{"name": 5}]}, "inner[0].name must be text, not 5"),
        ({"inner": [{"name": "A"}]}, 'inner[0].name is text that cannot be taken: "A"'),
        ({"inner": [{"name": "a", "count": -1}]}, "inner[0].count must be a whole number >= 0, not -1"),
        ({"inner": [{"name": "a", "other": 1}]}, "inner[0] has an unknown field 'other'"),
        ({"inner": [], "by_name": {"a": "b"}}, "by_name[...] must be a finite number"),
    ],
)
def test_a_value_that_is_not_what_it_must_be_is_named(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        as_type(values, Outer)


def test_what_is_missing_may_be_taken_for_null():
    values = {"inner": [{}]}
    with pytest.raises(ValueError, match=r"inner\[0\]\.name must be text, not missing"):
        as_type(values, Outer, null_if_missing=True)
    assert as_type({"inner": [{"name": "a"}]}, Outer) == Outer([Inner("a")])
