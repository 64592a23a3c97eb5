"""Jump operators of the same master equation that mix fewer states: sums of those given, by a unitary matrix."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

#: Below this part of the product of their norms two rows are orthogonal but for rounding.
ORTHOGONAL = 1e-13
#: Most elements times operators that are looked at together, and most different directions.
MOST_ELEMENTS, MOST_DIRECTIONS = 4_000_000, 2_000


def rotated(jumps: list, size: int) -> list:
    r"""Constant jump operators apart where their matrix elements fall apart; those that change with time, and others, as they are.

    Σ_k D[L_k]ρ depends on the L_k through K = Σ_k \|L_k⟩⟩⟨⟨L_k\| alone, so that any Σ_k U_jk L_k with U unitary, and any others of the
    same K, are as good. Where K has blocks between which all elements are 0 the parts of the L_k on each of them are others of the
    same K, and parts that are multiples of each other are one. Wherever a charge is kept by everything else, and the operators
    are mixtures of some that change it by definite amounts, these lie in different blocks of K: σ_x and σ_y with the same rate
    become √2σ_- and √2σ_+. Such choices are the subject of K. Macieszczak and D. C. Rose, Phys. Rev. A 103, 042204 (2021).

    Parameters
    ----------
    jumps : list of ((rows, columns, values), modulated)
        As the compiled half takes them.
    size : int
        Number of states.
    """
    constant = [k for k, (_, modulated) in enumerate(jumps) if not modulated]
    if not constant:
        return jumps
    of = np.repeat(np.arange(len(constant)), [len(jumps[k][0][0]) for k in constant])
    rows, columns, values = (np.concatenate([jumps[k][0][i] for k in constant]) for i in range(3))
    there = values != 0
    of, values = of[there], values[there]
    elements, places = np.unique(rows[there] * size + columns[there], return_inverse=True)
    shared = csr_array((np.ones(len(of)), (of, places)), shape=(len(constant), len(elements)))
    count, groups = connected_components(shared @ shared.T, directed=False)
    found = {}
    for group in range(count):
        members = np.flatnonzero(groups == group)
        if len(members) > 1:
            own = np.isin(of, members)
            kinds, inverse = np.unique(places[own], return_inverse=True)
            if len(kinds) * len(members) <= MOST_ELEMENTS:
                matrix = np.zeros((len(kinds), len(members)), complex)
                np.add.at(matrix, (inverse, np.searchsorted(members, of[own])), values[own])
                parts = _apart(elements[kinds], matrix, size)
                if parts is not None:
                    found[constant[members[0]]] = parts
                    found |= {constant[k]: [] for k in members[1:]}
    return [new for k, jump in enumerate(jumps) for new in found.get(k, [jump])]


def _apart(elements: np.ndarray, matrix: np.ndarray, size: int) -> list | None:
    """The columns of ``matrix``, a row an element, on blocks of K = matrix·matrix†; None if that is of no use."""
    norms = np.linalg.norm(matrix, axis=1)
    elements, matrix, norms = elements[norms > 0], matrix[norms > 0], norms[norms > 0]
    directions = matrix / norms[:, None]
    first = directions[np.arange(len(directions)), (np.abs(directions) > 1e-6).argmax(axis=1)]
    directions *= (first.conj() / np.abs(first))[:, None]
    _, chosen, direction = np.unique(np.round(directions, 9), axis=0, return_index=True, return_inverse=True)
    if len(chosen) > MOST_DIRECTIONS:
        return None
    overlap = np.abs(directions[chosen] @ directions[chosen].conj().T) > ORTHOGONAL
    _, labels = connected_components(csr_array(overlap), directed=False)
    blocks = labels[direction.reshape(-1)]
    # An element on the diagonal joins no states: blocks of such alone are no gain.
    moving = np.unique(blocks[elements // size != elements % size])
    if not len(moving) or (len(moving) == 1 and blocks.max() == 0):
        return None
    blocks = np.where(np.isin(blocks, moving), blocks, -1)
    jumps = []
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        for column in _merged(matrix[rows]):
            there = np.flatnonzero(column)
            code = elements[rows[there]]
            jumps.append(((code // size, code % size, np.ascontiguousarray(column[there])), []))
    return jumps


def _merged(matrix: np.ndarray) -> list[np.ndarray]:
    """Columns with the same Σ|c⟩⟨c|: those that are multiples of each other as one."""
    kept: list[np.ndarray] = []
    for column in matrix.T:
        square = np.vdot(column, column).real
        if square == 0:
            continue
        for k, other in enumerate(kept):
            factor = np.vdot(other, column) / np.vdot(other, other).real
            if np.linalg.norm(column - factor * other) <= ORTHOGONAL * np.sqrt(square):
                kept[k] = other * np.sqrt(1 + abs(factor) ** 2)
                break
        else:
            kept.append(column)
    return kept
