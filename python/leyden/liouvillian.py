"""Master equations that come as Liouvillians: the one H and the jump operators behind them, and how operators on ρ evolve."""

from __future__ import annotations

import sys
from functools import reduce
from operator import add

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .operators import is_pair

#: Most states of which a Liouvillian is taken apart: its matrix has the fourth power of elements.
MOST_STATES = 32
#: Below this part of the largest element a part of a Liouvillian is rounding, and above this other one it is meant.
ROUNDING, MEANT = 1e-13, 1e-10


def lindblad_form(L):
    r"""H and jump operators of a Liouvillian: Lρ = −i[H, ρ] + Σ_k D[c_k]ρ, with Tr H = 0 and Tr c_k = 0.

    With C_(ai)(bj) = ⟨a|L(|i⟩⟨j|)|b⟩ (Choi), \|1⟩⟩ the identity written as a vector, and P = 1 − \|1⟩⟩⟨⟨1\|/d, the matrix
    K = PCP = Σ_k \|c_k⟩⟩⟨⟨c_k\| has no negative eigenvalue if and only if L generates a completely positive evolution [1]_: its
    eigenvectors times the roots of its eigenvalues are the jump operators. That they are traceless makes H unique [2]_:
    H = i(G − G†)/2 with \|G⟩⟩ = C\|1⟩⟩/d − \|1⟩⟩⟨⟨1\|C\|1⟩⟩/2d².

    Parameters
    ----------
    L : Qobj or array
        Superoperator on ρ written column by column, as QuTiP has it: d² × d², with d at most 32.

    Returns
    -------
    H, c_ops : Qobj and list of Qobj, or arrays
        √rate included. Those that share no matrix element with others are kept apart from them.

    Raises
    ------
    ValueError
        L is of no Lindblad form: a Hermitian ρ or its trace is not kept, or a rate is negative.

    References
    ----------
    .. [1] V. Gorini, A. Kossakowski, E. C. G. Sudarshan, J. Math. Phys. 17, 821 (1976), Theorem 2.2.
    .. [2] P. Hayden, J. Sorce, J. Phys. A 55, 225302 (2022), "A canonical Hamiltonian for open quantum systems".
    """
    qutip = sys.modules.get("qutip")
    dims = None
    if qutip is not None and isinstance(L, qutip.Qobj):
        if not L.issuper:
            raise TypeError(f"the Liouvillian is a Qobj of type {L.type}, expected a superoperator")
        L = qutip.to_super(L)
        if L.dims[0] != L.dims[1]:
            raise ValueError(f"the Liouvillian takes operators of the dims {L.dims[1]} to those of {L.dims[0]}")
        dims = L.dims[0]
        _checked_size(L.shape[0])
        L = L.full()
    H, c_ops = _taken_apart(np.asarray(L, dtype=complex))
    return (H, c_ops) if dims is None else (qutip.Qobj(H, dims=dims), [qutip.Qobj(c, dims=dims) for c in c_ops])


def _checked_size(of_matrix: int) -> int:
    size = round(of_matrix**0.5)
    if size**2 != of_matrix:
        raise ValueError(f"the Liouvillian has {of_matrix} rows, expected the square of the number of states")
    if size > MOST_STATES:
        raise ValueError(f"a Liouvillian of {size} states is given, at most {MOST_STATES} are taken apart: give H and jump operators")
    return size


