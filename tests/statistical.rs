//! The long statistical tier: published sizes against exact references, and tests of the error bars themselves.
//!
//! cargo test --release --test statistical -- --ignored --nocapture

mod common;

use common::*;
use leyden::estimate::columns;
use leyden::estimate::verify::compare;
use leyden::exact::blocks::Ending;
use leyden::exact::rate_equation::RateEquation;
use leyden::problem::{ChannelId, Initial, Kind, OpSum, Problem, Quantity, a, n, sm, sp};
use leyden::run::{self, Outcome, RunOptions};
use leyden::stop::Stop;
use leyden::table::Table;
use leyden::unravel::engine::Engine;
use serde_json::Value;

const AGING: &str = include_str!("../examples/aging.toml");
const RELEASE: &str = include_str!("../examples/aging_release.toml");

fn exact(problem: &Problem) -> Table {
    RateEquation::new(problem).unwrap().solve().unwrap()
}

/// The same problem with all else that it asks for.
fn without_ergotropy(problem: &Problem) -> Problem {
    problem.with_quantities(problem.quantities().iter().filter(|q| **q != Quantity::Ergotropy).cloned()).unwrap()
}

fn sampled(problem: &Problem, outcome: &Outcome) -> Table {
    columns::table(problem, &outcome.accumulated).unwrap()
}

/// Value of `name` in `exact` at `row` to 1e-8 of `expected`, and in `sampled` within its error, at most `resolution`.
#[track_caller]
fn agree(exact: &Table, sampled: &Table, (name, row): (&str, usize), expected: f64, resolution: f64) {
    assert_close(exact.column(name).unwrap().value[row], expected, 1e-8, &format!("{name} at row {row}"));
    let column = sampled.column(name).unwrap();
    let (value, se) = (column.value[row], column.se.as_ref().unwrap()[row]);
    match &column.bounds {
        // The distance outside the bounds, which hold 1.96 standard errors.
        Some((lo, hi)) if name == "ergotropy" => {
            assert_z(expected.clamp(lo[row], hi[row]), se, expected, UNSEEN, resolution);
        }
        _ => assert_z(value, se, expected, 1e-7, resolution),
    }
}

/// Ergotropy of events of one quantum that none of the 50,000 or more trajectories saw, by Bernstein's inequality:
/// ln(2K/α)/3n.
const UNSEEN: f64 = 1.2e-4;

/// Fig. 2 of Pirmoradian and Mølmer: storage, and one release after six storage times. Moments in the files are
/// Sz, Sz², S², S, Var(Sz).
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn figure_2_storage_and_release() {
    let data = reference("S3_fig2_N140");
    let problem = example(RELEASE, "t_store=1 samples=20");
    let (truth, sample) = (exact(&problem), sampled(&problem, &run(&problem, options(100_000, 31))));
    for (theirs, ours, resolution) in
        [("Sz_storage", "M", 0.03), ("S_storage", "S", 0.03), ("VarSz_storage", "energy_var", 0.3)]
    {
        for (row, value) in numbers(&data["observables"][theirs]).into_iter().enumerate() {
            agree(&truth, &sample, (ours, row), value, resolution);
        }
    }
    for release in data["scalars"]["releases"].as_array().unwrap() {
        for td in ["0.002", "0.202"] {
            let overrides = format!("t_store={} t_release={td} samples=1", release["ts"]);
            let problem = example(RELEASE, &overrides);
            let (truth, sample) = (exact(&problem), sampled(&problem, &run(&problem, options(50_000, 32))));
            let moments = |key: &str, row: usize| {
                let values = numbers(&release[key]);
                for (name, at, resolution) in [("M", 0, 0.05), ("S", 3, 0.05), ("energy_var", 4, 0.3)] {
                    agree(&truth, &sample, (name, row), values[at], resolution);
                }
            };
            moments("before", 1);
            moments(&format!("after_td_{td}"), 3);
            let number = |key: &str| release[key].as_f64().unwrap();
            agree(&truth, &sample, ("ergotropy", 1), number("ergotropy_before"), 0.1);
            if td == "0.002" {
                agree(&truth, &sample, ("released", 3), number("useful_in_0.002"), 0.1);
                agree(&truth, &sample, ("ergotropy", 3), number("ergotropy_after"), 0.1);
            }
        }
    }
}

