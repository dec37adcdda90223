"""Lines that a reader of JSON Lines finds hard: nearly JSON, nearly UTF-8, and JSON that readers differ about."""

from __future__ import annotations

import json

from hypothesis import strategies as st

_strings = st.text(st.sampled_from('ab é数🎲\ud800\udc00\x00\x1f\x7f"\\/\n\r\t\u2028'), max_size=20) | st.text(
    max_size=40
)
_keys = st.sampled_from(["text", "source", "a", "te\\xt", "naïve", "🎲", ""]) | _strings
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)
_fields = st.tuples(_keys, _strings | _values)


def _object(pairs, ascii_only, spaces):
    comma, colon, first = spaces
    dumped = (
        (json.dumps(key, ensure_ascii=ascii_only), json.dumps(value, ensure_ascii=ascii_only)) for key, value in pairs
    )
    members = comma.join(f"{key}{colon}{value}" for key, value in dumped)
    return f"{first}{{{members}}}".encode("utf-8", "surrogatepass")


_spaces = st.sampled_from(
    [(", ", ": ", ""), (",", ":", " "), (" ,\t", "\r: ", "\t"), (",,", ":", ""), (",", "::", "\x0b")]
)
_objects = st.builds(_object, st.lists(_fields, max_size=4), st.booleans(), _spaces)

_likely = st.builds(
    lambda text, label, more, *manner: _object([("text", text), ("source", label), *more], *manner),
    st.text(min_size=1, max_size=60) | st.text(st.sampled_from('a é数🎲"\\/\n\x7f'), min_size=1) | _strings,
    st.text(max_size=5) | _values,
    st.lists(st.tuples(st.sampled_from("abc"), _values), max_size=2, unique_by=lambda pair: pair[0]),
    st.booleans(),
    st.sampled_from([(", ", ": ", ""), (",\t", ":\r", " ")]),
)
"""Records that are plain, for the most part."""

_TAILS = [
    b'1', b'-0', b'01', b'1.', b'.5', b'1.5e+7', b'1e', b'-', b'--1', b'1E-400', b'1e999', b'9' * 601, b'0.' + b'1' * 700,
    b'NaN', b'-Infinity', b'nul', b'true', b'tru', b'"\\u12"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\ude00\\ud83d"',
    b'"\\ud83dx"', b'"\\ud83d\\u0041"', b'"\\uD83D\\uDE0G"', b'"\\x"', b'"\\', b'"\\u00e9\\/\\b"', b'"\xff"', b'"\xed\xa0\x80"',
    b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe0\x80\x80"', b'"\xf0\x9f"', b'"\t"', b'"\x00"', b'[1,]', b'[,]', b'{"a"}', b'{"a":1,}',
    b'[' * 63 + b']' * 63, b'[' * 64 + b']' * 64, b'[' * 2000, b'{"a":' * 63 + b'1' + b'}' * 63, b'{"a":' * 70 + b'1' + b'}' * 70,
    b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}', b'{"a": {"b": 1}, "b": {"b": 1}}',
    b'{' + b','.join(b'"%d": 0' % i for i in range(64)) + b'}', b'{' + b','.join(b'"%d": 0' % i for i in range(65)) + b'}',
    b'"' + b'x' * 17 + b'\\n' + b'y' * 15 + b'"', b'""', b'[]', b'{}', b'"a" "b"', b'{"text": "inner"}', b'"text"',
]  # fmt: skip
_tailed = st.builds(
    lambda key, tail, more: b'{"' + key + b'": ' + tail + more,
    st.sampled_from([b"text", b"source", b"a", b"te\\u0078t", b'text": "x", "b', b'source": "s", "text']),
    st.sampled_from(_TAILS),
    st.sampled_from([b"}", b"} ", b"", b"}}", b', "text": "t", "source": "s"}', b', "text": "t"}\x0b', b"]"]),
)


def _mutated(line, place, piece, cut):
    at = place % (len(line) + 1)
    return line[:at] + piece + line[at + cut :]


json_line = st.one_of(
    _objects,
    _likely,
    _likely,
    _tailed,
    st.builds(_mutated, _objects | _likely | _tailed, st.integers(0, 400), st.binary(max_size=2), st.integers(0, 2)),
    st.binary(max_size=12),
    st.sampled_from([b'"only a string"', b'"\\ud800"', b"[]", b"null", b"\xef\xbb\xbf{}", b"", b" \t", b"\x0c"]),
)
"""One line, which may hold ends of lines too where it is no JSON."""
