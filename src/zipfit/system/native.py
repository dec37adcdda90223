"""The native core, where zipfit was built with it."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def native_core() -> Any:
    """The extension module `zipfit._core`, or None where zipfit was installed without a C++ compiler."""
    try:
        return importlib.import_module("zipfit._core")
    except ImportError:
        return None