/// Fig. 3: forty cycles, with a discharge as long as the storage (a, b) and twice as long (c, d).
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn figure_3_forty_cycles() {
    for (name, overrides) in [("S3_fig3ab_N140", "tau_d=0.0187"), ("S3_fig3cd_N140", "tau_d=0.0375")] {
        let data = reference(name);
        let problem = without_ergotropy(&example(AGING, &format!("cycles=40 samples=2 {overrides}"))); // not among the references, and slow at every row
        let (truth, sample) = (exact(&problem), sampled(&problem, &run(&problem, options(50_000, 33))));
        // Five rows a cycle there, six here: the end of storage is also the start of the discharge.
        let rows: Vec<usize> = (0..truth.rows.len()).filter(|row| row % 6 != 3).collect();
        for (theirs, ours, resolution) in [("Sz", "M", 0.1), ("S", "S", 0.1), ("VarSz", "energy_var", 0.5)] {
            let values = numbers(&data["observables"][theirs]);
            assert_eq!(values.len(), rows.len());
            for (k, (value, &row)) in values.into_iter().zip(&rows).enumerate() {
                assert_close(truth.column(ours).unwrap().value[row], value, 1e-8, &format!("{name} {ours} {row}"));
                if k / 5 % 8 == 7 || k < 5 {
                    agree(&truth, &sample, (ours, row), value, resolution);
                }
            }
        }
        for (cycle, useful) in numbers(&data["scalars"]["useful_energy_per_cycle"]).into_iter().enumerate() {
            agree(&truth, &sample, ("released", 6 * cycle + 5), useful, 0.15);
        }
    }
}

/// The superradiant burst from full charge, which is over after 1e-4/γ.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn the_burst_in_time() {
    let data = reference("S3_burst_N140");
    let times = numbers(&data["times"]);
    let problem = burst(140, &times);
    let (truth, sample) = (exact(&problem), sampled(&problem, &run(&problem, options(100_000, 34))));
    for (theirs, ours, resolution) in [
        ("Sz", "M", 0.2),
        ("S", "S", 1e-3),
        ("VarSz", "energy_var", 6.0),
        ("E", "energy", 0.2),
        ("W", "ergotropy", 0.3),
    ] {
        for (k, value) in numbers(&data["observables"][theirs]).into_iter().enumerate() {
            agree(&truth, &sample, (ours, k + 1), value, resolution);
        }
    }
}

/// Fully charged cells with local loss and collective release, seen at `times`.
fn burst(cells: u64, times: &[f64]) -> Problem {
    let mut p = Problem::builder("burst");
    let b = p.ensemble("B", cells, 1.0);
    p.initial(b, Initial::Excited).each("loss", b, sm(b), 1.0).collective("release", sm(b), 1600.0);
    let rows: Vec<f64> = std::iter::once(0.0).chain(times.iter().copied()).collect();
    p.evolve_rows("release", times[times.len() - 1], rows);
    p.observe([Quantity::Magnetisation(b), Quantity::SpinLength(b), Quantity::Energy, Quantity::EnergyVariance]);
    p.observe([Quantity::Ergotropy]);
    p.build().unwrap()
}

/// The fixed point of a cycle: exactly, and by trajectories after 400 cycles.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn limit_cycles() {
    let data = reference("S3_limit_cycle_N140");
    for (key, tau_d) in [("ts=0.0187,td=0.0187", 0.0187), ("ts=0.0187,td=0.0375", 0.0375)] {
        let limit = &data["limit"][key];
        let problem = without_ergotropy(&example(AGING, &format!("tau_d={tau_d} cycles=450 samples=1")));
        let truth = RateEquation::new(&problem).unwrap().fixed_point(Ending::Limit).unwrap();
        let outcome = run(&problem, RunOptions { shots: false, ..options(6_000, 35) });
        let sample = sampled(&problem, &outcome);
        let last = 4 * 449;
        for (place, row) in [("after_pulse", 0), ("end_storage", 1), ("end_discharge", 3)] {
            let values = numbers(&limit[place]);
            for (name, at, resolution) in [("M", 0, 0.15), ("S", 3, 0.15), ("energy_var", 4, 1.5)] {
                assert_close(
                    truth.column(name).unwrap().value[row],
                    values[at],
                    1e-8,
                    &format!("{key} {place} {name}"),
                );
                let column = sample.column(name).unwrap();
                let se = column.se.as_ref().unwrap()[last + row];
                assert_z(column.value[last + row], se, values[at], 1e-7, resolution);
            }
        }
        let useful = limit["useful_per_cycle"].as_f64().unwrap();
        assert_close(truth.column("released").unwrap().value[3], useful, 1e-8, "useful energy");
        let column = sample.column("released").unwrap();
        assert_z(column.value[last + 3], column.se.as_ref().unwrap()[last + 3], useful, 1e-7, 0.2);
    }
}

