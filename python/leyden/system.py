"""A master equation from H, jump operators and a state: what mcsolve, mesolve and steadystate have in common."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from . import _leyden
from .liouvillian import unfolded
from .operators import Matrix, Term, dims_of, terms

#: How far norms may be from 1 before they are taken to be meant.
NORM = 1e-10
#: Most states of which density matrices are kept.
MOST_STATES = 1024


@dataclass
class Observable:
    """What is asked of the state: a mean value, of which a Hermitian operator gives one column, another two."""

    key: object
    op: object
    columns: list[str]


@dataclass
class System:
    """Everything of the equation but the state, ready for the compiled half."""

    dims: list[int]
    times: np.ndarray
    hamiltonian: Matrix
    drives: list
    jumps: list
    observables: list[Observable]
    matrices: list
    args: dict = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of states."""
        return self.hamiltonian.size

    def problem(self, start: list, states: bool, title: str, battery=None, representation=None, single=False) -> _leyden.Problem:
        """Compiled, with this initial state; with ``single`` such that trajectories and their jumps are those of c_ops."""
        if states and self.size > MOST_STATES:
            raise ValueError(
                f"density matrices of {self.size} states are asked for, at most {MOST_STATES} are kept: give e_ops, and leave out store_states"
            )
        times = self.times - self.times[0]
        if len(times) == 1:
            times = np.repeat(times, 2)
        factors = [d for d in self.dims if d > 1]
        return _leyden.Problem.of_operators(
            {
                "title": title,
                "dims": factors,
                "hamiltonian": self.hamiltonian.triple(),
                "drives": self.drives,
                "jumps": self.jumps,
                "observables": self.matrices,
                "start": [(list(range(len(factors))), start)],
                "times": times.tolist(),
                "battery": battery,
                "states": states,
            },
            representation,
            single,
        )

    def qobj(self, array: np.ndarray):
        """A ket or a density matrix as a Qobj where QuTiP is loaded."""
        qutip = sys.modules.get("qutip")
        if qutip is None:
            return array
        if array.ndim == 1:
            return qutip.Qobj(array.reshape(-1, 1), dims=[self.dims, [1] * len(self.dims)])
        return qutip.Qobj(array, dims=[self.dims, self.dims])


def times_of(tlist, what: str = "tlist") -> np.ndarray:
    """Rising times."""
    try:
        times = np.atleast_1d(np.asarray(tlist))
    except ValueError as error:
        raise TypeError(f"{what} is no list of times: {error}") from None
    if np.iscomplexobj(times) or times.dtype.kind not in "fiu":
        raise TypeError(f"{what} holds {times.dtype} numbers, expected real ones")
    times = times.astype(float)
    if times.ndim != 1 or not times.size:
        raise ValueError(f"{what} has the shape {times.shape}, expected a list of at least one time")
    if not np.isfinite(times).all():
        raise ValueError(f"{what} holds {times[~np.isfinite(times)][0]} at place {int(np.flatnonzero(~np.isfinite(times))[0])}")
    falls = np.flatnonzero(np.diff(times) < 0)
    if falls.size:
        k = int(falls[0])
        raise ValueError(f"{what} falls from {times[k]:g} to {times[k + 1]:g} at place {k + 1}: times must rise")
    return times


def system(H, tlist, c_ops, e_ops, args, dims) -> System:
    """Understand H, the jump operators and the observables."""
    times, args = times_of(tlist), dict(args or {})
    span = (times[0], times[-1])
    H, c_ops = unfolded(H, _listed(c_ops), args)
    h = terms(H, "H", args, span, times)
    size = h[0].matrix.size
    if size < 2:
        raise ValueError(f"H has {size} state, expected at least 2")
    dims = _dims(dims, h, size)
    collapse = [terms(op, f"c_ops[{k}]", args, span, times) for k, op in enumerate(c_ops)]
    for what, part in [("H", h), *((f"c_ops[{k}]", part) for k, part in enumerate(collapse))]:
        for term in part:
            if term.matrix.size != size:
                raise ValueError(f"{what} has {term.matrix.size} states and H has {size}: all operators act on one space")
    hamiltonian, drives = _hamiltonian(h, size, times)
    jumps = [_jump(part, size, times[0]) for part in collapse]
    observables, matrices = _observables(e_ops, size)
    return System(dims, times, hamiltonian, drives, jumps, observables, matrices, args)


def _listed(ops) -> list:
    """A list of operators of one operator alone, too."""
    if ops is None:
        return []
    if isinstance(ops, (list, tuple)):
        return list(ops)
    if isinstance(ops, np.ndarray) and ops.ndim == 3:
        return list(ops)
    return [ops]


def _dims(dims, h: list[Term], size: int) -> list[int]:
    if dims is None:
        dims = next((found for found in (dims_of(term.op) for term in h) if found is not None), [size])
    dims = [int(d) for d in np.atleast_1d(dims)]
    if any(d < 1 for d in dims) or int(np.prod(dims)) != size:
        raise ValueError(f"dims is {dims}, whose product is not {size}, the number of states of H")
    return dims


