"""Problems that users of QuTiP asked about in public, handed over as they were: QuTiP's answer, with intervals."""

import leyden
import numpy as np
import pytest
from conftest import z

qutip = pytest.importorskip("qutip")
EXACT = {"rtol": 1e-10, "atol": 1e-12, "nsteps": 100_000}


def test_issue_490_coefficients_of_time_and_args():
    # https://github.com/qutip/qutip/issues/490: mcsolve and mesolve disagreed about σy.
    psi0 = (qutip.basis(2, 0) + qutip.basis(2, 1)).unit()
    rho0 = psi0 * psi0.dag()

    def H1_coeff(t, args):
        return t - 1

    def H2_coeff(t, args):
        return -t

    h_t = [0 * qutip.sigmax(), [qutip.sigmax(), H1_coeff], [qutip.sigmaz(), H2_coeff]]
    tlist = np.linspace(0, 3, 100)
    exact = qutip.mesolve(h_t, rho0, tlist, [], e_ops=[qutip.sigmay()], args={}, options=EXACT).expect[0]
    assert np.abs(leyden.mesolve(h_t, rho0, tlist, [], [qutip.sigmay()], args={}).expect[0] - exact).max() < 1e-6
    r = leyden.mcsolve(h_t, psi0, tlist, [], [qutip.sigmay()], ntraj=500, args={})
    assert np.abs(r.expect[0] - exact).max() < 1e-6 and r.expect_se[0].max() < 1e-6


@pytest.mark.parametrize("kappa", [0.001 * 2 * np.pi, 0.5])
def test_issue_1368_a_hamiltonian_that_is_a_function(kappa):
    # https://github.com/qutip/qutip/issues/1368, as it stands there and with more jumps.
    def hamiltonian_t(t, args):
        H0, H1, w = args["H0"], args["H1"], args["w"]
        return H0 + H1 * np.sin(w * t)

    N = 2
    a = qutip.destroy(N)
    w_c = 1.0 * 2 * np.pi
    args = {"H0": w_c * a.dag() * a, "H1": kappa * (a.dag() + a), "w": w_c}
    c_ops, times = [np.sqrt(kappa) * a], np.linspace(0, 10, 100)
    given = qutip.QobjEvo([args["H0"], [args["H1"], "sin(w*t)"]], args={"w": w_c})
    exact = qutip.mesolve(given, qutip.basis(N, 0), times, c_ops, e_ops=[a.dag() * a], options=EXACT).expect[0]
    r = leyden.mcsolve(hamiltonian_t, qutip.basis(N, 0), times, c_ops, [a.dag() * a], args=args, ntraj=2000, seeds=1)
    # 100 rows: a correct program fails with a chance below 1e-3.
    assert z(r.expect[0], r.expect_se[0] + 1e-6, exact, 0.02) < 5.0
    lo, hi = r.expect_interval[0]
    assert ((lo - 1e-6 <= exact) & (exact <= hi + 1e-6)).mean() > 0.8