/// Full counting statistics of two channels in two stages: means and variances of the numbers of jumps.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn counting_statistics() {
    let data = reference("S9_counts_S3_N6");
    let mut p = Problem::builder("counts");
    let b = p.ensemble("B", 6, 1.0);
    p.initial(b, Initial::Excited).each("loss", b, sm(b), 1.0);
    p.collective("release", sm(b), 30.0).only(["discharge"]);
    p.evolve("storage", 0.1, 1).evolve("discharge", 0.15, 1);
    p.observe([
        Quantity::Energy,
        Quantity::Ergotropy,
        Quantity::Jumps(ChannelId::new(0)),
        Quantity::Jumps(ChannelId::new(1)),
    ]);
    let problem = p.build().unwrap();
    let outcome = run(&problem, options(1_000_000, 36));
    let (truth, sample) = (exact(&problem), sampled(&problem, &outcome));
    let moments = &outcome.accumulated.moments;
    let stages = data["observables"]["stages"].as_array().unwrap();
    for (stage, row, channels) in [
        (&stages[0], 1, &[("individual_decay", 1)][..]),
        (&stages[1], 3, &[("individual_decay", 1), ("collective_decay", 2)]),
    ] {
        for (name, slot) in channels {
            let (mean, var) = law(&stage[name]);
            let at = row * 3 + slot;
            assert_z(moments.mean(at), moments.mean_error(at), mean, 0.0, 3e-3);
            assert_z(moments.variance(at), moments.variance_error(at), var, 0.0, 5e-3);
        }
        agree(&truth, &sample, ("energy", row), stage["E_end"].as_f64().unwrap(), 2e-3);
        agree(&truth, &sample, ("ergotropy", row), stage["W_end"].as_f64().unwrap(), 5e-3);
    }
    let shots = outcome.shots.unwrap();
    for (name, channel) in [("individual_decay", 0), ("collective_decay", 1)] {
        let counts: Vec<f64> = shots.jumps.iter().skip(channel).step_by(2).map(|n| *n as f64).collect();
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let power = |k: i32| counts.iter().map(|c| (c - mean).powi(k)).sum::<f64>() / n;
        let (expected_mean, expected_var) = law(&data["scalars"]["both_stages"][name]);
        assert_z(mean, (power(2) / n).sqrt(), expected_mean, 0.0, 3e-3);
        assert_z(power(2), ((power(4) - power(2).powi(2)) / n).sqrt(), expected_var, 0.0, 5e-3);
    }
}

fn law(value: &Value) -> (f64, f64) {
    (value["mean"].as_f64().unwrap(), value["var"].as_f64().unwrap())
}

/// P(k) of k = M + N/2 by χ², bins with fewer than 20 expected counts joined to their neighbour.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn distributions_of_the_stored_energy() {
    let data = reference("S9_PM_S3_N140");
    let problem = example(AGING, "cycles=12 samples=1").with_quantities([Quantity::Energy]).unwrap();
    let outcome = run(&problem, RunOptions { states: true, ..options(100_000, 37) });
    for cycle in [1, 5, 12] {
        for (place, row) in [("storage_end", 1), ("discharge_end", 3)] {
            let name = format!("{place}_cycle{cycle}");
            assert_distribution(&problem, &outcome, 4 * (cycle - 1) + row, &numbers(&data["P_k"][&name]), &name);
        }
    }
    let laws = data["burst_from_all_excited_P_k"].as_object().unwrap();
    let times: Vec<f64> = laws.keys().map(|key| key.trim_start_matches("t=").parse().unwrap()).collect();
    let problem = burst(140, &times).with_quantities([Quantity::Energy]).unwrap();
    // These were made with both rates on, as the burst has them.
    let outcome = run(&problem, RunOptions { states: true, ..options(100_000, 38) });
    for (k, (name, law)) in laws.iter().enumerate() {
        assert_distribution(&problem, &outcome, k + 1, &numbers(law), name);
    }
}

