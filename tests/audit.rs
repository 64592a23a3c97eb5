//! The audit: the first law in every single trajectory of every engine, means against the exact side, the exact side against
//! closed forms and integrals over the full space, and fluctuation relations.

mod common;

use common::{assert_at_least, assert_close, assert_z, options};
use leyden::estimate::audit::Audit;
use leyden::estimate::columns::Z95;
use leyden::exact::{self, naive};
use leyden::input;
use leyden::problem::{Account, Problem, Record};
use leyden::run::{self, Outcome, RunOptions, Shots};
use leyden::space::choose::Representation;
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;

fn read(text: &str) -> Problem {
    let problem = input::parse("audit", text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}")).problem;
    problem.edit().record(Record { audit: true, ..Record::default() }).build().unwrap()
}

fn sample(problem: &Problem, options: RunOptions) -> (&'static str, Outcome) {
    let (_, engine) = Engine::new(problem, None).unwrap();
    let kind = match engine {
        Engine::Ladder(_) => "ladder",
        Engine::Blocks(_) => "blocks",
        Engine::Banded(_) => "banded",
    };
    (kind, run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap())
}

fn solved(problem: &Problem) -> (Vec<Audit>, f64) {
    exact::audit(problem, None, &Stop::default()).unwrap()
}

fn line<'a>(lines: &'a [Audit], account: Account, name: &str) -> &'a Audit {
    let whole = |line: &&Audit| line.entry.account == account && line.entry.name == name && line.entry.at.is_none();
    lines.iter().find(whole).unwrap_or_else(|| panic!("no {account:?} of `{name}`"))
}

fn value(lines: &[Audit], account: Account, name: &str) -> f64 {
    line(lines, account, name).mean.value
}

/// Cells that only age, in a mixture, with pulses: everything happens at jumps.
const LADDER: &str = r#"
    [subsystems]
    B = { spins = 40, energy = 1.5 }
    [initial]
    B = "thermal(0.3)"
    [channels]
    down = { each = "sm(B)", rate = 1.0 }
    up = { each = "sp(B)", rate = 0.3 }
    release = { operator = "sm(B)", rate = 0.4, only = ["discharge"] }
    [protocol]
    repeat = 2
    steps = [{ pulse = "rotate(B, x, pi)" }, { name = "store", evolve = 0.2, samples = 2 },
             { name = "discharge", evolve = 0.05, samples = 1 }]
    [observe]
    quantities = ["energy"]"#;

/// Spins and a mode in a mixture, with drives and a rate that change, a pulse, a gate and a reset.
const BLOCKS: &str = r#"
    [subsystems]
    B = { spins = 3, energy = 1.0 }
    A = { mode = 5, energy = 0.7 }
    [battery]
    of = ["B"]
    [initial]
    B = "thermal(0.5)"
    [hamiltonian]
    terms = ["0.8*(sp(B)*a(A) + ad(A)*sm(B))"]
    [drives]
    shake = { operator = "sx(B)", envelope = "cosine(0.5, 3.0, 0.2)" }
    kick = { operator = "sy(B)", envelope = "gaussian(4.0, 0.6, 0.02)", only = ["charge"] }
    [channels]
    loss = { each = "sm(B)", rate = "0.4*(1 + sin(2*t))" }
    leak = { operator = "a(A)", rate = 0.7 }
    noise = { each = "sz(B)", rate = 0.1 }
    [protocol]
    repeat = 2
    steps = [{ name = "charge", evolve = 1.0, samples = 2 }, { pulse = "rotate(B, x, 1.0)" },
             { unitary = "0.3*(sp(B)*a(A) + sm(B)*ad(A))" }, { reset = "A", to = "fock(1)" },
             { name = "wait", evolve = 0.5, samples = 1 }, { pulse = "rotate(B, y, 0.5)" }]
    [observe]
    quantities = ["energy"]"#;

