"""The drop-in for mcsolve: against exact solutions, by its own errors, and with what QuTiP lacks."""

import json
import pickle
import subprocess
import sys

import leyden
import numpy as np
import pytest
import scipy.sparse as sparse
from conftest import ROOT, z

qutip = pytest.importorskip("qutip")

A = qutip.destroy(6)
DECAY = dict(H=0.3 * (A + A.dag()) + A.dag() * A, state=qutip.basis(6, 2), tlist=np.linspace(0, 3, 7), c_ops=[0.8 * A, 0.3 * A.dag()])


def test_averages_agree_with_the_equation():
    number = A.dag() * A
    r = leyden.mcsolve(**DECAY, e_ops={"n": number, "a": A}, ntraj=4000, seeds=1)
    exact = qutip.mesolve(DECAY["H"], DECAY["state"], DECAY["tlist"], DECAY["c_ops"], e_ops={"n": number, "a": A})
    own = leyden.mesolve(DECAY["H"], DECAY["state"], DECAY["tlist"], DECAY["c_ops"], e_ops={"n": number, "a": A})
    assert np.abs(own.e_data["n"] - exact.e_data["n"]).max() < 1e-5
    assert np.abs(own.e_data["a"] - exact.e_data["a"]).max() < 1e-5
    n, a = r.average_e_data["n"], r.average_e_data["a"]
    n_se, a_se = r.expect_se
    assert z(n, n_se, own.e_data["n"], 0.04) < 4.5
    assert z(a.real, a_se.real, own.e_data["a"].real, 0.04) < 4.5
    assert z(a.imag, a_se.imag, own.e_data["a"].imag, 0.04) < 4.5
    lo, hi = r.expect_interval[0]
    assert (lo <= n).all() and (n <= hi).all() and n.dtype == float and a.dtype == complex


def test_runs_are_those_behind_the_averages():
    number = A.dag() * A
    for improved in (False, True):
        options = {"keep_runs_results": True, "improved_sampling": improved, "store_states": True}
        r = leyden.mcsolve(**DECAY, e_ops=[number, A], ntraj=60, seeds=3, options=options)
        runs, weights = r.runs_expect, np.array(r.runs_weights)
        assert runs[0].shape == (60, 7) and r.expect[0] is not None
        assert sum(r.runs_weights) + sum(r.deterministic_weights) == pytest.approx(1.0)
        if not improved:
            np.testing.assert_allclose(weights @ runs[0], r.average_expect[0], atol=1e-10)
            np.testing.assert_allclose(weights @ runs[1], r.average_expect[1], atol=1e-10)
            np.testing.assert_allclose(np.std(runs[0], axis=0), r.std_expect[0], atol=1e-8)
            rho = sum(w * s[-1].proj() for w, s in zip(weights, r.runs_states))
            assert (rho - r.average_final_state).norm() < 1e-9
        np.testing.assert_allclose(qutip.expect(number, r.runs_states[5]), runs[0][5], atol=1e-9)


def test_jumps_and_photocurrents():
    r = leyden.mcsolve(**DECAY, ntraj=300, seeds=5)
    assert len(r.col_times) == len(r.col_which) == 300
    assert all(0 <= t <= 3 for run in r.col_times for t in run) and all(run == sorted(run) for run in r.col_times)
    total = sum(current.sum() * 0.5 for current in r.photocurrent)
    assert total == pytest.approx(np.mean([len(run) for run in r.col_times]))
    assert r.collapse[0] == list(zip(r.col_times[0], r.col_which[0]))


def test_seeds_make_the_same_again():
    one = leyden.mcsolve(**DECAY, ntraj=40, seeds=9)
    same, late = leyden.mcsolve(**DECAY, ntraj=40, seeds=one.seeds), leyden.mcsolve(**DECAY, ntraj=10, seeds=one.seeds[30:])
    assert one.col_times == same.col_times and late.col_times == one.col_times[30:]
    assert one.col_times != leyden.mcsolve(**DECAY, ntraj=40).col_times


def test_merged_and_pickled():
    number = [A.dag() * A]
    one, two = (leyden.mcsolve(**DECAY, e_ops=number, ntraj=n, seeds=s) for n, s in ((100, 1), (300, 2)))
    both = one + pickle.loads(pickle.dumps(two))
    assert both.num_trajectories == 400 and len(both.col_times) == 400
    expected = 0.25 * one.average_expect[0] + 0.75 * two.average_expect[0]
    np.testing.assert_allclose(both.average_expect[0], expected, atol=1e-14)
    assert (both.expect_se[0][1:] < one.expect_se[0][1:]).all()