fn assert_distribution(problem: &Problem, outcome: &Outcome, row: usize, law: &[f64], what: &str) {
    let (battery, _) = columns::battery_levels(problem).unwrap();
    let mut counts = vec![0.0; law.len()];
    for (key, halves) in outcome.accumulated.occupations[row].clone().states() {
        counts[battery.energy(key).round() as usize] += halves[0] + halves[1];
    }
    let n: f64 = counts.iter().sum();
    let mut bins: Vec<(f64, f64)> = Vec::new();
    let (mut seen, mut expected) = (0.0, 0.0);
    for (count, p) in counts.iter().zip(law) {
        seen += count;
        expected += p * n;
        if expected >= 20.0 {
            bins.push((seen, expected));
            (seen, expected) = (0.0, 0.0);
        }
    }
    if let Some(last) = bins.last_mut() {
        *last = (last.0 + seen, last.1 + expected);
    }
    assert!(bins.len() >= 4, "{what}: too few bins to say anything");
    let statistic: f64 = bins.iter().map(|(seen, expected)| (seen - expected).powi(2) / expected).sum();
    println!("{what}: chi-square {statistic:.1} of {} degrees", bins.len() - 1);
    assert_chi_square(statistic, bins.len() - 1, what);
}

/// z of a column at a row in each of `seeds` runs: Σz² would be too large with error bars too small, and too small with
/// error bars too large. Two thousand seeds, so that 10 % of error in a standard error is seen.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn standard_errors_are_right() {
    const SEEDS: u64 = 2_000;
    let problem = { without_ergotropy(&example(AGING, "N=20 cycles=3 samples=2 gamma=4 gamma_up=0.5 gamma_phi=0.5")) };
    let truth = exact(&problem);
    let names: Vec<&str> = truth.columns.iter().map(|c| c.name.as_str()).collect();
    let mut sums = vec![vec![0.0; truth.rows.len()]; names.len()];
    let mut counted = sums.clone();
    for seed in 0..SEEDS {
        let sample = sampled(&problem, &run(&problem, RunOptions { shots: false, ..options(8_000, 5000 + seed) }));
        for (column, (sums, counted)) in truth.columns.iter().zip(sums.iter_mut().zip(&mut counted)) {
            let mine = sample.column(&column.name).unwrap();
            for row in 0..truth.rows.len() {
                let se = mine.se.as_ref().unwrap()[row];
                if se > 0.0 {
                    sums[row] += ((mine.value[row] - column.value[row]) / se).powi(2);
                    counted[row] += 1.0;
                }
            }
        }
    }
    for wanted in ["M", "S", "energy", "energy_var", "released", "jumps_loss", "jumps_release", "jumps_pump"] {
        let c = names.iter().position(|n| *n == wanted).unwrap();
        let mut tested = Vec::new();
        for row in 0..truth.rows.len() {
            let column = &truth.columns[c];
            // Rows where a count is so rare that its mean is not normal say nothing about the standard error.
            if counted[c][row] < SEEDS as f64 || column.value[row].abs() * 8_000.0 < 400.0 {
                continue;
            }
            tested.push(sums[c][row] / SEEDS as f64);
            assert_chi_square(sums[c][row], SEEDS as usize, &format!("{wanted} at row {row}"));
        }
        let (least, most) = tested.iter().fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
        println!("{wanted}: mean z² from {least:.3} to {most:.3} over {} rows", tested.len());
        assert!(tested.len() >= 4, "{wanted}: too few rows");
    }
}

