"""Liouvillians taken apart, superoperators as starts, and jump operators that are replaced by others of the same equation."""

import re
from dataclasses import replace

import leyden
import numpy as np
import pytest
from leyden.rotate import rotated
from leyden.system import system

SM = np.array([[0, 1], [0, 0]], complex)
SX, SY, SZ = SM + SM.T, 1j * (SM.T - SM), np.diag([1.0, -1.0]).astype(complex)
ONE = np.eye(2)


def liouvillian(H, c_ops):
    """On ρ written column by column, by what it does to each |i⟩⟨j|."""
    d = len(H)
    columns = []
    for j in range(d):
        for i in range(d):
            rho = np.zeros((d, d), complex)
            rho[i, j] = 1
            found = -1j * (H @ rho - rho @ H)
            for c in c_ops:
                found = found + c @ rho @ c.conj().T - 0.5 * (c.conj().T @ c @ rho + rho @ c.conj().T @ c)
            columns.append(found.reshape(-1, order="F"))
    return np.array(columns).T


def random(d, seed, n=3):
    rng = np.random.default_rng(seed)
    matrix = lambda: rng.normal(size=(d, d)) + 1j * rng.normal(size=(d, d))  # noqa: E731
    H = matrix()
    return H + H.conj().T, [matrix() for _ in range(n)]


@pytest.mark.parametrize("d", [2, 3, 5])
def test_any_equation_comes_back(d):
    H, c_ops = random(d, d)
    L = liouvillian(H, c_ops)
    own, jumps = leyden.lindblad_form(L)
    np.testing.assert_allclose(liouvillian(own, jumps), L, atol=1e-12 * np.abs(L).max())
    assert len(jumps) == min(len(c_ops), d * d - 1)
    assert abs(np.trace(own)) < 1e-12 and max(abs(np.trace(c)) for c in jumps) < 1e-10


def test_h_is_the_canonical_one():
    # c → c + a with H → H + (a*c − ac†)/2i is the same equation: the traceless c is given.
    H, (c,) = random(3, 7, 1)
    c = c - np.trace(c) / 3 * np.eye(3)
    shifted, a = c + (0.3 - 0.8j) * np.eye(3), 0.3 - 0.8j
    other = H + (np.conj(a) * c - a * c.conj().T) / 2j
    own, (jump,) = leyden.lindblad_form(liouvillian(other, [shifted]))
    np.testing.assert_allclose(own, H - np.trace(H) / 3 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.kron(jump, jump.conj()), np.kron(c, c.conj()), atol=1e-11)


def test_equal_rates_mix_no_operators():
    a = np.diag(np.sqrt(np.arange(1.0, 4)), 1)
    _, jumps = leyden.lindblad_form(liouvillian(np.zeros((4, 4)), [a, a.T]))
    assert sorted(tuple(np.flatnonzero(np.abs(c) > 0)) for c in jumps) == sorted(tuple(np.flatnonzero(c)) for c in (a, a.T))


def test_what_is_no_lindblad_form_is_told():
    good = liouvillian(*random(2, 1))
    negative = liouvillian(SZ, [SX]) - 0.25 * liouvillian(0 * SZ, [SZ / np.sqrt(2)])
    with pytest.raises(ValueError, match="the rate -0.25, an eigenvalue of its Kossakowski matrix, is negative"):
        leyden.lindblad_form(negative)
    with pytest.raises(ValueError, match="does not keep the trace"):
        leyden.lindblad_form(good - 0.1 * np.eye(4))
    with pytest.raises(ValueError, match="not Hermitian"):
        leyden.lindblad_form(good + 0.1j * np.eye(4))
    with pytest.raises(ValueError, match="has 5 rows"):
        leyden.lindblad_form(np.eye(5))
    with pytest.raises(ValueError, match="33 states"):
        leyden.lindblad_form(np.zeros((33**2, 33**2)))
    with pytest.raises(ValueError, match="not finite"):
        leyden.lindblad_form(good * np.nan)


