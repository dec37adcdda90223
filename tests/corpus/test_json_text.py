from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcomes

import zipfit
from zipfit.corpus import json_text
from zipfit.errors import ZipfitError

RECORDS = [{"text": "a\nb", "n": [1, 2.50, {"x": None}]}, {"text": "]}, {[", "data": [{"text": "no"}]}, {"text": "é"}]
PRETTY = "\n".join(json.dumps(record, indent=2, ensure_ascii=False) for record in RECORDS)
ARRAY = json.dumps(RECORDS, indent=1)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.unknown"])
@pytest.mark.parametrize(
    "content",
    [
        "\n".join(map(json.dumps, RECORDS)), PRETTY, PRETTY + "\n\n", PRETTY.replace("}\n{", "}{"), ARRAY,
        json.dumps(RECORDS), "\n " + ARRAY + "\n", f'{{"data": {json.dumps(RECORDS)}}}',
        f'{{"version": "1", "of": {{"data": [{{}}]}}, "rows":{ARRAY}, "more": [1, {{"data": 2}}]}}',
        f'{{\n"instances": {ARRAY}\n}}\n', "\ufeff" + PRETTY,
    ],
)  # fmt: skip
def test_json_is_read_in_whatever_arrangement(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    if name == "a.unknown" and content.startswith(("{", "\ufeff")):  # an array of `.json` is told by its content alone
        assert outcomes(path) == outcomes(path, "json") == RECORDS
    assert outcomes(path) == RECORDS


def test_one_object_is_one_record(tmp_path):
    for content in ('{"text": "a", "data": []}', '{\n"data": [1, 2],\n"text": "a"}', '{"data": {"text": "a"}}'):
        path = tmp_path / "a.json"
        path.write_text(content)
        assert outcomes(path) == [json.loads(content)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # The first line of JSON Lines may be broken in any way: it is one bad record.
        ('{"text": "a\n{"text": "b"}\n', ["Unterminated string", "b"]),
        ('{"text": "a",\n{"text": "b"}\n', ["Expecting property name", "b"]),
        ('{"text": "a"\n{"text": "b"}\n', ["Expecting ',' delimiter", "b"]),
        ('[INFO] made\n{"text": "b"}\n', ["Expecting value", "b"]),
        ('[1]\n{"text": "b"}\n', ["the JSON value is not an object", "b"]),
        ('{"text": "a"},\n{"text": "b"},\n', ["Extra data", "Extra data"]),
        ('{"text": "cut o', ["Unterminated string"]),
        ("[" * 100_000 + '\n{"text": "b"}', ["recursion", "b"]),
        ('{"a":' * 100_000 + '\n{"text": "b"}', ["recursion", "b"]),
    ],
)
def test_a_broken_line_of_json_lines_spoils_no_other(tmp_path, content, expected):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    for outcome, wanted in zip(outcomes(path), expected, strict=True):
        assert wanted in (outcome[1] if isinstance(outcome, tuple) else outcome["text"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{\n"text": "a"', "line 1: broken JSON"),
        ('{\n"text": "a"}\n{\n"text"}', "line 3: broken JSON"),
        ('{\n"data": [{"text": "a"}\n{"text": "b"}]}', "line 3: broken JSON: expected ',' or ']'"),
        ('{"data": [{"text": "a"}', "line 1: broken JSON: the array is cut off before its end"),
        ('{"data": [{"text": "a"}]', "line 1: broken JSON: the object is cut off before its end"),
        ('{"data": [{"text": "a"}]]', "line 1: broken JSON: expected ',' or '}'"),
        ('{"data": [{"text": "a"}], 1', "line 1: broken JSON"),
    ],
)
def test_broken_json_of_several_lines_is_an_error_with_its_line(tmp_path, content, reason):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ZipfitError, match=f"^{path}, {reason}".replace("[", r"\[")):
        outcomes(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=1, max_size=5),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.sampled_from(["array", "objects", "wrapped"]),
    st.sampled_from([1, 7, 1 << 18]),
)
def test_any_records_are_read_from_any_arrangement(tmp_path_factory, records, indent, ascii_only, arrangement, window):
    def dumped(value):
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    records = [{**record, "text": "x"} for record in records]
    wrapper = {"version": 1, "data": records, "more": records[0]}
    content = {"array": dumped(records), "objects": "\n".join(map(dumped, records)), "wrapped": dumped(wrapper)}
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content[arrangement].encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_WINDOW", window)
        assert outcomes(path) == json.loads(json.dumps(records))


def test_a_large_object_is_read_by_windows(tmp_path):
    path = tmp_path / "a.json"
    records = [{"text": "x" * 1000, "n": n} for n in range(5000)]
    path.write_text(json.dumps({"data": records}))
    assert outcomes(path) == records


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "q"}], "documents": [{"text": "c"}, {"text": "d"}]},
        {"documents": [{"text": "c"}], "messages": [{"role": "user", "content": "q"}]},
        {"text": "main", "examples": [{"text": "d"}]},
        {"examples": [{"text": "d"}], "question": "q", "answer": "a"},
    ],
)
def test_an_object_with_a_text_of_its_own_is_a_record(tmp_path, name, record):
    path = tmp_path / name
    for text, count in (
        (json.dumps(record), 1),
        (json.dumps(record, indent=2), 1),
        (json.dumps(record, indent=2) * 2, 2),
    ):
        path.write_text(text)
        assert zipfit.select(str(path), ["t"], fraction=1).records == [record] * count


@pytest.mark.parametrize("second", ["data", "rows"])
def test_records_under_two_fields_are_an_error(tmp_path, second):
    path = tmp_path / "a.json"
    path.write_text(f'{{"data": [{{"text": "a"}}],\n"{second}": [{{"text": "b"}}]}}')
    with pytest.raises(zipfit.ZipfitError, match=r"a\.json, line 2: the object holds records under two fields"):
        zipfit.select(str(path), ["t"], fraction=1)
