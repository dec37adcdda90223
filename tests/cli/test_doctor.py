"""The doctor tells what is in use and notices what is wrong."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest

from zipfit.cli import doctor
from zipfit.compression import linked_zlib
from zipfit.system.runtime import native_core


def test_the_kernel_agrees_with_the_linked_zlib() -> None:
    diagnosis = doctor.diagnose()
    assert native_core() is not None, "the native kernel was not built"
    assert diagnosis.engine == "native"
    assert diagnosis.zlib == zlib.ZLIB_RUNTIME_VERSION
    assert diagnosis.mismatches == 0
    assert diagnosis.healthy
    if diagnosis.zlib_is_reference:
        assert diagnosis.checked > 3000


def test_another_zlib_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linked_zlib, "_PROBE_SIZES", (1, 2, 3))
    diagnosis = doctor.diagnose()
    assert not diagnosis.zlib_is_reference
    assert diagnosis.checked == 0
    assert any("NOT a reference zlib" in line for line in diagnosis.lines())


def test_without_the_kernel_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "native_core", lambda: None)
    diagnosis = doctor.diagnose()
    assert diagnosis.engine == "zlib"
    assert any("without its native kernel" in line for line in diagnosis.lines())


def test_an_installation_without_its_kernel_exits_with_1(zipfit, monkeypatch):
    assert zipfit("doctor").status == 0
    monkeypatch.setattr(doctor, "native_core", lambda: None)
    ran = zipfit("doctor")
    assert ran.status == 1
    assert "zipfit was built without its native kernel" in ran.out


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_every_extra_is_told_of() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    of_developers = {"test", "test-trl", "docs", "lint"}
    assert doctor.diagnose().extras.keys() == project["optional-dependencies"].keys() - of_developers
