"""The problems, once, as plain matrices (hbar = 1), and their exact solutions by an integrator that none of the programs is.

problem(name) gives H, jump operators with the roots of their rates, the initial vector, the observable (the energy of the
battery), and the times at which it is asked for. NAME.toml is the same for leyden. Basis order of a cell: (g, e).
"""

import numpy as np
import scipy.sparse as sp
from scipy.integrate import solve_ivp

SM = sp.csr_matrix(np.array([[0, 1], [0, 0]], dtype=complex))

# What each is, its size, and which of the papers' systems.
NAMES = {
    "tls": "driven, dephased charger cell and a battery cell, d = 4 (Watanabe)",
    "star": "the same charger and a star of 20 cells, d = 42 (Watanabe)",
    "oscillators": "two oscillators of 12 levels, d = 144 (Watanabe)",
    "network": "5 cells on a complete graph, d = 32 (Santos)",
    "chain": "8 cells on a chain, d = 256 (Santos)",
    "aging": "6 cells, storage and release, d = 64 (Pirmoradian and Moelmer)",
    "charger": "charger of 20 cells and battery of 2, d = 63 (Dias et al.)",
    "thermal": "5 cells in collective and local noise, d = 32 (Ahmadi et al.)",
}


def embed(op, k, dims):
    out = sp.identity(1, dtype=complex, format="csr")
    for i, d in enumerate(dims):
        out = sp.kron(out, op if i == k else sp.identity(d, dtype=complex), format="csr")
    return out


def lower_spin(n):
    """S^- of n cells in the symmetric subspace; the index is the number of excited cells."""
    e = np.arange(1, n + 1)
    return sp.diags(np.sqrt(e * (n - e + 1.0)).astype(complex), 1, format="csr")


def lower_mode(d):
    return sp.diags(np.sqrt(np.arange(1.0, d)).astype(complex), 1, format="csr")


def number(d):
    return sp.diags(np.arange(d).astype(complex), 0, format="csr")


def charged(dc, db, low_c, low_b, F, t_end):
    """A driven, dephased charger that exchanges quanta with a battery."""
    dims = [dc, db]
    C, B = embed(low_c, 0, dims), embed(low_b, 1, dims)
    H = C.getH() @ B + B.getH() @ C + F * (C + C.getH())
    psi = np.zeros(dc * db, complex)
    psi[0] = 1
    return H, [embed(number(dc), 0, dims)], psi, embed(number(db), 1, dims), np.linspace(0, t_end, 101)


def network(n, edges, samples):
    """Cells that exchange quanta with neighbours and decay together with them, all in (|g> + |e>)/sqrt(2)."""
    s = [embed(SM, k, [2] * n) for k in range(n)]
    energy = sum(x.getH() @ x for x in s)
    H, R = energy, np.eye(n)
    for a, b in edges:
        H = H + 2 * (s[a].getH() @ s[b] + s[b].getH() @ s[a])
        R[a, b] = R[b, a] = 0.5
    rates, vectors = np.linalg.eigh(R)
    jumps = [np.sqrt(r) * sum(c * x for c, x in zip(v, s)) for r, v in zip(rates, vectors.T) if r > 1e-12]
    return H, jumps, np.full(2**n, 2 ** (-n / 2), complex), energy, np.linspace(0, 5, samples + 1)


def problem(name):
    """A dictionary of H, jumps, psi, energy, times; of aging also `late`, a jump operator that is on from `since`."""
    late = since = None
    if name == "tls":
        H, jumps, psi, energy, times = charged(2, 2, SM, SM, 0.5, 20)
    elif name == "star":
        H, jumps, psi, energy, times = charged(2, 21, SM, lower_spin(20), 0.5, 20)
    elif name == "oscillators":
        H, jumps, psi, energy, times = charged(12, 12, lower_mode(12), lower_mode(12), 0.1, 40)
    elif name == "network":
        H, jumps, psi, energy, times = network(5, [(a, b) for a in range(5) for b in range(a)], 50)
    elif name == "chain":
        H, jumps, psi, energy, times = network(8, [(a, a + 1) for a in range(7)], 25)
    elif name == "aging":
        jumps = [embed(SM, k, [2] * 6) for k in range(6)]
        energy = sum(x.getH() @ x for x in jumps)
        H, psi = sp.csr_matrix((64, 64), dtype=complex), np.eye(64, dtype=complex)[-1]
        late, since, times = np.sqrt(1600 * 140 / 6) * sum(jumps), 0.0187, np.linspace(0, 0.0374, 21)
    elif name == "charger":
        C, B = embed(lower_spin(20), 0, [21, 3]), embed(lower_spin(2), 1, [21, 3])
        H, jumps = sp.csr_matrix((63, 63), dtype=complex), [np.sqrt(2) * (C + B)]
        psi, energy, times = np.eye(63, dtype=complex)[60], embed(number(3), 1, [21, 3]), np.linspace(0, 1, 41)
    elif name == "thermal":
        s = [embed(SM, k, [2] * 5) for k in range(5)]
        together, energy = sum(s), sum(x.getH() @ x for x in s)
        jumps = [np.sqrt(0.9 * 2.5) * together, np.sqrt(0.9 * 1.5) * together.getH(), *(np.sqrt(0.1) * x for x in s)]
        H, psi, times = sp.csr_matrix((32, 32), dtype=complex), np.eye(32, dtype=complex)[0], np.linspace(0, 5, 51)
    else:
        raise SystemExit(f"there is no problem {name!r}, but {', '.join(NAMES)}")
    return dict(H=H.tocsr(), jumps=[x.tocsr() for x in jumps], psi=psi, energy=energy.tocsr(), times=times, late=late, since=since)


def exact(p):
    """The energy at all times from the density matrix, by an explicit Runge-Kutta method of order 8 to 1e-9."""

    def slope(jumps):
        K = (-1j * p["H"] - 0.5 * sum(x.getH() @ x for x in jumps)).tocsr()
        pairs, right = [(x, x.conj().tocsr()) for x in jumps], K.conj().tocsr()

        def f(_, y):
            rho = y.reshape(len(p["psi"]), -1)
            return (K @ rho + (right @ rho.T).T + sum((c @ (x @ rho).T).T for x, c in pairs)).ravel()

        return f

    rho = np.outer(p["psi"], p["psi"].conj()).ravel()
    pieces = [(p["jumps"], p["times"])]
    if p["late"] is not None:
        k = np.searchsorted(p["times"], p["since"] - 1e-12)
        pieces = [(p["jumps"], p["times"][: k + 1]), ([*p["jumps"], p["late"]], p["times"][k:])]
    found = []
    for jumps, times in pieces:
        states = solve_ivp(slope(jumps), (times[0], times[-1]), rho, "DOP853", times, rtol=1e-9, atol=1e-11).y
        rho = states[:, -1]
        found = found[:-1] + [np.trace(p["energy"] @ y.reshape(len(p["psi"]), -1)).real for y in states.T]
    return np.array(found)


if __name__ == "__main__":
    import json
    from pathlib import Path

    Path(__file__).with_name("exact.json").write_text(json.dumps({name: exact(problem(name)).tolist() for name in NAMES}) + "\n")