/// How often the 95 % interval of the ergotropy holds the exact value. Fails when 0.95 is ruled out; with 2,000
/// seeds that is a measured coverage below 0.925.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn ergotropy_intervals_cover() {
    const SEEDS: u64 = 2_000;
    let mut mixed = Problem::builder("maximally mixed");
    let b = mixed.ensemble("B", 20, 1.0);
    mixed.initial(b, Initial::Thermal { ratio: 1.0 }).evolve("wait", 0.0, 1).observe([Quantity::Ergotropy]);
    let mut problems = vec![("maximally mixed, N = 20".to_owned(), mixed.build().unwrap())];
    for cells in [20, 40] {
        for (what, rates) in [("long steps", "tau_s=0.2 tau_d=0.1"), ("as shipped", "tau_s=0.0187 tau_d=0.0187")] {
            let problem = example(AGING, &format!("N={cells} cycles=2 samples=1 {rates}"))
                .with_quantities([Quantity::Ergotropy])
                .unwrap();
            problems.push((format!("aging, N = {cells}, {what}"), problem));
        }
    }
    let mut verdicts = Vec::new();
    for (name, problem) in &problems {
        let truth = &exact(problem).columns[0].value;
        let rows: Vec<usize> = if truth.len() == 2 { vec![0] } else { vec![1, 3, 5, 7] };
        let mut covered = vec![0u64; truth.len()];
        let mut offset = vec![0.0; truth.len()];
        for seed in 0..SEEDS {
            let options = RunOptions { shots: false, ..options(5_000, 100_000 + seed) };
            let column = sampled(problem, &run(problem, options)).columns.swap_remove(0);
            let (lo, hi) = column.bounds.unwrap();
            for &row in &rows {
                covered[row] += u64::from(lo[row] - 1e-9 <= truth[row] && truth[row] <= hi[row] + 1e-9);
                offset[row] += (column.value[row] - truth[row]) / SEEDS as f64;
            }
        }
        for row in rows {
            let what = format!("{name}, row {row}");
            println!(
                "{what}: coverage {:.4}, W = {:.4}, mean offset of the value {:+.4}",
                covered[row] as f64 / SEEDS as f64,
                truth[row],
                offset[row]
            );
            verdicts.push((covered[row], what));
        }
    }
    for (covered, what) in verdicts {
        assert_at_least(covered, SEEDS, 0.95, &what);
    }
}

