"""Cells that nothing tells apart: averages are made of spins J, single trajectories of the operators as they are given."""

import leyden
import numpy as np
import pytest
from scipy import sparse

LOWER = sparse.csr_matrix([[0.0, 1.0], [0.0, 0.0]])


def on(op, k, dims):
    """``op`` on factor k, as a sparse matrix."""
    left, right = int(np.prod(dims[:k])), int(np.prod(dims[k + 1 :]))
    return sparse.kron(sparse.kron(sparse.identity(left), op), sparse.identity(right)).tocsr()


def excited(n):
    return np.eye(1, 2**n, 2**n - 1).ravel()


def decay(n):
    """Cells that decay alone and together: jump operators and the number of excited ones."""
    s = [on(LOWER, k, [2] * n) for k in range(n)]
    return [*s, 0.7 * sum(s)], sum(x.T @ x for x in s)


def star(cells):
    """A charger of three levels in front of cells that dephase."""
    dims = [3] + [2] * cells
    a = on(sparse.csr_matrix(np.diag(np.sqrt([1.0, 2.0]), 1)), 0, dims)
    s = [on(LOWER, k, dims) for k in range(1, cells + 1)]
    numbers = [x.T @ x for x in s]
    together = sum(s)
    H = a.T @ together + together.T @ a + 0.4 * (a + a.T) + 0.3 * sum(numbers)
    start = np.eye(1, 3 * 2**cells).ravel()
    return dims, H, start, [0.5 * a, *(0.6 * n for n in numbers)], [a.T @ a, numbers[0], sum(numbers)]


def test_averages_agree_with_those_of_the_full_space():
    dims, H, start, c_ops, e_ops = star(3)
    times = np.linspace(0, 4, 9)
    full = leyden.mesolve(H, start, times, c_ops, e_ops, dims=dims, options={"representation": "full"})
    spins = leyden.mesolve(H, start, times, c_ops, e_ops, dims=dims)
    assert max(np.abs(a - b).max() for a, b in zip(full.expect, spins.expect)) < 1e-9
    r = leyden.mcsolve(H, start, times, c_ops, e_ops, 3000, seeds=5, dims=dims)
    # Something to see: each of three columns at eight times; a correct program fails with a chance below 1e-3.
    for mean, se, exact in zip(r.average_expect, r.expect_se, full.expect):
        assert np.all(np.abs(mean - exact) <= 4.3 * se + 1e-9) and se.max() < 0.03


def test_single_trajectories_are_of_each_operator():
    dims, H, start, c_ops, e_ops = star(3)
    times, how = np.linspace(0, 4, 9), {"seeds": 5, "dims": dims}
    averages = leyden.mcsolve(H, start, times, c_ops, e_ops, 200, **how)
    kept = leyden.mcsolve(H, start, times, c_ops, e_ops, 200, options={"keep_runs_results": True}, **how)
    assert averages.col_which == kept.col_which and averages.col_times == kept.col_times
    assert {which for run in kept.col_which for which in run} == {0, 1, 2, 3}
    for a, b in zip(averages.std_expect, kept.std_expect):
        assert np.array_equal(a, b) and a.max() > 0.1
    assert np.shape(kept.runs_expect[0]) == (200, 9)
    states = leyden.mcsolve(H, start, times, c_ops, None, 50, **how)
    assert states.average_states[-1].shape == (24, 24)


@pytest.mark.parametrize("n", [4, 14])
def test_as_many_cells_as_an_ensemble(n):
    c_ops, number = decay(n)
    times = np.linspace(0, 0.6, 4)
    H = 0 * number
    solved = leyden.mesolve(H, excited(n), times, c_ops, [number], dims=[2] * n)
    p = leyden.Problem().ensemble("B", n).initial("B", "excited").each("alone", "sm(B)", 1.0).collective("together", "sm(B)", 0.49)
    exact = p.evolve("decay", 0.6, samples=3).observe("energy").solve()
    assert np.abs(solved.expect[0] - np.asarray(exact["energy"])).max() < 1e-8
    r = leyden.mcsolve(H, excited(n), times, c_ops, [number], 1000, seeds=3, dims=[2] * n)
    assert np.all(np.abs(r.average_expect[0] - solved.expect[0]) <= 4.0 * r.expect_se[0] + 1e-9)
    assert r.expect_se[0].max() < 0.03 * n


def test_a_mixed_start_and_the_steady_state():
    n = 3
    c_ops, number = decay(n)
    c_ops += [0.4 * c.T for c in c_ops[:n]]
    mixed = np.diag([0, 0.2, 0.2, 0, 0.2, 0, 0, 0.4]).astype(complex)
    times = np.linspace(0, 1, 5)
    one = on(LOWER.T @ LOWER, 1, [2] * n)
    x = sum(c + c.T for c in c_ops[:n])
    full = leyden.mesolve(x, mixed, times, c_ops, [number, one], dims=[2] * n, options={"representation": "full"})
    spins = leyden.mesolve(x, mixed, times, c_ops, [number, one], dims=[2] * n)
    assert max(np.abs(a - b).max() for a, b in zip(full.expect, spins.expect)) < 1e-9
    rho = leyden.steadystate(x, c_ops, dims=[2] * n)
    late = leyden.mesolve(x, mixed, [0, 60], c_ops, [number], dims=[2] * n)
    assert abs(np.trace(np.asarray(getattr(rho, "full", lambda: rho)()) @ number.toarray()).real - late.expect[0][-1]) < 1e-7
