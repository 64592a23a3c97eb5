"""``mesolve`` and ``steadystate`` as QuTiP has them: the master equation itself, without sampling."""

from __future__ import annotations

import sys
import time as clock
from dataclasses import replace

import numpy as np

from . import system as systems
from .liouvillian import propagated
from .rotate import rotated
from .system import System, system

#: What ``options`` of mesolve may hold; those of QuTiP that choose how to integrate are taken and change nothing.
OPTIONS = {"store_states": None, "store_final_state": False, "representation": None}

#: Names of QuTiP's ways to a steady state and of its linear solvers, and what they are told: taken, of no effect.
METHODS = {"direct", "eigen", "svd", "power", "propagator", "iterative"}
SOLVERS = {"solve", "lstsq", "spsolve", "gmres", "lgmres", "bicgstab", "mkl", "mkl_spsolve"}
PASSED_OVER = {
    "use_rcm", "use_wbm", "use_precond", "weight", "power_tol", "power_maxiter", "power_eps", "sparse", "propagator_T", "propagator_tol",
    "propagator_max_iter", "mtol", "return_info", "tol", "rtol", "atol", "maxiter", "M", "x0", "restart", "callback", "callback_type",
}


def mesolve(H, rho0, tlist, c_ops=None, e_ops=None, *, args=None, options=None, dims=None):
    r"""The master equation dρ/dt = −i[H, ρ] + Σ_k D[c_k]ρ, as :func:`qutip.mesolve` solves it.

    Parameters
    ----------
    H : Qobj, QobjEvo, matrix, list or function of time
        Hamiltonian, in the inverse unit of the times (ħ = 1); or a Liouvillian of Lindblad form (:func:`leyden.lindblad_form`).
    rho0 : Qobj or array
        Ket or density matrix to start from; or a superoperator on at most 32 states, which is multiplied by the propagator.
    tlist : array_like
        Rising times at which results are given.
    c_ops, e_ops, args, dims
        As of :func:`leyden.mcsolve`.
    options : dict, optional
        ``store_states``, ``store_final_state``, ``representation``.

    Returns
    -------
    MeResult

    Raises
    ------
    ValueError, TypeError
        What is wrong with an operator, a state, a time or a number, and where.
    leyden.RunError
        The density matrix is too large.
    """
    started = clock.perf_counter()
    given = dict(options or {})
    options = OPTIONS | {name: value for name, value in given.items() if name in OPTIONS}
    of = system(H, tlist, c_ops, e_ops, args, dims)
    if getattr(rho0, "issuper", False):
        return _of_superoperator(of, rho0, options, started)
    of, asked = replace(of, jumps=rotated(of.jumps, of.size)), of
    states = systems.state(rho0, of.size, "rho0")
    keep = not of.observables if options["store_states"] is None else options["store_states"]
    norm = sum(p for p, _ in states)
    start = [(p / norm, ket) for p, ket in states]
    problem = of.problem(start, keep or options["store_final_state"], "mesolve", representation=options["representation"])
    prepared = clock.perf_counter()
    return MeResult(of, problem.solve(), norm, options, _stats(asked, started, prepared), keep)


def _stats(of: System, started: float, prepared: float) -> dict:
    return {
        "method": "exact", "solver": "leyden mesolve", "preparation time": prepared - started, "num_collapse": len(of.jumps),
        "run time": clock.perf_counter() - prepared,
    }


def _of_superoperator(of: System, start, options: dict, started: float) -> MeResult:
    if of.observables:
        raise TypeError("rho0 is a superoperator, of which e_ops have no mean: leave them out")
    if start.shape[0] != of.size**2:
        raise ValueError(f"rho0 is a superoperator on {round(start.shape[0] ** 0.5)} states and H has {of.size}")
    start = sys.modules["qutip"].to_super(start).full()
    prepared = clock.perf_counter()
    table = {"columns": {}, "states": {"rho": propagated(of, start, options["representation"])}}
    # What was a list of factors is one of a pair of them, for the two sides of ρ.
    of = replace(of, dims=[of.dims, of.dims])
    return MeResult(of, table, 1.0, options, _stats(of, started, prepared), options["store_states"] is not False)