/// The same for every quantity of averaged density matrices, of trajectories on blocks: two cells that exchange a quantum
/// and decay, from a state that is entangled for a while, and an ensemble driven by a mode. With 1,000 seeds a measured
/// coverage below 0.92 fails.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn intervals_of_averaged_states_cover() {
    const SEEDS: u64 = 1_000;
    let mut pair = Problem::builder("pair");
    let cells = pair.subsystem("A", Kind::Network { cells: 2, edges: vec![(0, 1)] }, 1.0);
    let site = |op: OpSum, site: usize| {
        let mut op = op;
        op.terms.iter_mut().flat_map(|t| &mut t.factors).for_each(|f| f.site = Some(site));
        op
    };
    let hop = site(sp(cells), 0) * site(sm(cells), 1) + site(sp(cells), 1) * site(sm(cells), 0);
    pair.hamiltonian(hop)
        .each("loss", cells, sm(cells), 0.3)
        .each("noise", cells, n(cells), 0.2)
        .initial(cells, Initial::Cell { excited: 0.6, coherence: 0.3.into() })
        .evolve("wait", 3.0, 3)
        .observe([
            Quantity::Ergotropy,
            Quantity::IncoherentErgotropy,
            Quantity::CoherentErgotropy,
            Quantity::AntiErgotropy,
            Quantity::Capacity,
            Quantity::Efficiency,
            Quantity::Coherence,
            Quantity::Purity,
            Quantity::LocalErgotropy,
            Quantity::Concurrence,
        ]);
    let mut driven = Problem::builder("driven");
    let spins = driven.ensemble("B", 4, 1.0);
    let mode = driven.subsystem("m", Kind::Mode { cutoff: 4 }, 1.0);
    driven
        .battery([spins])
        .hamiltonian((sp(spins) * a(mode) + sm(spins) * leyden::problem::ad(mode)) * 0.7)
        .each("noise", spins, n(spins), 0.4)
        .collective("leak", a(mode), 0.2)
        .initial(mode, Initial::Fock(3))
        .evolve("wait", 3.0, 3)
        .observe([Quantity::Ergotropy, Quantity::Capacity, Quantity::Purity, Quantity::LocalErgotropy]);
    let mut verdicts = Vec::new();
    for problem in [pair.build().unwrap(), driven.build().unwrap()] {
        let (representation, engine) = Engine::new(&problem, None).unwrap();
        let truth = leyden::exact::solve(&problem, Some(representation), &Default::default()).unwrap();
        let (rows, columns) = (truth.rows.len(), truth.columns.len());
        let mut covered = vec![0; rows * columns];
        let (mut width, mut square) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        for seed in 0..SEEDS {
            let options = RunOptions { shots: false, ..options(1_500, 300_000 + seed) };
            let outcome = run::sample(&engine, &problem, options, &Stop::default(), &mut |_| true).unwrap();
            let sample = sampled(&problem, &outcome);
            for (c, exact) in truth.columns.iter().enumerate() {
                let column = sample.column(&exact.name).unwrap();
                let (lo, hi) = column.bounds.as_ref().unwrap();
                for row in 0..rows {
                    let (x, index) = (exact.value[row], c * rows + row);
                    covered[index] += u64::from(lo[row] - 1e-7 <= x && x <= hi[row] + 1e-7);
                    width[index] += (hi[row] - lo[row]) / SEEDS as f64;
                    square[index] += (column.value[row] - x).powi(2) / SEEDS as f64;
                }
            }
        }
        for (c, exact) in truth.columns.iter().enumerate() {
            for row in 0..rows {
                let index = c * rows + row;
                let what = format!("{}, {}, row {row}", problem.title(), exact.name);
                println!(
                    "{what}: {:.4}, coverage {:.4}, width {:.4}, error {:.4}",
                    exact.value[row],
                    covered[index] as f64 / SEEDS as f64,
                    width[index],
                    square[index].sqrt()
                );
                // As wide as five times what the errors ask for, or as a value near 1 is known with 1,500 trajectories.
                assert!(width[index] <= 5.0 * 3.92 * square[index].sqrt() + 0.05, "{what}: too wide");
                verdicts.push((covered[index], what));
            }
        }
    }
    for (covered, what) in verdicts {
        assert_at_least(covered, SEEDS, 0.95, &what);
    }
}

/// `verify` with a false-alarm probability of 5 % fails a correct program about that often at most.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn verify_rarely_raises_a_false_alarm() {
    const SEEDS: u64 = 400;
    for (overrides, trajectories) in
        [("N=8 cycles=2 samples=2", 4_000), ("N=20 gamma=5 gamma_up=1 cycles=2 samples=1", 1_000)]
    {
        let problem = example(AGING, overrides);
        let truth = exact(&problem);
        let mut failures = 0;
        for seed in 0..SEEDS {
            let options = RunOptions { shots: false, covariance: true, ..options(trajectories, 200_000 + seed) };
            let outcome = run(&problem, options);
            let verdict = compare(&problem, &outcome.accumulated, &sampled(&problem, &outcome), &truth, 0.05);
            failures += u64::from(!verdict.passed());
        }
        println!("{overrides}: {failures} false alarms in {SEEDS} at 5 %");
        assert_at_most(failures, SEEDS, 0.05, overrides);
    }
}

/// And it does fail a wrong one: rates off by 2 %.
#[test]
#[ignore = "statistical tier: cargo test --release --test statistical -- --ignored"]
fn verify_sees_a_wrong_rate() {
    let problem = example(AGING, "N=8 tau_s=0.2 cycles=2 samples=2");
    for wrong in ["gamma=1.02", "Gamma=1632 tau_d=0.0003"] {
        let truth = exact(&example(AGING, &format!("N=8 tau_s=0.2 cycles=2 samples=2 {wrong}")));
        let problem = match wrong.split_once(' ') {
            Some((_, rest)) => example(AGING, &format!("N=8 tau_s=0.2 cycles=2 samples=2 {rest}")),
            None => problem.clone(),
        };
        let options = RunOptions { shots: false, covariance: true, ..options(200_000, 9) };
        let outcome = run(&problem, options);
        let verdict = compare(&problem, &outcome.accumulated, &sampled(&problem, &outcome), &truth, 1e-3);
        assert!(!verdict.passed(), "{wrong} was not noticed");
    }
}
