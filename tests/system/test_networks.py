from __future__ import annotations

import sys
import warnings

import pytest

from zipfit.system.networks import quiet


def test_nothing_is_said_while_a_model_loads_and_all_is_as_before_afterwards(capsys: pytest.CaptureFixture[str]):
    logging = pytest.importorskip("transformers.utils.logging")
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    try:
        with quiet():
            assert not logging.is_progress_bar_enabled()
            logging.get_logger("transformers").warning("advice")
            warnings.warn("advice", stacklevel=1)
            print("a bar", file=sys.stderr)
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity_warning()
    assert capsys.readouterr() == ("", "")
