"""The native core, where zipfit was built with it, and the plain-Python twins that stand in for it elsewhere.

Each class and function of `zipfit._core` has a twin of the same name and signature in a reference module of the room
that uses it (`compression/reference.py`, `methods/cover_reference.py` ...). The twin is the definition, says it as
plainly as it can, and gives the same values, to the bit, and the same exceptions: tests/core/test_engines.py holds both
to that.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


@cache
def native_core() -> Any:
    """The extension module `zipfit._core`, or None where zipfit was installed without a C++ compiler."""
    try:
        return importlib.import_module("zipfit._core")
    except ImportError:
        return None


def engine(reference: ModuleType) -> Any:
    """The native core or, where it was not built, the module of its twins."""
    return native_core() or reference