def _hamiltonian(h: list[Term], size: int, times: np.ndarray):
    """The constant part, and Hermitian matrices with real functions of time."""
    constant, drives, anti = Matrix.zero(size), [], []
    for term in h:
        if term.factor is None:
            constant = constant.plus(term.matrix)
            continue
        # (u + iv)(R + iI) = (uR − vI) + i(vR + uI), of which the second part must vanish in the sum.
        real, imaginary = term.matrix.parts()
        u, v = term.factor.real(times[0]), term.factor.imag(times[0])
        for curve, part, sign in ((u, real, 1.0), (v, imaginary, -1.0)):
            if curve is not None and part.values.size:
                drives.append((part.times(sign).triple(), curve))
        anti += [(term.factor, "imag", real), (term.factor, "real", imaginary)]
    real, imaginary = constant.parts()
    scale = max([constant.largest, *(part.largest * float(np.abs(f.values).max()) for f, _, part in anti)], default=0.0)
    look = np.linspace(times[0], times[-1], 7)
    for k, t in enumerate(look):
        rest = imaginary
        for f, of, part in anti:
            rest = rest.plus(part.times(float(getattr(f.at(look), of)[k])))
        if rest.largest > 1e-6 * scale or (not anti and rest.largest > 1e-10 * scale):
            place = int(np.abs(rest.values).argmax())
            when = f" at t = {t:g}" if anti else ""
            raise ValueError(
                f"H is not Hermitian{when}: its element ({rest.rows[place]}, {rest.columns[place]}) and its adjoint's differ by "
                f"{2 * rest.largest:.3g}"
            )
        if not anti:
            break
    return real, drives


def _jump(part: list[Term], size: int, start: float):
    """L = L₀ + Σ f_j(t) L_j with real f_j."""
    constant, modulated = Matrix.zero(size), []
    for term in part:
        if term.factor is None:
            constant = constant.plus(term.matrix)
            continue
        for curve, factor in ((term.factor.real(start), 1.0), (term.factor.imag(start), 1j)):
            if curve is not None:
                modulated.append((term.matrix.times(factor).triple(), curve))
    return (constant.triple(), modulated)


def _observables(e_ops, size: int):
    if isinstance(e_ops, dict):
        named = list(e_ops.items())
    else:
        named = list(enumerate(_listed(e_ops)))
    found, matrices = [], []
    for k, (key, op) in enumerate(named):
        what = f"e_ops[{key!r}]"
        if callable(op) and not hasattr(op, "shape"):
            raise TypeError(f"{what} is a function: only operators are averaged; apply it to the states")
        matrix = Matrix.of(op, what)
        if matrix.size != size:
            raise ValueError(f"{what} has {matrix.size} states and H has {size}: all operators act on one space")
        real, imaginary = matrix.parts()
        columns = [f"e{k}"]
        matrices.append((f"e{k}", real.triple(), *real.range()))
        if imaginary.largest > 1e-12 * matrix.largest:
            columns.append(f"e{k}_im")
            matrices.append((f"e{k}_im", imaginary.triple(), *imaginary.range()))
        found.append(Observable(key, op, columns))
    return found, matrices


def state(of, size: int, what: str = "state") -> list[tuple[float, np.ndarray]]:
    """Pure states with their weights: of a ket, a density matrix, or a list of (ket, weight)."""
    if isinstance(of, (list, tuple)) and of and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in of):
        if not np.isscalar(of[0][0]):
            return [
                (float(weight) * p, ket)
                for k, (part, weight) in enumerate(of)
                for p, ket in state(part, size, f"{what}[{k}]")
            ]
    qutip = sys.modules.get("qutip")
    if qutip is not None and isinstance(of, qutip.Qobj):
        if of.issuper or of.isbra:
            raise TypeError(f"{what} is a {of.type}, expected a ket or a density matrix")
        of = of.full()
    if hasattr(of, "toarray"):
        of = of.toarray()
    try:
        array = np.asarray(of, dtype=complex)
    except (TypeError, ValueError):
        raise TypeError(f"{what} is of type {type(of).__name__}, expected a ket or a density matrix") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{what} has elements that are not finite")
    if array.shape in ((size,), (size, 1)):
        ket = np.ascontiguousarray(array.reshape(-1))
        norm = float(np.vdot(ket, ket).real)
        if norm == 0:
            raise ValueError(f"{what} has the norm 0")
        return [(1.0 if abs(norm - 1) < NORM else norm, ket / np.sqrt(norm))]
    if array.shape != (size, size):
        raise ValueError(f"{what} has the shape {array.shape}, expected ({size},) or ({size}, {size}) as H has {size} states")
    apart = np.abs(array - array.conj().T).max()
    if apart > 1e-8 * np.abs(array).max():
        raise ValueError(f"{what} is no density matrix: it differs from its adjoint by {apart:.2g}")
    # Of a diagonal one the states as they are, without the mixing of equal weights.
    if not np.any(array - np.diag(np.diag(array))):
        weights, vectors = np.diag(array).real, np.eye(size, dtype=complex)
    else:
        weights, vectors = np.linalg.eigh(array)
    if weights.min() < -1e-8 * weights.max(initial=0.0) or weights.max() <= 0:
        raise ValueError(f"{what} is no density matrix: it has the eigenvalue {weights.min():.3g}, the largest is {weights.max():.3g}")
    kept = np.flatnonzero(weights > 1e-12 * weights.max())
    return [(float(weights[k]), np.ascontiguousarray(vectors[:, k])) for k in kept]
