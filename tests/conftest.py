"""What several test modules share."""

import os
import signal
from pathlib import Path

import pytest

# Shells start what is in the background with Ctrl-C ignored, and the commands under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data beside the checkout (`../shared/data`, or `$ALPHAGO_SHARED/data`); skips where there is none."""
    data = Path(os.environ.get("ALPHAGO_SHARED", ROOT.parent / "shared")) / "data"
    if not data.is_dir():
        pytest.skip(f"no development data: {data} is absent (ALPHAGO_SHARED names another place)")
    return data


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Quantised networks are kept in a folder of the test run, not in the user's."""
    os.environ["ALPHAGO_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    # Loading a network takes seconds: the tests that are about one name it.
    os.environ["ALPHAGO_NET"] = "none"