def test_ergotropy_of_a_part():
    sm = qutip.sigmam()
    one = qutip.qeye(2)
    C, B = sm & one, one & sm
    H = C.dag() * B + B.dag() * C + 0.5 * (C + C.dag())
    ground, times = qutip.basis([2, 2], [1, 1]), np.linspace(0, 4, 9)
    r = leyden.mcsolve(H, ground, times, [C.dag() * C], ntraj=3000, seeds=1, options={"improved_sampling": True})
    w = r.ergotropy(sm.dag() * sm, part=1)
    exact = leyden.mesolve(H, ground, times, [C.dag() * C], options={"store_states": True})
    for row, rho in enumerate(exact.states):
        rho_b = rho.ptrace(1).full()
        values = np.linalg.eigvalsh(rho_b)  # rising
        energies = np.array([0.0, 1.0])
        energy = np.real(np.trace(rho_b @ (sm.dag() * sm).full()))
        assert w.lo[row] - 1e-9 <= energy - values[::-1] @ energies <= w.hi[row] + 1e-9
    assert w.se.max() < 0.02


@pytest.mark.parametrize("rate", [0.1, 1.414, 10.0])
def test_charger_and_cell_as_other_programs_have_them(rate):
    data = json.loads((ROOT / "tests" / "data" / "S6_tls_tls_F0.5.json").read_text())
    of, times = data["observables"], np.array(data["times"])
    sm, one = qutip.basis(2, 0) * qutip.basis(2, 1).dag(), qutip.qeye(2)
    C, B = sm & one, one & sm
    H = C.dag() * B + B.dag() * C + 0.5 * (C + C.dag())
    given = H, qutip.basis([2, 2], [0, 0]), times, [np.sqrt(rate) * C.dag() * C], [B.dag() * B]
    np.testing.assert_allclose(leyden.mesolve(*given).expect[0], of[f"E_B_gC{rate:g}"], atol=1e-9)
    r = leyden.mcsolve(*given, ntraj=2000, seeds=1)
    # 81 rows: a correct program fails with a chance below 1e-4.
    assert z(r.expect[0], r.expect_se[0], of[f"E_B_gC{rate:g}"], 0.02) < 5.0
    w, exact = r.ergotropy(sm.dag() * sm, part=1), np.array(of[f"W_B_gC{rate:g}"])
    assert (w.lo - 3 * w.se <= exact + 1e-9).all() and (exact <= w.hi + 3 * w.se + 1e-9).all() and w.se.max() < 0.03


def test_functions_of_time_in_every_form():
    H0, H1, times = qutip.sigmaz() * 0.5, qutip.sigmax(), np.linspace(0, 4, 81)
    c, psi, e_ops = [0.5 * qutip.sigmam()], qutip.basis(2, 1), [qutip.sigmaz()]
    wave = lambda t, w: 0.7 * np.cos(w * t)  # noqa: E731
    forms = [
        [H0, [H1, "0.7*cos(w*t)"]],
        [H0, [H1, wave]],
        [H0, [H1, lambda t, args: 0.7 * np.cos(args["w"] * t)]],
        [H0, [H1, 0.7 * np.cos(1.3 * times)]],
        qutip.QobjEvo([H0, [H1, wave]], args={"w": 1.3}),
        lambda t, w: H0 + wave(t, w) * H1,
        [H0.full(), [sparse.csr_matrix(H1.full()), wave]],
    ]
    exact = qutip.mesolve(forms[0], psi, times, c, e_ops=e_ops, args={"w": 1.3}, options={"rtol": 1e-10, "atol": 1e-12}).expect[0]
    for form in forms:
        args = None if isinstance(form, qutip.QobjEvo) else {"w": 1.3}
        own = leyden.mesolve(form, psi, times, c, e_ops=e_ops, args=args).expect[0]
        assert np.abs(own - exact).max() < 3e-6, form
    r = leyden.mcsolve(forms[0], psi, times, c, e_ops, 3000, args={"w": 1.3}, seeds=1)
    assert z(r.expect[0], r.expect_se[0], exact, 0.03) < 5.0
    # Complex coefficients, whose sum is Hermitian.
    turned = [H0, [qutip.sigmap(), "exp(-1j*t)"], [qutip.sigmam(), "exp(1j*t)"]]
    exact = qutip.mesolve(turned, psi, times, c, e_ops=e_ops, options={"rtol": 1e-10, "atol": 1e-12}).expect[0]
    assert np.abs(leyden.mesolve(turned, psi, times, c, e_ops=e_ops).expect[0] - exact).max() < 3e-6
    # A jump operator that changes, and one that is switched on.
    steps = qutip.coefficient(np.array([0.0, 1.0, 1.0]), tlist=np.array([0.0, 2.0, 4.0]), order=0)
    switched = [[qutip.sigmam(), "0.5*exp(-t)+0.1j"], qutip.QobjEvo([qutip.sigmap(), steps])]
    exact = qutip.mesolve(H0 + H1, psi, times, switched, e_ops=e_ops, options={"rtol": 1e-9, "atol": 1e-11, "max_step": 0.05}).expect[0]
    assert np.abs(leyden.mesolve(H0 + H1, psi, times, switched, e_ops=e_ops).expect[0] - exact).max() < 2e-5