class MeResult:
    """What :func:`mesolve` gives, by the names that QuTiP has.

    Attributes
    ----------
    times : ndarray
        The times of the rows.
    e_ops, options, stats : dict
        What was asked, and how it went.
    """

    def __init__(self, of: System, table: dict, norm: float, options: dict, stats: dict, states: bool):
        self._of, self._table, self._norm, self._has_states = of, table, norm, states
        self.times, self.options, self.stats, self.solver = of.times, options, stats, "leyden mesolve"

    @property
    def expect(self) -> list[np.ndarray]:
        """Mean of each of e_ops at each time."""
        column = lambda name: self._norm * self._table["columns"][name][0][: len(self.times)]  # noqa: E731
        return [
            column(o.columns[0]) if len(o.columns) == 1 else column(o.columns[0]) + 1j * column(o.columns[1])
            for o in self._of.observables
        ]

    @property
    def e_ops(self) -> dict:
        """What is averaged, by its key."""
        return {o.key: o.op for o in self._of.observables}

    @property
    def e_data(self) -> dict:
        """``expect`` by the keys of e_ops."""
        return {o.key: value for o, value in zip(self._of.observables, self.expect)}

    @property
    def states(self) -> list:
        """Density matrix at each time, where ``store_states``, which is so where there are no e_ops."""
        if not self._has_states:
            return []
        return [self._of.qobj(self._norm * rho) for rho in self._table["states"]["rho"][: len(self.times)]]

    @property
    def final_state(self):
        """Density matrix at the last time, where states or it are stored."""
        if "rho" not in self._table["states"]:
            return None
        return self._of.qobj(self._norm * self._table["states"]["rho"][len(self.times) - 1])

    def __repr__(self) -> str:
        ends = ", ".join(f"e_ops[{key!r}] = {value[-1]:.6g}" for key, value in self.e_data.items())
        return f"<leyden.MeResult: {len(self.times)} times from {self.times[0]:g} to {self.times[-1]:g}; at the end {ends or 'states'}>"


def steadystate(
    H, c_ops=None, *, method="direct", solver=None, state=None, rho=None, dims=None, representation=None, **options
):
    r"""The state that dρ/dt = −i[H, ρ] + Σ_k D[c_k]ρ settles in, as :func:`qutip.steadystate` gives it.

    Parameters
    ----------
    H : Qobj or matrix
        Hamiltonian, or a Liouvillian of Lindblad form (:func:`leyden.lindblad_form`).
    c_ops : list of Qobj or matrix
        Jump operators, √rate included.
    method, solver, **options
        Those of QuTiP, which choose a numerical method there, are taken and change nothing.
    state : Qobj or array, optional
        From which ket or density matrix; it matters where there are several steady states. |0…0⟩ if not given. ``rho`` is the same.

    Returns
    -------
    Qobj or ndarray
        The density matrix.

    Raises
    ------
    ValueError, TypeError
        What is wrong with an operator, the state or a method, or that nothing settles.
    leyden.RunError
        Something oscillates for ever, or the equation is too large.
    """
    _known_to_qutip(method, solver, options)
    of = system(H, [0.0, 1.0], c_ops, None, None, dims)
    if of.drives or any(modulated for _, modulated in of.jumps):
        raise ValueError("an equation that changes with time settles in no state")
    if not of.jumps:
        raise TypeError("without c_ops nothing settles")
    of = replace(of, jumps=rotated(of.jumps, of.size))
    if state is not None and rho is not None:
        raise TypeError("both state and rho are given, which are the same")
    state = rho if state is None else state
    ground = np.eye(1, of.size, dtype=complex)[0]
    states = systems.state(ground if state is None else state, of.size)
    norm = sum(p for p, _ in states)
    problem = of.problem([(p / norm, ket) for p, ket in states], True, "steadystate", representation=representation)
    return of.qobj(problem.steady()["states"]["rho"][-1])


def _known_to_qutip(method, solver, options: dict) -> None:
    name, _, own = str(method).partition("-")
    if name not in METHODS:
        raise ValueError(f"method is {method!r}, expected one of {', '.join(sorted(METHODS))}")
    for given in filter(None, (own, solver)):
        if given not in SOLVERS:
            raise ValueError(f"the solver {given!r} is not known; there are {', '.join(sorted(SOLVERS))}")
    unknown = set(options) - PASSED_OVER
    if unknown:
        raise TypeError(f"steadystate has no option {min(unknown)!r}")