/// Driven spins whose blocks are not stored.
const BANDED: &str = r#"
    [subsystems]
    B = { spins = 24, energy = 1.0 }
    [hamiltonian]
    terms = ["0.6*sx(B)", "0.3*n(B)"]
    [channels]
    down = { each = "sm(B)", rate = 0.5 }
    up = { each = "sp(B)", rate = 0.2 }
    noise = { each = "sz(B)", rate = 0.05 }
    together = { operator = "sm(B)", rate = 0.05 }
    [protocol]
    steps = [{ pulse = "rotate(B, y, 0.7)" }, { name = "drive", evolve = 1.5, samples = 3 }]
    [observe]
    quantities = ["energy"]"#;

/// So many cells that operators are not stored.
const CELLS: &str = r#"
    [subsystems]
    W = { cells = 8, energy = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], graph = "linear" }
    [hamiltonian]
    terms = ["0.7*hop(W)", "0.4*sx(W, 0)"]
    [drives]
    end = { operator = "sx(W, 7)", envelope = "0.5*t" }
    [channels]
    down = { each = "sm(W)", rate = 0.3 }
    up = { each = "sp(W)", rate = "0.1*exp(-t)" }
    [protocol]
    steps = [{ name = "drive", evolve = 1.0, samples = 2 }]
    [observe]
    quantities = ["energy"]"#;

/// A jump operator that changes with time.
const MODULATED: &str = r#"
    [subsystems]
    B = { cell = true, energy = 2.0 }
    [initial]
    B = "plus"
    [hamiltonian]
    terms = ["0.5*sx(B)"]
    [channels]
    jump = { operator = "sm(B) + 0.6*sin(3*t)*sp(B) + 0.2*cos(t)*sz(B)", rate = 0.8 }
    [protocol]
    steps = [{ name = "on", evolve = 2.0, samples = 2 }]
    [observe]
    quantities = ["energy"]"#;

/// A space of few quanta, which a pump fills.
const FEW: &str = r#"
    [subsystems]
    A = { mode = 6, energy = 1.0 }
    C = { cell = true, energy = 1.3 }
    [space]
    at_most = 2
    [hamiltonian]
    terms = ["0.9*(sp(C)*a(A) + ad(A)*sm(C))"]
    [channels]
    pump = { operator = "ad(A)", rate = 0.6 }
    loss = { operator = "sm(C)", rate = 0.9 }
    [protocol]
    steps = [{ name = "on", evolve = 2.0, samples = 1 }]
    [observe]
    quantities = ["energy"]"#;

/// A battery with a Hamiltonian of its own, whose levels the jumps do not keep.
const OWN: &str = r#"
    [subsystems]
    W = { cells = 3, energy = 1.0, graph = "linear" }
    [battery]
    hamiltonian = ["n(W)", "0.4*bonds(sx, sx, W)"]
    [hamiltonian]
    battery = true
    [drives]
    push = { operator = "sy(W, 1)", envelope = "linear(0.2, 0.5)" }
    [channels]
    loss = { each = "sm(W)", rate = 0.5 }
    [protocol]
    steps = [{ name = "on", evolve = 1.5, samples = 1 }]
    [observe]
    quantities = ["energy"]"#;

/// A cell that is hardly damped, so that the branch without jumps is known.
const RARE: &str = r#"
    [subsystems]
    B = { cell = true, energy = 1.0 }
    [initial]
    B = "cell(0.6, 0.1)"
    [hamiltonian]
    terms = ["0.5*sx(B)"]
    [channels]
    loss = { operator = "sm(B)", rate = 1e-4 }
    gain = { operator = "sp(B)", rate = 2e-5 }
    [protocol]
    steps = [{ name = "on", evolve = 20.0, samples = 2 }, { pulse = "rotate(B, x, pi)" }]
    [observe]
    quantities = ["energy"]"#;

