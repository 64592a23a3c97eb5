"""One program on one problem: `worker.py PROGRAM PROBLEM`. Says {"start": seconds} once it is imported, compiled and warm, and
then answers each line `SEED TRAJECTORIES` by {"seconds": CPU time, "energy": [at all times]}. One core."""

import json
import os
import sys
import time

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"
started = time.process_time()
import numpy as np

import problems

# Problems whose trajectories mostly never jump, where the path without jumps need not be sampled.
RARE = ("tls", "star", "oscillators")


def qutip_operators(p):
    import qutip as qt

    H, jumps = qt.Qobj(p["H"]), [qt.Qobj(x) for x in p["jumps"]]
    if p["late"] is not None:
        on = qt.coefficient(np.array([0.0, 1.0, 1.0]), tlist=np.array([0.0, p["since"], p["times"][-1]]), order=0)
        jumps.append(qt.QobjEvo([qt.Qobj(p["late"]), on]))
    return qt, H, jumps, qt.Qobj(p["psi"].reshape(-1, 1)), qt.Qobj(p["energy"])


def qutip_mcsolve(name, p):
    """The fastest of its methods on one core, with `improved_sampling` where that helps."""
    qt, H, jumps, psi, energy = qutip_operators(p)
    options = dict(progress_bar="", store_states=False, store_final_state=False, keep_runs_results=False, map="serial")
    options.update(method="diag", improved_sampling=name in RARE)
    if name == "aging":  # not constant, and too fast for the default tolerances
        options.update(method="vern7", rtol=1e-6, atol=1e-8, nsteps=10**6, norm_t_tol=1e-11, norm_tol=1e-4, norm_steps=50)
    solver = qt.MCSolver(H, jumps, options=options)
    return lambda seed, n: np.real(solver.run(psi, p["times"], ntraj=n, e_ops=[energy], seeds=seed).average_expect[0])


def qutip_mesolve(name, p):
    qt, H, jumps, psi, energy = qutip_operators(p)
    options = dict(progress_bar="", store_states=False, nsteps=10**6, method="bdf" if name == "aging" else "adams")
    solver = qt.MESolver(H, jumps, options=options)
    return lambda seed, n: np.real(solver.run(psi.proj(), p["times"], e_ops=[energy]).expect[0])


def dynamiqs_operators(p):
    import dynamiqs as dq
    import jax

    dq.set_precision("double")
    dq.set_progress_meter(False)
    H, energy, *jumps = (x.toarray() for x in (p["H"], p["energy"], *p["jumps"]))
    if p["late"] is not None:
        jumps.append(dq.pwc([0.0, p["since"], p["times"][-1]], [0.0, 1.0], p["late"].toarray()))
    return dq, jax, H, jumps, p["psi"].reshape(-1, 1), energy


def dynamiqs_jssesolve(name, p):
    """Clicks found by Newton's method, as its documentation has it, with `smart_sampling` where that helps."""
    import optimistix

    dq, jax, H, jumps, psi, energy = dynamiqs_operators(p)
    root = optimistix.Newton(1e-5, 1e-5, optimistix.rms_norm)
    method = dq.method.Event(root_finder=root, smart_sampling=name in RARE)

    def run(seed, n):
        keys = jax.random.split(jax.random.key(seed), n)
        result = dq.jssesolve(H, jumps, psi, p["times"], keys, exp_ops=[energy], method=method, save_states=False, nmaxclick=100)
        return np.real(np.asarray(result.mean_expects())[0])

    return run


def dynamiqs_mesolve(name, p):
    dq, jax, H, jumps, psi, energy = dynamiqs_operators(p)
    return lambda seed, n: np.real(np.asarray(
        dq.mesolve(H, jumps, psi, p["times"], exp_ops=[energy], save_states=False).expects)[0])


def yaqs_mcwf(name, p):
    """Vector representation, one site of dimension d, a tenth of the distance of the times a step; less where jumps are faster than that."""
    from mqt.yaqs import Hamiltonian, NoiseModel, Observable, Simulator, State
    from mqt.yaqs import AnalogSimParams

    d, every = len(p["psi"]), 100 if name == "charger" else 10
    state = State(vector=p["psi"], physical_dimensions=[d])
    noise = NoiseModel([{"name": f"L{k}", "sites": [0], "strength": 1.0, "matrix": x.toarray()} for k, x in enumerate(p["jumps"])])
    H = Hamiltonian(1, matrix=p["H"].toarray(), physical_dimension=d)
    simulator = Simulator(parallel=False, show_progress=False)

    def run(seed, n):
        end = float(p["times"][-1])
        settings = AnalogSimParams([Observable(p["energy"].toarray(), [0])], end, end / (every * (len(p["times"]) - 1)), n, random_seed=seed)
        return np.asarray(simulator.run(state, H, settings, noise).expectation_values[0])[::every]

    return run


def main(program, name):
    p = problems.problem(name)
    run = globals()[program](name, p)
    count = int(sys.argv[3])
    run(10**6, count)  # compiles for this number
    print(json.dumps({"start": time.process_time() - started}), flush=True)
    for line in sys.stdin:
        seed, n = map(int, line.split())
        before = time.process_time()
        energy = run(seed, n)
        print(json.dumps({"seconds": time.process_time() - before, "energy": [float(x) for x in energy]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
