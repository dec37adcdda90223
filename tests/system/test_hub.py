from __future__ import annotations

import socket

import pytest

pytest.importorskip("huggingface_hub")
from huggingface_hub import constants

from zipfit.errors import ZipfitError
from zipfit.system.hub import hub_or_cache, is_reachable


@pytest.fixture
def no_network(monkeypatch):
    def unknown(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    is_reachable.cache_clear()
    yield
    is_reachable.cache_clear()


def test_without_a_network_the_cache_alone_is_looked_in(no_network):
    with hub_or_cache("gpt2", "model gpt2", "give a folder"):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    with (
        pytest.raises(
            ZipfitError, match=r"^model gpt2: is not in the hub's cache, and \S+ cannot be reached: give a f"
        ),
        hub_or_cache("gpt2", "model gpt2", "give a folder"),
    ):
        raise OSError("whatever the library raises")
    assert not constants.HF_HUB_OFFLINE


def test_a_path_or_a_proxy_needs_no_look(no_network, tmp_path, monkeypatch):
    with hub_or_cache(str(tmp_path), "model", "give another"):
        assert not constants.HF_HUB_OFFLINE
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy"})
    is_reachable.cache_clear()
    with hub_or_cache("gpt2", "model", "give another"):
        assert not constants.HF_HUB_OFFLINE