def _taken_apart(L: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    if L.ndim != 2 or L.shape[0] != L.shape[1]:
        raise ValueError(f"the Liouvillian has the shape {L.shape}, expected a square matrix")
    d = _checked_size(L.shape[0])
    if not np.isfinite(L).all():
        raise ValueError("the Liouvillian has elements that are not finite")
    # L is in columns: its indices are (b, a), (j, i).
    C = L.reshape(d, d, d, d).transpose(1, 3, 0, 2).reshape(d * d, d * d)
    scale = np.abs(C).max()
    refused = "the Liouvillian is of no Lindblad form"
    if scale == 0:
        return np.zeros((d, d), complex), []
    apart = np.abs(C - C.conj().T).max()
    if apart > MEANT * scale:
        raise ValueError(f"{refused}: of a Hermitian ρ it makes what is not Hermitian, by an element {apart:.3g}")
    C = (C + C.conj().T) / 2
    one = np.eye(d).reshape(-1)
    on_one = C @ one / d
    trace = np.vdot(one, on_one).real / d
    G = (on_one - one * trace / 2).reshape(d, d)
    K = C - np.outer(one, on_one.conj()) - np.outer(on_one, one) + np.outer(one, one) * trace
    c_ops = _jump_operators(K, d, scale, refused)
    kept = G + G.conj().T + sum((c.conj().T @ c for c in c_ops), np.zeros((d, d)))
    leak = np.abs(kept).max()
    if leak > MEANT * scale * d:
        raise ValueError(f"{refused}: it does not keep the trace of ρ, by an element {leak:.3g}")
    H = 0.5j * (G - G.conj().T)
    H[np.abs(H) < ROUNDING * scale] = 0
    return H, c_ops


def _jump_operators(K: np.ndarray, d: int, scale: float, refused: str) -> list[np.ndarray]:
    """Σ_k |c_k⟩⟩⟨⟨c_k| = K, by the eigenvectors of its blocks, so that equal rates mix no operators that have nothing in common."""
    there = np.abs(K) > ROUNDING * scale
    count, labels = connected_components(csr_array(there), directed=False)
    # Elements that are 0 are blocks of their own.
    alive = np.unique(labels[there.any(axis=0)]) if count else []
    c_ops = []
    for block in (np.flatnonzero(labels == label) for label in alive):
        rates, vectors = np.linalg.eigh(K[np.ix_(block, block)])
        if rates[0] < -MEANT * scale:
            raise ValueError(f"{refused}: the rate {rates[0]:.6g}, an eigenvalue of its Kossakowski matrix, is negative")
        for rate, vector in zip(rates[::-1], vectors.T[::-1]):
            if rate > ROUNDING * scale * d:
                c = np.zeros(d * d, complex)
                c[block] = np.sqrt(rate) * vector
                c[np.abs(c) < ROUNDING * np.abs(c).max()] = 0
                c_ops.append(c.reshape(d, d))
    return c_ops


def unfolded(H, c_ops: list, args: dict):
    """H and jump operators without superoperators: those of a Liouvillian are put behind the jump operators there are.

    What a function of time multiplies must be a commutator: the rates of others would be that function, and jump operators have
    its root.
    """
    qutip = sys.modules.get("qutip")
    if qutip is None:
        return H, c_ops
    is_super = lambda op: isinstance(op, (qutip.Qobj, qutip.QobjEvo)) and op.issuper  # noqa: E731
    if isinstance(H, qutip.QobjEvo) and H.issuper:
        if args:
            H = H.copy()
            H.arguments(args)
        H = H.to_list()
    parts = H if isinstance(H, (list, tuple)) else [H]
    changing = lambda part: isinstance(part, (list, tuple)) and is_pair(part) and is_super(part[0])  # noqa: E731
    parts = [parts] if changing(parts) else parts
    if not any(is_super(part) or changing(part) for part in [*parts, *c_ops]):
        return H, c_ops
    constant = [part for part in parts if is_super(part) and isinstance(part, qutip.Qobj)]
    dissipators = [op for op in c_ops if is_super(op)]
    for k, op in enumerate(c_ops):
        if changing(op) or (is_super(op) and not isinstance(op, qutip.Qobj)):
            raise TypeError(f"c_ops[{k}] is a superoperator that changes with time, expected a jump operator")
    found = [part for part in parts if not is_super(part) and not changing(part)]
    plain = [op for op in c_ops if not is_super(op)]
    if constant or dissipators:
        own, jumps = lindblad_form(reduce(add, [*constant, *dissipators]))
        found, plain = [own, *found], plain + jumps
    for matrix, factor in (part for part in parts if changing(part)):
        own, jumps = lindblad_form(matrix)
        if jumps:
            raise ValueError("a function of time multiplies a Liouvillian that is no commutator: give its jump operators in c_ops")
        found.append([own, factor])
    return found, plain


def propagated(of, start: np.ndarray, representation) -> np.ndarray:
    """E(t) = V(t)E(0) for a superoperator E(0), where V(t) takes ρ(0) to ρ(t): what becomes of each |i⟩⟨j|.

    A start is a pure state: with |p⟩ = (|i⟩ + |j⟩)/√2 and |q⟩ = (|i⟩ + i|j⟩)/√2,
    |i⟩⟨j| = |p⟩⟨p| + i|q⟩⟨q| − (1 + i)(|i⟩⟨i| + |j⟩⟨j|)/2.
    """
    d, times = of.size, len(of.times)
    if d > MOST_STATES:
        raise ValueError(f"a superoperator on {d} states is given to start from, at most {MOST_STATES} are taken")
    unit = np.eye(d, dtype=complex)

    def of_ket(ket: np.ndarray) -> np.ndarray:
        return of.problem([(1.0, ket)], True, "mesolve", representation=representation).solve()["states"]["rho"][:times]

    # Column by column, as QuTiP writes ρ: V[t][:, (j, i)] is ρ(t) from |i⟩⟨j|.
    V = np.empty((times, d, d, d, d), complex)
    own = [of_ket(unit[i]) for i in range(d)]
    for i in range(d):
        V[:, :, :, i, i] = own[i].transpose(0, 2, 1)
        for j in range(i):
            p, q = of_ket((unit[i] + unit[j]) / np.sqrt(2)), of_ket((unit[i] + 1j * unit[j]) / np.sqrt(2))
            rho = p + 1j * q - (0.5 + 0.5j) * (own[i] + own[j])
            V[:, :, :, j, i] = rho.transpose(0, 2, 1)
            V[:, :, :, i, j] = rho.conj()
    return V.reshape(times, d * d, d * d) @ start
