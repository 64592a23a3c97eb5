"""QuTiP's own tests of mcsolve, with leyden's in its place. What is left out is listed with its reason in docs/python.md."""

import leyden
import pytest

theirs = pytest.importorskip("qutip.tests.solver.test_mcsolve")
theirs.mcsolve = leyden.mcsolve

from qutip.tests.solver.test_mcsolve import (  # noqa: E402, F401
    TestConstantCollapse,
    TestNoCollapse,
    TestTimeDependentCollapse,
    test_expectation_outputs,
    test_mcsolve_unnormalized_mixed_state,
    test_states_outputs,
    test_stored_collapse_operators_and_times,
    test_super_H,
    test_target_tol,
    test_timeout,
)


class TestSeeds(theirs.TestSeeds):
    # Other bit generators than ChaCha, and MCSolver's step by step.
    test_generator = None
    test_stepping = None


def test_every_test_of_theirs_is_run_or_listed():
    left_out = {
        "test_MCSolver_run", "test_MCSolver_stepping", "test_feedback", "test_mixed_averaging", "test_mixed_equals_merged",
        "TestSeeds.test_generator", "TestSeeds.test_stepping",
    }
    page = (__import__("conftest").ROOT / "docs" / "python.md").read_text()
    for name in left_out:
        assert f"`{name}`" in page, f"{name} is left out, and docs/python.md does not say why"
    known = {name for name in vars(theirs) if name.startswith(("test_", "Test"))}
    assert known - left_out == {name for name in globals() if name.startswith(("test_", "Test"))} - {"test_every_test_of_theirs_is_run_or_listed"}
