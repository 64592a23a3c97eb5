"""Time per trajectory of leyden.mcsolve and qutip.mcsolve on six problems handed over as Qobj, one thread each, and what a call costs.

    python python/benches/against_qutip.py [problem …]
"""

import sys
import time

import leyden
import numpy as np
import qutip as qt

SM = qt.basis(2, 0) * qt.basis(2, 1).dag()


def on(op, k, dims):
    return qt.tensor([op if j == k else qt.qeye(d) for j, d in enumerate(dims)])


def lower_spin(n):
    """S⁻ of n cells in their symmetric states, by the number of excited ones."""
    e = np.arange(1, n + 1)
    return qt.Qobj(np.diag(np.sqrt(e * (n - e + 1.0)), 1))


def charger(low_c, low_b, drive, t_end):
    dims = [low_c.shape[0], low_b.shape[0]]
    C, B = on(low_c, 0, dims), on(low_b, 1, dims)
    number = on(qt.num(dims[0]), 0, dims)
    H = C.dag() * B + B.dag() * C + drive * (C + C.dag())
    return H, qt.basis(dims, [0, 0]), np.linspace(0, t_end, 101), [number], [on(qt.num(dims[1]), 1, dims)]


def network(n, edges, t_end, rows):
    dims = [2] * n
    s = [on(SM, k, dims) for k in range(n)]
    number = sum(x.dag() * x for x in s)
    H = number + 2.0 * sum(s[a].dag() * s[b] + s[b].dag() * s[a] for a, b in edges)
    rates = np.eye(n)
    for a, b in edges:
        rates[a, b] = rates[b, a] = 0.5
    values, vectors = np.linalg.eigh(rates)
    jumps = [np.sqrt(v) * sum(c * x for c, x in zip(u, s)) for v, u in zip(values, vectors.T) if v > 1e-12]
    plus = qt.tensor([(qt.basis(2, 0) + qt.basis(2, 1)).unit()] * n)
    return H, plus, np.linspace(0, t_end, rows), jumps, [number]


def aging(n=6, tau=0.0187):
    dims = [2] * n
    s = [on(SM, k, dims) for k in range(n)]
    switch = qt.coefficient(np.array([0.0, 1.0, 1.0]), tlist=np.array([0.0, tau, 2 * tau]), order=0)
    release = qt.QobjEvo([np.sqrt(1600.0 * 140 / n) * sum(s), switch])
    start = qt.basis(dims, [1] * n)
    return qt.qzero_like(s[0]), start, np.linspace(0, 2 * tau, 21), [*s, release], [sum(x.dag() * x for x in s)]


PROBLEMS = {
    "tls": (lambda: charger(SM, SM, 0.5, 20.0), 20_000, 200, {"method": "diag"}),
    "star": (lambda: charger(SM, lower_spin(20), 0.5, 20.0), 20_000, 200, {"method": "diag"}),
    "oscillators": (lambda: charger(qt.destroy(12), qt.destroy(12), 0.1, 40.0), 4_000, 50, {"method": "diag"}),
    "network": (lambda: network(5, [(a, b) for a in range(5) for b in range(a)], 5.0, 51), 10_000, 200, {"method": "diag"}),
    "network12": (lambda: network(10, [(a, a + 1) for a in range(9)], 5.0, 26), 100, 5, {"method": "diag"}),
    "aging6": (aging, 10_000, 50, {"method": "vern7", "norm_t_tol": 1e-11, "norm_steps": 50, "nsteps": 10**6}),
}


def clock(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def main():
    print(f"{'problem':<12} {'leyden':>10} {'qutip':>10} {'ratio':>7} {'one call':>10}   largest deviation from the exact solution")
    for name in sys.argv[1:] or PROBLEMS:
        make, many, few, options = PROBLEMS[name]
        H, psi, times, c_ops, e_ops = make()
        own = {"threads": 1, "improved_sampling": True}
        one = min(clock(lambda: leyden.mcsolve(H, psi, times, c_ops, e_ops, 1, seeds=1, options=own).expect)[0] for _ in range(5))
        taken, r = clock(lambda: (r := leyden.mcsolve(H, psi, times, c_ops, e_ops, many, seeds=1, options=own)).expect and r)
        options = options | {"progress_bar": "", "map": "serial", "improved_sampling": True}
        theirs, q = clock(lambda: qt.mcsolve(H, psi, times, c_ops, e_ops=e_ops, ntraj=few, options=options))
        each, each_qutip = (taken - one) / many, theirs / few
        small = psi.shape[0] <= 150
        exact = leyden.mesolve(H, psi, times, c_ops, e_ops).expect[0] if small else q.average_expect[0]
        z = np.max(np.abs(r.average_expect[0] - exact) / (r.expect_se[0] + 1e-9)) if small else np.nan
        print(f"{name:<12} {1e6 * each:8.1f}µs {1e6 * each_qutip:8.0f}µs {each_qutip / each:7.0f} {1e3 * one:8.2f}ms   {z:.1f} se")


if __name__ == "__main__":
    main()
