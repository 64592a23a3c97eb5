"""What several tests share."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def in_temporary_directory(tmp_path):
    """As QuTiP's own tests want it."""
    before = os.getcwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


@pytest.fixture
def examples():
    """The shipped inputs."""
    return ROOT / "examples"


def z(value, se, exact, resolution):
    """The largest deviation in standard errors; fails where the errors are too large to say anything."""
    value, se, exact = (np.asarray(x, dtype=float) for x in (value, se, exact))
    assert (se <= resolution).all(), f"the error {se.max():.3g} is above {resolution}: too few samples"
    return float(np.max(np.abs(value - exact) / (se + 1e-9)))
