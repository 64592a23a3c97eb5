"""Quantum trajectories of open systems with error bars one can trust.

``mcsolve``, ``mesolve`` and ``steadystate`` take what QuTiP's take. ``Problem`` is for leyden's own language: batteries with their
ergotropies, single shots, protocols of pulses and steps.
"""

from ._leyden import CompileError, InputError, RunError, __version__
from .liouvillian import lindblad_form
from .mcsolve import McResult, mcsolve
from .mesolve import MeResult, mesolve, steadystate
from .problem import Cost, Inspection, Problem, Sweep, Verdict
from .result import Column, Result, Shots

__all__ = [
    "Column", "CompileError", "Cost", "InputError", "Inspection", "McResult", "MeResult", "Problem", "Result", "RunError", "Shots", "Sweep",
    "Verdict", "__version__", "lindblad_form", "mcsolve", "mesolve", "steadystate",
]
