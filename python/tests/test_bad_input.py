"""What is wrong is told with what and where, by exceptions of the fitting class."""

import leyden
import numpy as np
import pytest

SM = np.array([[0, 1], [0, 0]], complex)
N = np.diag([0.0, 1.0])
PSI = np.array([0, 1.0])
T = [0.0, 1.0]


def solve(H=N, state=PSI, tlist=T, c_ops=(SM,), e_ops=(N,), ntraj=10, **more):
    return leyden.mcsolve(H, state, tlist, list(c_ops), list(e_ops), ntraj, **more)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (dict(H=np.ones((2, 3))), ValueError, r"H has the shape \(2, 3\), expected a square matrix"),
        (dict(c_ops=[np.eye(3)]), ValueError, r"c_ops\[0\] has 3 states and H has 2"),
        (dict(e_ops=[np.eye(3)]), ValueError, r"e_ops\[0\] has 3 states"),
        (dict(H=SM), ValueError, r"H is not Hermitian: its element \(0, 1\)"),
        (dict(H=[N, [SM, "exp(1j*t)"]]), ValueError, "H is not Hermitian at t = 0"),
        (dict(H="sigma"), TypeError, "H is of type str"),
        (dict(H=N * np.nan), ValueError, r"H has the element \(?nan"),
        (dict(state=[0, 0]), ValueError, "state has the norm 0"),
        (dict(state=[0, 1, 0]), ValueError, r"state has the shape \(3,\)"),
        (dict(state=[0, np.inf]), ValueError, "state has elements that are not finite"),
        (dict(state=np.diag([1.5, -0.5])), ValueError, "the eigenvalue -0.5"),
        (dict(state=SM), ValueError, "differs from its adjoint"),
        (dict(tlist=[0, 1j]), TypeError, "tlist holds complex128 numbers"),
        (dict(tlist=[0, 2, 1]), ValueError, "tlist falls from 2 to 1 at place 2"),
        (dict(tlist=[0, np.nan]), ValueError, "tlist holds nan at place 1"),
        (dict(tlist=[]), ValueError, "tlist"),
        (dict(ntraj=0), ValueError, "ntraj is 0, expected a whole number from 1"),
        (dict(ntraj=float("nan")), ValueError, "ntraj is nan"),
        (dict(H=np.eye(1)), ValueError, "H has 1 state"),
        (dict(H=np.eye(1025), state=np.eye(1025)[0], c_ops=[], e_ops=[]), ValueError, "density matrices of 1025 states"),
        (dict(ntraj=-4), ValueError, "ntraj is -4"),
        (dict(ntraj="many"), TypeError, "ntraj is 'many'"),
        (dict(c_ops=[[SM, lambda t: 1 / (t - 0.25)]]), ValueError, r"coefficient of c_ops\[0\] cannot be evaluated at t = 0.25"),
        (dict(c_ops=[[SM, lambda t: float("nan")]]), ValueError, r"coefficient of c_ops\[0\] is \(?nan.* at t = 0"),
        (dict(H=[N, [N, lambda t: 1.0 if t > 0.3 else 0.0]]), ValueError, "varies faster than a spline resolves at t = 0.3"),
        (dict(H=[N, [N, "cos(v*t)"]]), ValueError, "unknown name `v`"),
        (dict(H=[N, [N, "cos(t"]]), ValueError, "is no expression"),
        (dict(H=[N, [N, np.ones(5)]]), ValueError, "5 values for 2 times"),
        (dict(e_ops=[lambda t, psi: 1]), TypeError, r"e_ops\[0\] is a function"),
        (dict(options={"metod": 1}), KeyError, "unknown option 'metod'"),
        (dict(options={"bitgenerator": "MT19937"}), ValueError, "ChaCha"),
        (dict(options={"representation": "small"}), ValueError, "expected one of `ladder`"),
        (dict(options={"representation": "ladder"}), leyden.CompileError, "ladder"),
        (dict(seeds=[1]), ValueError, "1 seeds are given for 10 trajectories"),
        (dict(seeds=list(range(10))), ValueError, "earlier result"),
        (dict(seeds=-1), ValueError, "expected non-negative"),
        (dict(target_tol=-1), ValueError, "target_tol holds"),
        (dict(target_tol=0.1, e_ops=[]), ValueError, "target_tol needs e_ops"),
        (dict(dims=[3]), ValueError, r"dims is \[3\], whose product is not 2"),
    ],
)
def test_what_is_wrong_is_told(given, error, text):
    with pytest.raises(error, match=text):
        solve(**given)


def test_a_rate_below_zero_is_refused():
    with pytest.raises(leyden.InputError, match="rate"):
        leyden.Problem().cell("B").collective("loss", "sm(B)", -1.0).evolve("w", 1.0, samples=1).observe("energy").sample(10)


def test_no_equation_no_steady_state():
    with pytest.raises(TypeError, match="without c_ops"):
        leyden.steadystate(N, [])
    with pytest.raises(TypeError, match="both state and rho"):
        leyden.steadystate(N, [SM], state=PSI, rho=PSI)
    with pytest.raises(ValueError, match="changes with time"):
        leyden.steadystate([N, [N, "t"]], [SM])


def test_extremes_are_no_panic():
    for scale in (1e-300, 1e-9, 1e9):
        r = solve(H=N * scale, tlist=np.array(T) / scale if scale < 1 else T, c_ops=[SM * np.sqrt(min(scale, 1.0))])
        assert np.isfinite(r.expect[0]).all()
    assert solve(tlist=[0.5]).expect[0].shape == (1,)
    assert solve(tlist=[0.0, 0.0, 1.0]).expect[0].shape == (3,)
    assert solve(c_ops=[]).expect[0] == pytest.approx([1.0, 1.0])
    assert solve(H=np.zeros((2, 2))).num_trajectories == 10