fn all() -> [(&'static str, &'static str, &'static str, u64); 8] {
    [
        ("ladder", LADDER, "ladder", 1_500),
        ("blocks", BLOCKS, "blocks", 1_200),
        ("banded", BANDED, "banded", 150),
        ("cells without matrices", CELLS, "blocks", 60),
        ("modulated", MODULATED, "blocks", 2_000),
        ("few quanta", FEW, "blocks", 2_000),
        ("own Hamiltonian", OWN, "blocks", 800),
        ("rare jumps", RARE, "blocks", 1_000),
    ]
}

/// The first law holds to rounding in every trajectory, and what is found of the averages is what the master equation says.
#[test]
fn every_trajectory_obeys_the_first_law() {
    for (name, text, engine, trajectories) in all() {
        let problem = read(text);
        let (least, most) = problem.whole_energies();
        let (kind, outcome) = sample(&problem, RunOptions { shots: true, ..options(trajectories, 5) });
        assert_eq!(kind, engine, "{name}");
        let residual = outcome.accumulated.residual();
        println!("{name}: {residual:.1e} of {:.1}", most - least);
        assert!(residual <= 1e-10 * (most - least), "{name}: {residual:e} of {}", most - least);
        let found = outcome.accumulated.audited(&problem, Z95).unwrap().unwrap();
        let (truth, off) = solved(&problem);
        println!("{name}: exactly {off:.1e}");
        assert!(off <= 1e-10 * (most - least), "{name}: {off:e}");
        let (mut hits, mut compared) = (0, 0);
        for truth in &truth {
            let Some(found) = found.iter().find(|line| line.entry == truth.entry) else { continue };
            if found.entry.off || !found.entry.per_jump.is_finite() {
                continue;
            }
            let (mean, truth) = (found.mean, truth.mean.value);
            let rounding = 1e-9 * (most - least);
            assert!((mean.value - truth).abs() <= 8.0 * mean.se + rounding, "{name}: {found:?}, exactly {truth}");
            compared += 1;
            hits += u64::from(mean.interval.0 <= truth + rounding && truth - rounding <= mean.interval.1);
        }
        assert!(compared > 5, "{name}");
        assert_at_least(hits, compared, 0.9, name);
        // Of a trajectory alone: what it ends with, where all begin in one state.
        let shots = outcome.shots.unwrap();
        if ["cells without matrices", "few quanta", "own Hamiltonian"].contains(&name) {
            let start = exact::solve(&problem, None, &Stop::default()).unwrap()["energy"].value[0];
            for (k, energy) in shots.energy_mean.iter().enumerate() {
                let sum: f64 = of(&shots, &shots.work, k).iter().chain(of(&shots, &shots.heat, k)).sum();
                assert!((energy - start - sum).abs() <= 1e-10 * (most - least), "{name}, trajectory {k}");
            }
        }
    }
}

/// The entries of trajectory `k`.
fn of<'a>(shots: &Shots, all: &'a [f64], k: usize) -> &'a [f64] {
    let width = all.len() / shots.weight.len();
    &all[k * width..][..width]
}

/// Threads change nothing, nor does the audit change what else is found.
#[test]
fn threads_and_the_audit_itself_change_nothing() {
    for text in [LADDER, BLOCKS, RARE] {
        let problem = read(text);
        let (_, one) = sample(&problem, RunOptions { threads: 1, ..options(300, 2) });
        let (_, three) = sample(&problem, RunOptions { threads: 3, ..options(300, 2) });
        assert_eq!(one, three);
        let plain = problem.edit().record(Record::default()).build().unwrap();
        let (_, plain) = sample(&plain, options(300, 2));
        assert_eq!(plain.accumulated.moments, one.accumulated.moments);
        let (plain, audited) = (plain.shots.unwrap(), one.shots.unwrap());
        assert_eq!((plain.jumps, plain.energy_outcome), (audited.jumps, audited.energy_outcome));
    }
}

/// A cell that decays, in closed form, on both sides.
#[test]
fn a_cell_that_decays_loses_its_energy_as_heat() {
    let problem = read(
        r#"
        [subsystems]
        B = { cell = true, energy = 2.5 }
        [initial]
        B = "excited"
        [channels]
        loss = { operator = "sm(B)", rate = 0.8 }
        [protocol]
        steps = [{ name = "decay", evolve = 1.3, samples = 1 }]
        [observe]
        quantities = ["energy"]"#,
    );
    let (lines, off) = solved(&problem);
    let heat = -2.5 * (1.0 - (-0.8 * 1.3f64).exp());
    assert_close(value(&lines, Account::Heat, "loss"), heat, 1e-12, "heat");
    assert_close(value(&lines, Account::Energy, ""), heat, 1e-12, "energy");
    assert!(off < 1e-12 && value(&lines, Account::EntropyFlow, "loss") == f64::INFINITY);
    let p = (-0.8 * 1.3f64).exp();
    assert_close(value(&lines, Account::Entropy, ""), -p * p.ln() - (1.0 - p) * (1.0 - p).ln(), 1e-10, "entropy");
    let (_, outcome) = sample(&problem, options(2_000, 3));
    let found = outcome.accumulated.audited(&problem, Z95).unwrap().unwrap();
    let mean = line(&found, Account::Heat, "loss").mean;
    // The branch without jumps is known, and all others lose the same: a cell holds all or nothing.
    assert_close(mean.value, heat, 1e-12, "sampled heat");
    assert!(outcome.accumulated.residual() < 1e-12);
    assert!(line(&found, Account::Heat, "loss").std > 1.0);
}

