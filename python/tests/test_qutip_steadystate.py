"""QuTiP's own tests of steadystate, with leyden's in its place. What is left out is listed with its reason in docs/python.md."""

import leyden
import pytest

qutip = pytest.importorskip("qutip")
theirs = pytest.importorskip("qutip.tests.solver.test_steadystate")

from qutip.tests.solver.test_steadystate import (  # noqa: E402, F401
    test_bad_options_steadystate,
    test_bad_system,
    test_driven_cavity,
    test_exact_solution_for_simple_methods,
    test_ho,
    test_prop_ss_degen,
    test_pseudo_inverse,
    test_qubit,
)


@pytest.fixture(autouse=True)
def in_place_of_theirs(monkeypatch):
    monkeypatch.setattr(qutip, "steadystate", leyden.steadystate)


def test_every_test_of_theirs_is_run_or_listed():
    left_out = {"test_steadystate_fourier", "test_rcm", "test_wbm", "test_bad_options_pseudo_inverse", "test_np_convergence_prop"}
    page = (__import__("conftest").ROOT / "docs" / "python.md").read_text()
    for name in left_out:
        assert f"`{name}`" in page, f"{name} is left out, and docs/python.md does not say why"
    known = {name for name in vars(theirs) if name.startswith("test_")}
    assert known - left_out == {name for name in globals() if name.startswith("test_")} - {"test_every_test_of_theirs_is_run_or_listed"}