def test_starts():
    times = np.linspace(0, 1, 3)
    rho = qutip.ket2dm((qutip.basis(2, 0) + qutip.basis(2, 1)).unit()) * 0.4 + qutip.fock_dm(2, 0) * 0.6
    exact = qutip.mesolve(qutip.sigmax(), rho, times, [qutip.sigmam()], e_ops=[qutip.sigmaz()]).expect[0]
    r = leyden.mcsolve(qutip.sigmax(), rho, times, [qutip.sigmam()], [qutip.sigmaz()], ntraj=4000, seeds=1)
    assert z(r.expect[0], r.expect_se[0], exact, 0.03) < 4.5 and sum(r.ntraj_per_initial_state) == 4000
    pairs = [(qutip.basis(2, 0), 0.3), (qutip.basis(2, 1), 0.7)]
    r = leyden.mcsolve(qutip.sigmax(), pairs, times, [qutip.sigmam()], ntraj=[4, 2])
    assert r.ntraj_per_initial_state == [4, 2]
    assert (r.states[0] - sum(p * ket.proj() for ket, p in pairs)).norm() < 1e-12
    late = leyden.mcsolve(qutip.sigmax(), qutip.basis(2, 0), times + 5, [qutip.sigmam()], ntraj=20)
    assert all(5 <= t <= 6 for run in late.col_times for t in run)


def test_blocks_are_found_in_the_pattern():
    n = 8
    one = qutip.qeye(2)
    at = lambda op, k: qutip.tensor([op if j == k else one for j in range(n)])  # noqa: E731
    sm = [at(qutip.sigmam(), k) for k in range(n)]
    H = sum(sm[k].dag() * sm[k + 1] + sm[k + 1].dag() * sm[k] for k in range(n - 1))
    of = leyden.system.system(H, [0, 1], sm, [sum(s.dag() * s for s in sm)], None, None)
    psi = qutip.tensor([qutip.basis(2, int(k > 1)) for k in range(n)]).full().ravel()
    for flat in (False, True):
        of.dims = [2**n] if flat else [2] * n
        chosen = [(name, text) for name, good, text in of.problem([(1.0, psi)], False, "x").choice() if good][0]
        assert chosen[0] == "sectors" and "28 states in the first block" in chosen[1], chosen
    # Parity, and a shift that is not one of a sum over factors.
    a = qutip.destroy(12)
    squeezed = leyden.system.system(a**2 + a.dag() ** 2, [0, 1], [a], None, None, None)
    text = [text for _, good, text in squeezed.problem([(1.0, np.eye(12)[0].astype(complex))], False, "x").choice() if good][0]
    assert "6 states in the first block" in text


def test_qutip_stays_away_unless_it_is_brought():
    code = (
        "import sys, numpy as np, leyden\n"
        "r = leyden.mcsolve(np.diag([0.0, 1.0]), [0, 1], [0, 1], [np.array([[0, 1], [0, 0]])], [np.diag([0.0, 1.0])], 50)\n"
        "assert isinstance(r.average_expect[0], np.ndarray) and 'qutip' not in sys.modules\n"
        "r = leyden.mcsolve(np.diag([0.0, 1.0]), [0, 1], [0, 1], [np.array([[0, 1], [0, 0]])], ntraj=5)\n"
        "assert r.states[0].shape == (2, 2)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_intervals_are_bounded_by_eigenvalues():
    # Nothing jumps in so short a time: what was not seen is bounded by the largest photon number, 5, not by the sum of all.
    r = leyden.mcsolve(A.dag() * A, qutip.basis(6, 1), [0, 1e-9], [A], [A.dag() * A, A + A.dag()], ntraj=100, seeds=1)
    lo, hi = r.expect_interval[0]
    assert r.expect[0][-1] == pytest.approx(1.0) and 1.0 <= hi[-1] <= 1.0 + 4 * 5.0 / 100
    assert leyden.operators.Matrix.of(A + A.dag(), "x").range() == pytest.approx((-3.3242574, 3.3242574), abs=1e-6)


def test_two_processes_with_fresh_seeds_differ():
    assert leyden.mcsolve(**DECAY, ntraj=3).seeds[0].entropy != leyden.mcsolve(**DECAY, ntraj=3).seeds[0].entropy
