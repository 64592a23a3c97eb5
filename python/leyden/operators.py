"""Matrices of whoever brings them: QuTiP's Qobj and QobjEvo, scipy's sparse matrices, numpy's arrays."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from .coefficients import Coefficient, coefficient

#: Elements below this part of the largest are rounding where a matrix is compared with its adjoint.
ROUNDING = 1e-10
#: Up to so many states arrays are faster than sparse matrices.
SMALL = 128


@dataclass
class Matrix:
    """A sparse square matrix: rows, columns, values, and its size."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    size: int

    @classmethod
    def of(cls, op, what: str, dims=None) -> Matrix:
        """Take over a matrix, refusing what is none with its name."""
        qutip = sys.modules.get("qutip")
        if qutip is not None and isinstance(op, qutip.Qobj):
            if not op.isoper:
                kind = "a superoperator" if op.issuper else f"a {op.type}"
                raise TypeError(f"{what} is {kind}, expected an operator")
            op = _of_qobj(op)
        if hasattr(op, "tocoo"):
            op = op.tocoo()
            shape, rows, columns, values = op.shape, op.row, op.col, op.data
        else:
            try:
                dense = np.asarray(op, dtype=complex)
            except (TypeError, ValueError):
                raise TypeError(f"{what} is of type {type(op).__name__}, expected a matrix") from None
            if dense.ndim != 2:
                raise ValueError(f"{what} has the shape {dense.shape}, expected a square matrix")
            shape = dense.shape
            rows, columns = np.nonzero(dense)
            values = dense[rows, columns]
        if shape[0] != shape[1]:
            raise ValueError(f"{what} has the shape {tuple(shape)}, expected a square matrix")
        values = np.ascontiguousarray(values, dtype=complex)
        if not np.isfinite(values).all():
            k = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{what} has the element {values[k]} at ({rows[k]}, {columns[k]})")
        rows, columns = (np.ascontiguousarray(index, dtype=np.int64) for index in (rows, columns))
        return cls(rows, columns, values, int(shape[0]))

    @classmethod
    def zero(cls, size: int) -> Matrix:
        """All zeros."""
        none = np.empty(0, np.int64)
        return cls(none, none, np.empty(0, complex), size)

    def triple(self) -> tuple:
        """As the compiled half takes it."""
        return (self.rows, self.columns, self.values)

    def adjoint(self) -> Matrix:
        """The Hermitian conjugate."""
        return Matrix(self.columns, self.rows, self.values.conj(), self.size)

    def times(self, factor: complex) -> Matrix:
        """So many times the matrix."""
        return Matrix(self.rows, self.columns, self.values * factor, self.size)

    def plus(self, other: Matrix) -> Matrix:
        """The sum, each element once and zeros left out."""
        if not other.values.size or not self.values.size:
            return self if self.values.size else other
        code = np.concatenate([self.rows * self.size + self.columns, other.rows * self.size + other.columns])
        unique, place = np.unique(code, return_inverse=True)
        values = np.zeros(unique.size, complex)
        np.add.at(values, place, np.concatenate([self.values, other.values]))
        kept = values != 0
        return Matrix(unique[kept] // self.size, unique[kept] % self.size, values[kept], self.size)

    def parts(self) -> tuple[Matrix, Matrix]:
        """R and I of R + iI, both Hermitian."""
        if self.size <= SMALL:
            dense = self.dense()
            if np.array_equal(dense, dense.conj().T):
                return self, Matrix.zero(self.size)
        adjoint = self.adjoint()
        return self.plus(adjoint).times(0.5), self.plus(adjoint.times(-1)).times(-0.5j)

    @property
    def largest(self) -> float:
        """The largest modulus of an element."""
        return float(np.abs(self.values).max(initial=0.0))

    def is_hermitian(self) -> bool:
        """Whether it equals its adjoint but for rounding."""
        return self.parts()[1].largest <= ROUNDING * self.largest

    def range(self) -> tuple[float, float]:
        """Bounds of the eigenvalues of a Hermitian matrix: the eigenvalues of a small one, Gershgorin's circles of a large one."""
        diagonal = np.zeros(self.size)
        on = self.rows == self.columns
        np.add.at(diagonal, self.rows[on], self.values[on].real)
        if on.all():
            return float(diagonal.min()), float(diagonal.max())
        if self.size <= SMALL:
            values = np.linalg.eigvalsh(self.dense())
            slack = 1e-12 * np.abs(values).max()
            return float(values[0] - slack), float(values[-1] + slack)
        beside = np.zeros(self.size)
        np.add.at(beside, self.rows[~on], np.abs(self.values[~on]))
        return float((diagonal - beside).min()), float((diagonal + beside).max())

    def dense(self) -> np.ndarray:
        """As an array."""
        array = np.zeros((self.size, self.size), complex)
        np.add.at(array, (self.rows, self.columns), self.values)
        return array


def _of_qobj(op):
    if op.shape[0] <= SMALL:
        return op.full()
    data = op.data
    return data.as_scipy() if hasattr(data, "as_scipy") else op.full()


def dims_of(op):
    """The dimensions of the tensor factors that an operator or ket of QuTiP says; None of plain arrays."""
    dims = getattr(op, "dims", None)
    if dims is None or not isinstance(dims, (list, tuple)):
        return None
    flat, todo = [], [dims[0]]
    while todo:
        first = todo.pop(0)
        if isinstance(first, (list, tuple)):
            todo = [*first, *todo]
        else:
            flat.append(int(first))
    return flat


@dataclass
class Term:
    """A matrix with the function of time that multiplies it; None where that is 1."""

    matrix: Matrix
    factor: Coefficient | None
    op: object


def terms(spec, what: str, args: dict, span: tuple[float, float], tlist) -> list[Term]:
    """An operator, constant or changing with time, as a sum of matrices with functions of time.

    ``spec`` is a matrix, a QobjEvo, a function of time that returns a matrix, [matrix, coefficient], or a list of these.
    """
    qutip = sys.modules.get("qutip")
    if qutip is not None and isinstance(spec, qutip.QobjEvo):
        if not spec.isoper:
            raise TypeError(f"{what} is no operator but a {spec.type}")
        if args:
            spec = spec.copy()
            spec.arguments(args)
        spec = spec.to_list()
    if isinstance(spec, (list, tuple)) and not _is_array(spec):
        if is_pair(spec):
            return _pair(spec, what, args, span, tlist)
        found = []
        for k, part in enumerate(spec):
            found += terms(part, f"{what}, term {k}", args, span, tlist)
        return found
    if callable(spec) and not hasattr(spec, "shape"):
        return _of_function(spec, what, args, span)
    return [Term(Matrix.of(spec, what), None, spec)]


def _is_array(spec) -> bool:
    """Whether nested lists are a matrix written out."""
    return bool(spec) and all(isinstance(row, (list, tuple)) and all(np.isscalar(x) for x in row) for row in spec)


def is_pair(spec) -> bool:
    """Whether it is [matrix, coefficient]."""
    if len(spec) != 2 or isinstance(spec[0], (list, tuple)):
        return False
    second = spec[1]
    if isinstance(second, (str, dict)) or np.isscalar(second) or isinstance(second, Coefficient):
        return True
    if isinstance(second, np.ndarray):
        return second.ndim == 1
    return callable(second) and not hasattr(second, "shape")


def _pair(spec, what, args, span, tlist) -> list[Term]:
    op, factor = spec
    if isinstance(factor, dict):  # how QobjEvo says a function of time
        return _of_function(op, what, factor | args, span)
    found = coefficient(factor, f"the coefficient of {what}", args, span, tlist)
    matrix = Matrix.of(op, what)
    if found.constant is not None:
        return [Term(matrix.times(found.constant), None, op)]
    return [Term(matrix, found, op)]


def _of_function(function, what, args, span) -> list[Term]:
    """H(t) = Σ f_k(t) M_k by the singular vectors of H at many times, and checked at others."""
    from .coefficients import called

    at = called(function, args)

    def matrix(t: float) -> Matrix:
        made = at(t)
        while isinstance(made, (list, tuple)) or type(made).__name__ == "QobjEvo":
            made = made(t) if callable(made) else made[0]
        return Matrix.of(made, f"{what} at t = {t:g}")

    first = matrix(span[0])
    size = first.size
    times = np.linspace(*span, 33)
    samples = [first, *(matrix(t) for t in times[1:])]
    codes = np.unique(np.concatenate([m.rows * size + m.columns for m in samples]))

    def vector(of: Matrix) -> np.ndarray:
        code = of.rows * size + of.columns
        if not np.isin(code, codes).all():
            raise ValueError(f"{what} has elements at some times that it has at no other: give it as a list of terms")
        found = np.zeros(codes.size, complex)
        np.add.at(found, np.searchsorted(codes, code), of.values)
        return found

    if not codes.size:
        return [Term(Matrix.zero(size), None, at(span[0]))]
    _, weights, basis = np.linalg.svd(np.array([vector(m) for m in samples]), full_matrices=False)
    rank = int((weights > 1e-12 * weights[0]).sum())
    if rank > 8:
        raise ValueError(f"{what} is a sum of more than 8 matrices with functions of time: give it as a list of terms")
    basis = basis[:rank]
    # Of one matrix, the matrix itself, so that its function is that of the elements.
    if rank == 1:
        basis = basis * (basis[0, np.abs(basis[0]).argmax()].conj() / np.abs(basis[0]).max())
    dual = np.linalg.pinv(basis)

    def factor(k: int):
        def value(t: float) -> complex:
            own = vector(matrix(t))
            weights = own @ dual
            if np.abs(weights @ basis - own).max() > 1e-9 * max(np.abs(own).max(), 1e-300):
                raise ValueError(f"{what} at t = {t:g} is no sum of what it is at 33 other times: give it as a list of terms")
            return weights[k]

        return value

    found = []
    op = at(span[0])
    for k in range(rank):
        part = Matrix(codes // size, codes % size, basis[k], size)
        function_of_time = coefficient(factor(k), f"the coefficient of {what}", {}, span, None)
        if function_of_time.constant is not None:
            found.append(Term(part.times(function_of_time.constant), None, op))
        else:
            found.append(Term(part, function_of_time, op))
    return found