def test_liouvillians_of_qutip():
    qutip = pytest.importorskip("qutip")
    a, sm = qutip.tensor(qutip.destroy(4), qutip.qeye(2)), qutip.tensor(qutip.qeye(4), qutip.sigmam())
    H, c_ops = a.dag() * a + 0.7 * (a * sm.dag() + a.dag() * sm), [0.5 * a, 0.3 * sm, 0.2 * sm.dag()]
    psi, times, e_ops = qutip.basis([4, 2], [2, 0]), np.linspace(0, 3, 7), [a.dag() * a, sm]
    known = leyden.mesolve(H, psi, times, c_ops, e_ops)
    ways = [
        (qutip.liouvillian(H, c_ops), []),
        (qutip.liouvillian(H), c_ops),
        (H, [*c_ops[:1], *map(qutip.lindblad_dissipator, c_ops[1:])]),
    ]
    for L, more in ways:
        np.testing.assert_allclose(leyden.mesolve(L, psi, times, more, e_ops).expect, known.expect, atol=1e-10)
        assert (leyden.steadystate(L, more) - qutip.steadystate(H, c_ops)).norm() < 1e-10
    # The jumps of a Liouvillian stand behind those of c_ops.
    sampled = leyden.mcsolve(qutip.liouvillian(H, c_ops[1:]), psi, times, c_ops[:1], e_ops, 400, seeds=3)
    se = sampled.expect_se[0][1:]
    assert se.max() < 0.06 and np.max(np.abs(sampled.expect[0] - known.expect[0])[1:] / se) < 4.5
    assert {k for run in sampled.col_which for k in run} == {0, 1, 2}


def test_liouvillians_that_change_with_time():
    qutip = pytest.importorskip("qutip")
    H, D, psi, times = qutip.sigmaz(), qutip.sigmax(), qutip.basis(2, 0), np.linspace(0, 2, 5)
    known = leyden.mesolve([H, [D, "cos(w*t)"]], psi, times, [0.4 * qutip.sigmam()], [H], args={"w": 2.0}).expect[0]
    L = [qutip.liouvillian(H, [0.4 * qutip.sigmam()]), [qutip.liouvillian(D), "cos(w*t)"]]
    for of in (L, qutip.QobjEvo(L, args={"w": 1.0})):
        found = leyden.mesolve(of, psi, times, e_ops=[H], args={"w": 2.0}).expect[0]
        np.testing.assert_allclose(found, known, atol=1e-9)
    with pytest.raises(ValueError, match="no commutator"):
        leyden.mesolve([L[0], [L[0], "t"]], psi, times)


def test_a_superoperator_to_start_from():
    qutip = pytest.importorskip("qutip")
    from scipy.linalg import expm

    H, c_ops = (qutip.Qobj(m) if not isinstance(m, list) else list(map(qutip.Qobj, m)) for m in random(3, 11, 2))
    L, start = qutip.liouvillian(H, c_ops), qutip.to_super(qutip.rand_unitary(3, seed=1))
    r = leyden.mesolve(H, start, [0.0, 0.02, 0.1], c_ops)
    assert r.states[0].dims == start.dims
    for t, state in zip(r.times, r.states):
        np.testing.assert_allclose(state.full(), expm(t * L.full()) @ start.full(), atol=1e-8)
    with pytest.raises(TypeError, match="e_ops"):
        leyden.mesolve(H, start, [0.0, 1.0], c_ops, [H])
    with pytest.raises(ValueError, match="2 states and H has 3"):
        leyden.mesolve(H, qutip.to_super(qutip.sigmax()), [0.0, 1.0], c_ops)


# Jump operators of the same equation.


def kossakowski(jumps, size):
    total = 0
    for (rows, columns, values), modulated in jumps:
        vector = np.zeros(size * size, complex)
        np.add.at(vector, rows * size + columns, values)
        total = total + np.outer(vector, vector.conj())
        assert not modulated
    return total


def blocks(of) -> tuple[int, int]:
    """How many blocks carry the equation, and the states of the largest."""
    start = [(1.0, np.eye(1, of.size, dtype=complex)[0])]
    text = next(text for name, _, text in of.problem(start, False, "").choice() if name == "sectors")
    return tuple(map(int, re.search(r"of (\d+) with at most (\d+) states", text).groups()))


def chain(op, n, k):
    return np.kron(np.kron(np.eye(2**k), op), np.eye(2 ** (n - k - 1)))


def array(rho):
    """A Qobj, where QuTiP is loaded, as an array."""
    return rho.full() if hasattr(rho, "full") else rho


def mixed_chain(n=4, rate=0.7):
    """Hops along a chain, σ_x and σ_y of each cell with the same rate, and decay of the first."""
    hop = sum(chain(SM, n, k) @ chain(SM.T, n, k + 1) + chain(SM.T, n, k) @ chain(SM, n, k + 1) for k in range(n - 1))
    return hop, [np.sqrt(rate) * chain(op, n, k) for k in range(n) for op in (SX, SY)] + [0.6 * chain(SM, n, 0)]


