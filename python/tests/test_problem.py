"""Problems in leyden's language: built, sampled, solved, cut up, and refused."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import leyden
import numpy as np
import pytest
from conftest import ROOT, z


def decay(n=20):
    p = leyden.Problem().titled("decay").ensemble("B", n).initial("B", "excited").each("loss", "sm(B)", 1.0)
    return p.evolve("storage", 0.5, samples=4).observe("energy", "ergotropy", "jumps")


def test_sampled_energy_is_that_of_the_equation():
    r = decay().sample(4000, seed=3)
    exact = 20 * np.exp(-r.time)
    # Five rows: a correct program fails with a chance below 1e-4.
    assert z(r["energy"], r["energy"].se, exact, 0.05) < 4.5
    assert np.abs(decay().solve()["energy"] - exact).max() < 1e-8
    lo, hi = r["energy"].interval
    assert (lo <= r["energy"]).all() and (r["energy"] <= hi).all()
    assert {"energy", "ergotropy", "jumps_loss"} <= set(r.columns) and list(r) == r.columns and "energy" in r
    assert r.step == ["storage"] * 5 and r.trajectories == 4000 and r.seed == 3


def reference(name):
    """Numbers made with other programs, those of the Rust tests."""
    return json.loads((ROOT / "tests" / "data" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["S1_excited", "S1_mixed", "S1_plus"])
def test_one_cell_as_other_programs_have_it(name, examples):
    data = reference(name)
    of, times = data["observables"], np.array(data["times"])
    start = dict(p_e=data["params"]["pe0"], c_eg=data["params"]["c0"])
    p = leyden.Problem(examples / "cell_discharge.toml", **start, t_end=times[-1], samples=len(times) - 1)
    exact = p.solve()
    np.testing.assert_allclose(exact.time, times, atol=1e-12)
    np.testing.assert_allclose(exact["energy"], of["E"], atol=1e-10)
    np.testing.assert_allclose(exact["ergotropy"], of["W"], atol=1e-10)
    r = p.sample(5000, seed=1)
    # 61 rows: a correct program fails with a chance below 1e-4.
    assert z(r["energy"], r["energy"].se, of["E"], 0.01) < 5.0
    outside = (r["ergotropy"].lo - 3 * r["ergotropy"].se > of["W"]) | (of["W"] > r["ergotropy"].hi + 3 * r["ergotropy"].se)
    assert not outside.any()


def test_a_file_with_parameters(examples):
    p = leyden.Problem(examples / "aging.toml", N=6, cycles=2)
    r = p.sample(500, seed=1)
    assert "ergotropy" in r and r.cycle.max() == 1
    assert p == leyden.Problem(examples / "aging.toml", N=6, cycles=2) != leyden.Problem(examples / "aging.toml", N=7, cycles=2)
    assert p.verify(2000)


def test_the_command_gives_the_same_numbers(examples, tmp_path):
    out = tmp_path / "run"
    arguments = ["run", str(examples / "thermal.toml"), "-p", "N=4", "--trajectories", "300", "--seed", "5", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "leyden", *arguments], check=True, capture_output=True)
    pandas = pytest.importorskip("pandas")
    told = pandas.read_csv(out / "observables.csv")
    r = leyden.Problem(examples / "thermal.toml", N=4).sample(300, seed=5)
    for name in r:
        np.testing.assert_array_equal(told[name], r[name])
        if r[name].se is not None:
            np.testing.assert_array_equal(told[f"{name}_se"], r[name].se)


def test_exit_status_of_the_command(tmp_path):
    missing = subprocess.run([sys.executable, "-m", "leyden", "run", str(tmp_path / "no.toml")], capture_output=True, text=True)
    assert missing.returncode == 2 and "cannot be read" in missing.stderr
    version = subprocess.run([sys.executable, "-m", "leyden", "--version"], capture_output=True, text=True)
    assert version.returncode == 0 and leyden.__version__ in version.stdout


def test_parts_are_the_run_to_the_last_byte():
    p = decay()
    whole = p.sample(30_000, seed=2)
    parts = [p.sample(30_000, seed=2, part=(k, 3), threads=1) for k in (1, 2, 3)]
    assert 0 < parts[1].trajectories < 30_000
    merged = sum(pickle.loads(pickle.dumps([parts[2], parts[0], parts[1]])))
    assert merged.trajectories == 30_000
    for name in whole:
        np.testing.assert_array_equal(whole[name], merged[name])
        np.testing.assert_array_equal(whole[name].se, merged[name].se)
    np.testing.assert_array_equal(whole.shots.jumps, merged.shots.jumps)
    with pytest.raises(ValueError, match="are missing"):
        (parts[0] + parts[2])["energy"]
    with pytest.raises(ValueError, match="both parts hold"):
        parts[0] + parts[0]
    with pytest.raises(ValueError, match="parts of one run"):
        parts[0] + p.sample(30_000, seed=3, part=(2, 3))


def test_parts_from_joblib_workers():
    joblib = pytest.importorskip("joblib")
    p = decay(6)
    parts = joblib.Parallel(n_jobs=2)(joblib.delayed(p.sample)(20_000, seed=2, part=(k, 2), threads=1) for k in (1, 2))
    np.testing.assert_array_equal(sum(parts)["energy"], p.sample(20_000, seed=2)["energy"])


def test_threads_change_nothing():
    one, two = (decay().sample(3000, seed=7, threads=n) for n in (1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_other_forms():
    r = decay().sample(400, seed=1)
    data, frame = r.to_xarray(), r.to_pandas()
    assert (data.energy.values == r["energy"]).all() and (data.energy_lo.values == r["energy"].lo).all()
    assert data.attrs["trajectories"] == 400 and (frame.energy_se == r["energy"].se).all()
    assert "±" in repr(r) and "<table>" in r._repr_html_()
    import matplotlib

    matplotlib.use("Agg")
    ax = r.plot("energy")
    assert len(ax.lines) == 1 and len(ax.collections) == 1
    assert isinstance(r["energy"] - 1.0, np.ndarray) and not isinstance(r["energy"] * 2, leyden.Column)


def test_shots_and_jumps():
    r = decay(3).record(jumps=True, first_passage=[{"quantity": "energy", "below": 1.5}]).sample(2000, seed=4)
    shots, jumps = r.shots, r.jumps
    assert shots.weight.sum() == pytest.approx(1.0)
    assert (shots.weight * shots.energy_mean).sum() == pytest.approx(r["energy"][-1], abs=1e-12)
    counts = np.bincount(jumps["trajectory"], minlength=len(shots.weight))
    np.testing.assert_array_equal(counts, shots.jumps[:, 0])
    assert (jumps["time"] <= 0.5).all() and shots.first_passage.shape == (len(shots.weight), 1)


def test_targets_and_time():
    r = decay().sample(10**9, seed=1, target_error={"energy": 0.02})
    error = (r["energy"].hi - r["energy"].lo).max() / 3.92
    assert r.trajectories < 10**6 and error <= 0.02 * 1.0001
    assert decay(1000).sample(10**9, seed=1, max_time=0.2).trajectories < 10**9


def test_sweeps_steady_states_and_words(examples):
    p = leyden.Problem().parameters(a=0.3).cell("B").collective("down", "sm(B)", 1.0).collective("up", "sp(B)", "a")
    p = p.evolve("wait", 1.0, samples=2).observe("energy")
    s = p.sweep("steady", a=[0.1, 0.2, 0.4])
    np.testing.assert_allclose(s["energy"][:, 0], [a / (1 + a) for a in (0.1, 0.2, 0.4)], atol=1e-10)
    assert s.to_xarray().energy.dims == ("a", "row")
    text = p.inspect()
    assert "sm(B)" in text.text and any(good for _, good, _ in text.representations) and "documentclass" in text.latex
    assert "mesolve" in p.export()


def test_costs_are_those_of_the_command(tmp_path):
    p = decay()
    seen = p.inspect(trajectories=1_000_000)
    cost = seen.cost
    (tmp_path / "decay.toml").write_text(p.toml)
    command = [sys.executable, "-m", "leyden", "inspect", str(tmp_path / "decay.toml"), "--trajectories", "1000000"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Bytes are the same to the last digit; times are measured anew.
    memory, heads = (lambda text: text[: text.index("\ntime ")]), (lambda text: [line[:16] for line in text.splitlines()])
    costs = printed[printed.index("\nmemory ") + 1 :]
    assert memory(cost.text) == memory(costs) and heads(cost.text) == heads(costs)
    assert repr(cost) in seen.text and repr(cost).splitlines()[0] in seen._repr_html_()
    assert cost.trajectories == 1_000_000 and set(cost.memory) == {"averages", "ergotropy", "shots"} and cost.refused is None
    assert cost.seconds == pytest.approx(cost.seconds_setup + 1e6 * cost.seconds_each / cost.threads)
    assert cost.exact_states > 0 and cost.exact_seconds is None and cost.exact_refused is None
    # A variance of 500 is known to 6 %, that of 4,000 to 2 %: 30 % are five deviations.
    sampled = p.sample(4000, seed=3)["energy"]
    assert cost.pilot_trajectories > 500
    assert cost.precision["energy"] == pytest.approx(4000 * (sampled.se.max() / (0.01 * sampled.max())) ** 2, rel=0.3)
    refused = leyden.Problem().cell("B").collective("down", "sm(B)", 1.0).evolve("wait", 1.0, samples=2).observe("energy").toml
    assert "not for sample(): " in leyden.Problem(refused, representation="ladder").inspect().text


def test_mistakes_are_told_with_their_place(tmp_path):
    with pytest.raises(leyden.InputError, match="unknown parameter `gama`"):
        leyden.Problem(decay().toml.replace("rate = 1.0", 'rate = "gama"'))
    with pytest.raises(OSError):
        leyden.Problem(tmp_path / "none.toml")
    with pytest.raises(KeyError, match="there is no column `energi`"):
        decay().sample(10)["energi"]
    with pytest.raises(ValueError, match="there is no column `x`"):
        decay().sample(10, target_error={"x": 1})
    for wrong in (0, -3, 2.5):
        with pytest.raises(ValueError, match="trajectories is"):
            decay().sample(wrong)
    with pytest.raises(TypeError, match="whole number"):
        decay().sample("many")
    with pytest.raises(ValueError, match="number of the part"):
        decay().sample(10, part=(4, 3))
    with pytest.raises(ValueError, match="ladder"):
        leyden.Problem(ROOT / "examples" / "dephased_cells.toml", representation="ladder").sample(10)


def test_control_c_ends_a_run_within_two_seconds():
    main = threading.get_ident()
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        decay(2000).sample(10**8, seed=1)
    assert time.perf_counter() - started < 3.0


def test_the_lock_is_released_and_progress_told():
    told, ticks, over = [], [], threading.Event()

    def tick():
        while not over.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.01)

    clock = threading.Thread(target=tick)
    clock.start()
    decay(500).sample(10**9, seed=1, max_time=0.6, progress=told.append)
    over.set()
    clock.join()
    assert len(ticks) > 10 and told == sorted(told) and told[-1] > 0


def test_an_exception_in_progress_is_passed_on():
    def fails(done):
        raise ZeroDivisionError(done)

    with pytest.raises(ZeroDivisionError):
        decay(500).sample(10**9, seed=1, progress=fails)