/// The entropy that a run has produced, from sampled states: on the ladder, in blocks of spins with their copies, in a mixture of
/// cells with a known branch without jumps, and exactly where nothing jumps.
#[test]
fn intervals_hold_the_entropy_produced() {
    let ladder = LADDER.replace("    release = { operator = \"sm(B)\", rate = 0.4, only = [\"discharge\"] }\n", "");
    let few =
        BANDED.replace("spins = 24", "spins = 4").replace("    together = { operator = \"sm(B)\", rate = 0.05 }\n", "");
    let still = OWN.replace("rate = 0.5", "rate = 0.0");
    let texts = [(&ladder[..], 300), (&few, 300), (FEW, 300), (RARE, 300)];
    let (mut hits, mut all) = (0, 0);
    for (text, trajectories) in texts {
        let problem = read(text);
        let (truth, _) = solved(&problem);
        for seed in 0..25 {
            let (_, outcome) = sample(&problem, options(trajectories, seed));
            let found = outcome.accumulated.audited(&problem, Z95).unwrap().unwrap();
            for account in [Account::Entropy, Account::Production] {
                let (truth, found) = (value(&truth, account, ""), line(&found, account, "").mean);
                if truth.is_infinite() {
                    assert!(found.value.is_infinite());
                    continue;
                }
                all += 1;
                hits += u64::from(found.interval.0 <= truth && truth <= found.interval.1);
                let width = found.interval.1 - found.interval.0;
                assert!(width < 2.5 && (found.value - truth).abs() < 0.8, "{account:?}: {found:?}, {truth}");
            }
        }
    }
    assert!(all >= 150);
    assert_at_least(hits, all, 0.94, "intervals of entropies");
    let problem = read(&still);
    let (_, outcome) = sample(&problem, options(20, 1));
    let found = outcome.accumulated.audited(&problem, Z95).unwrap().unwrap();
    assert_eq!(line(&found, Account::Entropy, "").mean.interval, (0.0, 0.0));
}