def test_mixed_operators_come_apart():
    of = system(*mixed_chain()[:1], [0.0, 1.0], mixed_chain()[1], None, None, None)
    jumps = rotated(of.jumps, of.size)
    K = kossakowski(of.jumps, of.size)
    np.testing.assert_allclose(kossakowski(jumps, of.size), K, atol=1e-12 * np.abs(K).max())
    # Each lowers or raises by one, where σ_x does both: quanta are blocks, where their parity was.
    quanta = np.array([bin(k).count("1") for k in range(of.size)])
    assert len(jumps) == 8 and all(len(set(quanta[rows] - quanta[columns])) == 1 for (rows, columns, _), _ in jumps)
    assert blocks(of) == (2, 8) and blocks(replace(of, jumps=jumps)) == (5, 6)


def test_the_solution_is_the_same():
    (hop, mixed), times = mixed_chain(), np.linspace(0, 3, 7)
    start, e_ops = np.eye(16)[5], [chain(SZ, 4, k) for k in range(4)]
    of = system(hop, times, mixed, e_ops, None, None)
    plain = of.problem([(1.0, start.astype(complex))], True, "").solve()
    r = leyden.mesolve(hop, start, times, mixed, e_ops, options={"store_states": True})
    assert r.stats["num_collapse"] == 9
    np.testing.assert_allclose(r.expect, [plain["columns"][f"e{k}"][0] for k in range(4)], atol=1e-9)
    np.testing.assert_allclose(list(map(array, r.states)), plain["states"]["rho"], atol=1e-9)
    settled = of.problem([(1.0, np.eye(16, dtype=complex)[0])], True, "").steady()["states"]["rho"][-1]
    np.testing.assert_allclose(array(leyden.steadystate(hop, mixed)), settled, atol=1e-9)


def test_trajectories_rotate_where_asked():
    (hop, mixed), times = mixed_chain(), np.linspace(0, 1, 3)
    start, e_ops = np.eye(16)[5], [chain(SZ, 4, 0)]
    known = leyden.mesolve(hop, start, times, mixed, e_ops).expect[0]
    for rotate in (False, True):
        r = leyden.mcsolve(hop, start, times, mixed, e_ops, 2000, seeds=5, options={"rotate_jumps": rotate})
        se = r.expect_se[0][1:]
        assert se.max() < 0.03 and np.max(np.abs(r.expect[0] - known)[1:] / se) < 4.5
        # σ_+ and σ_- are told apart, or σ_x and σ_y and the decay.
        assert {k for run in r.col_which for k in run} == set(range(8 if rotate else 9))


@pytest.mark.parametrize(
    "given",
    [
        [SM, SM.T],  # have nothing in common
        [SX, 0.9 * SY],  # rates differ
        [SZ, np.diag([1.0, 2.0])],  # join no states
        [np.kron(SZ, ONE), np.kron(ONE, SZ)],
        [[SX, "1 + t"], [SY, "1 + t"]],
        [],
    ],
    ids=["apart", "rates", "diagonal", "dephasing", "in time", "none"],
)
def test_what_is_left_as_it_is(given):
    size = 4 if given and len(given[0]) == 4 else 2
    of = system(np.zeros((size, size)), [0.0, 1.0], given, None, None, None)
    assert rotated(of.jumps, size) == of.jumps


def test_sums_of_many_come_apart():
    rng = np.random.default_rng(2)
    U, _ = np.linalg.qr(rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5)))
    single = [rate * chain(op, 3, k) for k, op, rate in [(0, SM, 1), (1, SM, 2), (2, SM, 3), (0, SM.T, 0.5), (2, SZ, 1)]]
    of = system(np.zeros((8, 8)), [0.0, 1.0], list(np.tensordot(U, single, axes=1)), None, None, None)
    jumps = rotated(of.jumps, 8)
    known = sum(np.outer(c.reshape(-1), c.reshape(-1).conj()) for c in single)
    np.testing.assert_allclose(kossakowski(jumps, 8), known, atol=1e-12 * np.abs(known).max())
    supports = sorted(sorted(rows * 8 + columns) for (rows, columns, _), _ in jumps)
    assert supports == sorted(sorted(np.flatnonzero(c).tolist()) for c in single)
