"""Rows of Arrow tables as Python values: the same ones, whatever else is installed."""

from __future__ import annotations

import datetime
import json
from contextlib import suppress
from typing import Any

import pyarrow as pa

_JSON = "arrow.json"  # the extension type of values that differ from row to row, as `datasets` makes it of JSON Lines

# What Arrow raises of a value that Python has no type for; a zone that is not known is a key that is not there.
_NO_PYTHON_TYPE = (OverflowError, ValueError, KeyError)


def rows_of(batch: pa.RecordBatch, errors: str = "strict") -> list[dict[str, Any]]:
    """The rows of an Arrow batch; `errors`, as of `bytes.decode`, says what becomes of strings that are not UTF-8.

    A time that Python has no type for becomes text: of nanoseconds as `isoformat` and `str` write it, with nine digits
    after the second; of the year 10000, say, as Arrow prints it. A moment in a time zone that is not known here is the
    same moment in UTC. JSON is what it says.

    Raises:
        UnicodeDecodeError: a string is not UTF-8, with strict `errors`.
    """
    if not batch.num_columns:
        return [{} for _ in range(batch.num_rows)]
    columns = {name: _values(column, errors) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.Array, errors: str) -> list[Any]:
    # Arrow gives nanoseconds as values of pandas where that is installed, cuts them off a time of day, and refuses the
    # whole column for one value that Python has no type for.
    name = str(column.type)
    if "[ns" not in name and "extension<" not in name and errors == "strict":
        try:
            values: list[Any] = column.to_pylist()
        except UnicodeDecodeError:
            raise
        except _NO_PYTHON_TYPE:
            pass
        else:
            return values
    return [_value(scalar, errors) for scalar in column]


def _value(scalar: pa.Scalar, errors: str) -> Any:
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StringScalar):  # and of the large ones and views
        return scalar.as_buffer().to_pybytes().decode("utf-8", errors)
    if isinstance(scalar, pa.StructScalar):
        return {field.name: _value(scalar[field.name], errors) for field in scalar.type}
    if isinstance(scalar, pa.MapScalar):
        return [(_value(entry[0], errors), _value(entry[1], errors)) for entry in scalar.values]
    if isinstance(scalar, pa.ListScalar):  # and of the other lists
        return [_value(item, errors) for item in scalar.values]
    if isinstance(scalar, pa.DictionaryScalar):
        return _value(scalar.dictionary[scalar.index.as_py()], errors)
    if isinstance(scalar, (pa.RunEndEncodedScalar, pa.UnionScalar)):
        return _value(scalar.value, errors)
    if isinstance(scalar, pa.ExtensionScalar) and scalar.type.extension_name == _JSON:
        text = _value(scalar.value, errors)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    if isinstance(scalar, pa.ExtensionScalar) and "[ns" in str(scalar.type.storage_type):
        return _value(scalar.value, errors)
    if isinstance(scalar, (pa.TimestampScalar, pa.DurationScalar, pa.Time64Scalar)) and scalar.type.unit == "ns":
        return _nanoseconds(scalar)
    try:
        return scalar.as_py()
    except _NO_PYTHON_TYPE:
        if isinstance(scalar, pa.TimestampScalar) and scalar.type.tz is not None:
            scalar = pa.scalar(scalar.value, pa.timestamp(scalar.type.unit, "UTC"))
            with suppress(*_NO_PYTHON_TYPE):
                return scalar.as_py()
        return scalar.cast("string").as_py()


def _nanoseconds(scalar: pa.TimestampScalar | pa.DurationScalar | pa.Time64Scalar) -> Any:
    microseconds, rest = divmod(scalar.value, 1000)
    if isinstance(scalar, pa.TimestampScalar):
        kind = pa.timestamp("us", scalar.type.tz)
    else:
        kind = pa.duration("us") if isinstance(scalar, pa.DurationScalar) else pa.time64("us")
    value = _value(pa.scalar(microseconds, kind), "strict")
    if not rest:
        return value
    if isinstance(value, datetime.timedelta):
        text = str(value)
        return f"{text}{rest:03}" if "." in text else f"{text}.000000{rest:03}"
    text = value.isoformat(timespec="microseconds")
    point = text.index(".") + 7
    return f"{text[:point]}{rest:03}{text[point:]}"