/// Work and heat of a driven cell and a mode against integrals of observables in the full space, which share no code.
#[test]
fn exact_work_and_heat_are_integrals_over_the_full_space() {
    const PANELS: usize = 400;
    let text = |quantities: &str, samples: usize| {
        format!(
            r#"
            [subsystems]
            B = {{ cell = true, energy = 1.7 }}
            A = {{ mode = 4, energy = 0.6 }}
            [initial]
            A = "fock(1)"
            [hamiltonian]
            terms = ["0.8*(sp(B)*a(A) + ad(A)*sm(B))"]
            [drives]
            shake = {{ operator = "sx(B)", envelope = "cosine(0.5, 3.0, 0.0)" }}
            [channels]
            loss = {{ operator = "sm(B)", rate = 0.4 }}
            leak = {{ operator = "a(A)", rate = 0.9 }}
            [protocol]
            steps = [{{ name = "on", evolve = 2.0, samples = {samples} }}]
            [observe]
            quantities = [{quantities}]"#
        )
    };
    let (lines, off) = solved(&read(&text("\"energy\"", 1)));
    assert!(off < 1e-12);
    // [σ⁺a, ω_B n_B + ω_A n_A] = (ω_A − ω_B)σ⁺a, and i[σx, ωn] = ωσy.
    let problem = read(&text(
        r#"{ name = "y", expect = "sy(B)" },
           { name = "exchange", expect = "-i*(sp(B)*a(A) - ad(A)*sm(B))" }, "quanta(B)", "quanta(A)""#,
        PANELS,
    ));
    let table = naive::solve(&problem).unwrap();
    let (h, column) = (2.0 / PANELS as f64, |name: &str| &table.column(name).unwrap().value);
    let integral = |f: &dyn Fn(usize) -> f64| -> f64 {
        let simpson = |k: usize| {
            if k == 0 || k == PANELS {
                1.0
            } else if k % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        (0..=PANELS).map(|k| simpson(k) * f(k) * h / 3.0).sum()
    };
    let shake = integral(&|k| 1.7 * 0.5 * (3.0 * h * k as f64).cos() * column("y")[k]);
    let exchange = integral(&|k| 0.8 * (1.7 - 0.6) * column("exchange")[k]);
    assert_close(value(&lines, Account::Work, "shake"), shake, 1e-7, "shake");
    assert_close(value(&lines, Account::Work, "hamiltonian"), exchange, 1e-7, "exchange");
    let [loss, leak] =
        [("quanta_B", 1.7 * 0.4), ("quanta_A", 0.6 * 0.9)].map(|(name, rate)| integral(&|k| -rate * column(name)[k]));
    assert_close(value(&lines, Account::Heat, "loss"), loss, 1e-7, "loss");
    assert_close(value(&lines, Account::Heat, "leak"), leak, 1e-7, "leak");
    assert!(shake.abs() > 1e-2 && exchange.abs() > 1e-2);
}

/// In a steady state the drive brings what the bath takes; and all representations say the same.
#[test]
fn work_is_heat_in_a_steady_state() {
    let text = r#"
        [subsystems]
        B = { spins = 2, energy = 1.0 }
        [initial]
        B = "excited"
        [drives]
        shine = { operator = "sx(B)", envelope = "0.5" }
        [channels]
        down = { each = "sm(B)", rate = 1.5 }
        up = { each = "sp(B)", rate = 0.5 }
        [protocol]
        steps = [{ name = "settle", evolve = 40.0, samples = 1 }, { name = "steady", evolve = 3.0, samples = 1 }]
        [observe]
        quantities = ["energy"]"#;
    let problem = read(text);
    let of = |lines: &[Audit], account: Account, name: &str| {
        let steady = |line: &&Audit| line.entry.at.is_some_and(|(_, step)| step.index() == 1);
        let found = lines.iter().filter(steady).find(|line| line.entry.account == account && line.entry.name == name);
        found.unwrap().mean.value
    };
    let (lines, _) = solved(&problem);
    let (work, down, up) =
        (of(&lines, Account::Work, "shine"), of(&lines, Account::Heat, "down"), of(&lines, Account::Heat, "up"));
    assert!(work > 0.1 && (work + down + up).abs() < 1e-10, "{work} {down} {up}");
    // H = (w/2)σx, rates g in all, a quarter of them up: 0 = g/4 − gp + (w/2)⟨σy⟩ and ⟨σy⟩ = −2w(2p − 1)/g.
    let (g, w) = (2.0f64, 1.0f64);
    let excited = (g / 4.0 + w * w / g) / (g + 2.0 * w * w / g);
    assert_close(down + up, 2.0 * 3.0 * (0.5 - 2.0 * excited), 1e-9, "heat");
    // The bath is β = ln 3: entropy flows with the heat, and is produced.
    let flow = of(&lines, Account::EntropyFlow, "down") + of(&lines, Account::EntropyFlow, "up");
    assert!(of(&lines, Account::Entropy, "").abs() < 1e-9);
    assert_close(of(&lines, Account::Production, ""), flow, 1e-8, "production");
    assert!(flow > 0.1);
    let (full, _) = exact::audit(&problem, Some(Representation::Full), &Stop::default()).unwrap();
    for (one, other) in lines.iter().zip(&full) {
        assert_eq!(one.entry, other.entry);
        assert_close(one.mean.value, other.mean.value, 1e-8, "the full space");
    }
}

/// Nothing is produced in equilibrium, and never less than nothing.
#[test]
fn entropy_is_never_destroyed() {
    let text = |initial: &str| {
        format!(
            r#"
            [subsystems]
            B = {{ spins = 4, energy = 1.0 }}
            [initial]
            B = "{initial}"
            [drives]
            shake = {{ operator = "sx(B)", envelope = "0.5*sin(2*t)", only = ["shaken"] }}
            [channels]
            down = {{ each = "sm(B)", rate = 1.0 }}
            up = {{ each = "sp(B)", rate = 0.25 }}
            cold_down = {{ operator = "sm(B)", rate = 0.2, only = ["two_baths", "shaken"] }}
            cold_up = {{ operator = "sp(B)", rate = 0.01, only = ["two_baths", "shaken"] }}
            noise = {{ each = "sz(B)", rate = 0.3, only = ["shaken"] }}
            [protocol]
            steps = [{{ name = "wait", evolve = 1.0, samples = 1 }}, {{ name = "two_baths", evolve = 1.0, samples = 1 }},
                     {{ name = "shaken", evolve = 1.0, samples = 1 }}]
            [observe]
            quantities = ["energy"]"#
        )
    };
    for (initial, rest) in [("thermal(0.25)", true), ("excited", false), ("plus", false)] {
        let (lines, _) = solved(&read(&text(initial)));
        let produced: Vec<f64> = lines
            .iter()
            .filter(|line| line.entry.account == Account::Production && line.entry.at.is_some())
            .map(|line| line.mean.value)
            .collect();
        assert_eq!(produced.len(), 3);
        assert!(produced.iter().all(|sigma| *sigma >= -1e-9), "{initial}: {produced:?}");
        assert_eq!(produced[0].abs() < 1e-9, rest, "{initial}: {produced:?}");
        assert!(produced[2] > 1e-3, "{initial}: {produced:?}");
    }
}

/// ⟨e^−σ⟩ = 1 of whole paths, σ = ln p_i(n) + flow − ln p_f(m) with any p_f: n of the mixture of all states, m measured at the
/// end. On the ladder, and in superpositions, where a drive and dephasing have a part in it.
#[test]
fn fluctuation_relations_hold() {
    let text = |cells: u64, more: &str| {
        format!(
            r#"
            [subsystems]
            B = {{ spins = {cells}, energy = 1.0 }}
            [initial]
            B = "thermal(1)"
            {more}
            [channels]
            down = {{ each = "sm(B)", rate = 1.0 }}
            up = {{ each = "sp(B)", rate = 0.4 }}
            noise = {{ each = "sz(B)", rate = 0.2 }}
            [protocol]
            steps = [{{ name = "on", evolve = 1.2, samples = 1 }}]
            [observe]
            quantities = ["energy"]"#
        )
    };
    let driven = "[drives]\nshake = { operator = \"sx(B)\", envelope = \"0.8*cos(2*t)\" }";
    for (cells, more, kind) in [(1, "", "ladder"), (3, "", "ladder"), (1, driven, "blocks"), (3, driven, "blocks")] {
        let problem = read(&text(cells, more));
        let (made, outcome) = sample(&problem, options(20_000, 8));
        assert_eq!(made, kind);
        let shots = outcome.shots.as_ref().unwrap();
        let (n, q) = (cells as f64, 0.6f64);
        let ln_final = |energy: f64| energy * q.ln() - n * q.ln_1p();
        let sigma: Vec<f64> = shots
            .entropy_flow
            .iter()
            .zip(&shots.energy_outcome)
            .map(|(flow, energy)| flow - n * 2f64.ln() - ln_final(*energy))
            .collect();
        assert_eq!(sigma.len(), shots.weight.len());
        let exponentials: Vec<f64> = sigma.iter().map(|sigma| (-sigma).exp()).collect();
        let (mean, se) = common::of_shots(shots, outcome.trajectories, &exponentials);
        println!("{cells} cells, {kind}: ⟨e^−σ⟩ = {mean} ± {se}");
        assert_z(mean, se, 1.0, 0.0, 0.03);
        let (mean, se) = common::of_shots(shots, outcome.trajectories, &sigma);
        assert!(mean > 10.0 * se, "{mean} ± {se}: the second law");
    }
}
