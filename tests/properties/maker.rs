//! Random small problems.

use faer::Mat;
use leyden::problem::function::{Call, Expression, Function, Table};
use leyden::problem::{
    Axis, ChannelId, Chosen, Envelope, Factor, Gate, Initial, JointState, Kind, Nonlinear, Op, OpSum, Problem,
    Quantity, RateMatrix, Step, SubsystemId, Zero, haar_unitary,
};
use num_complex::Complex64;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

struct Maker {
    rng: ChaCha8Rng,
    /// Terms that keep the number of quanta, so that sectors come up.
    charged: bool,
}

impl Maker {
    fn normal(&mut self) -> f64 {
        self.rng.random_range(-1.0..1.0)
    }

    fn rate(&mut self) -> f64 {
        if self.rng.random_bool(0.1) { 0.0 } else { self.rng.random_range(0.1..1.5) }
    }

    fn complex(&mut self) -> Complex64 {
        Complex64::new(self.normal(), self.normal())
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())].clone()
    }

    /// A raising operator of a subsystem, on one cell where it has numbered ones.
    fn raising(&mut self, e: SubsystemId, kind: &Kind) -> OpSum {
        match kind {
            Kind::Ensemble { .. } => OpSum::of(e, Op::Raise),
            Kind::Network { cells, .. } => {
                let site = Some(self.rng.random_range(0..*cells));
                OpSum::from_factor(Factor { subsystem: e, site, op: Op::Raise })
            }
            Kind::Mode { .. } => OpSum::of(e, Op::Create),
            Kind::Levels { energies } => {
                let to = self.rng.random_range(1..energies.len());
                OpSum::of(e, Op::Transition(to, to - 1))
            }
        }
    }

    fn diagonal(&mut self, e: SubsystemId, kind: &Kind) -> OpSum {
        match kind {
            Kind::Ensemble { .. } => OpSum::of(e, self.pick(&[Op::Number, Op::Z])),
            Kind::Network { cells, .. } => {
                let site = Some(self.rng.random_range(0..*cells));
                OpSum::from_factor(Factor { subsystem: e, site, op: self.pick(&[Op::Number, Op::Z]) })
            }
            Kind::Mode { .. } => OpSum::of(e, Op::Number),
            Kind::Levels { energies } => {
                let level = self.rng.random_range(0..energies.len());
                OpSum::of(e, Op::Transition(level, level))
            }
        }
    }

    fn cell_operator(&mut self, e: SubsystemId) -> OpSum {
        let op = |op| OpSum::of(e, op);
        if self.charged {
            let one = self.pick(&[Op::Lower, Op::Raise, Op::Z, Op::Number]);
            return op(one) * self.complex();
        }
        op(Op::Lower) * self.complex()
            + op(Op::Raise) * self.complex()
            + op(Op::Number) * self.complex()
            + op(Op::X) * self.normal()
    }

    fn kind(&mut self) -> Kind {
        match self.rng.random_range(0..5) {
            0 | 1 => Kind::Ensemble { cells: self.rng.random_range(1..=3) },
            2 => {
                let cells = self.rng.random_range(1..=3);
                Kind::Network { cells, edges: (1..cells).map(|b| (b - 1, b)).collect() }
            }
            3 => Kind::Mode { cutoff: self.rng.random_range(2..=4) },
            _ => Kind::Levels { energies: vec![0.0, 0.7, 1.9] },
        }
    }

    fn initial(&mut self, kind: &Kind) -> Initial {
        let superposed = !self.charged;
        match kind {
            Kind::Ensemble { .. } | Kind::Network { .. } => match self.rng.random_range(0..5) {
                0 => Initial::Ground,
                1 => Initial::Excited,
                2 => Initial::Thermal { ratio: self.rng.random_range(0.0..1.5) },
                3 if matches!(kind, Kind::Ensemble { .. }) => {
                    let Kind::Ensemble { cells } = *kind else { return Initial::Ground };
                    let two_j = cells - 2 * self.rng.random_range(0..=cells / 2);
                    let up = self.rng.random_range(0..=two_j) as i64;
                    Initial::Dicke { two_j, two_m: 2 * up - two_j as i64 }
                }
                _ if superposed => {
                    let excited: f64 = self.rng.random_range(0.05..0.95);
                    let size = (excited * (1.0 - excited)).sqrt() * self.rng.random_range(0.0..=1.0);
                    Initial::Cell { excited, coherence: Complex64::from_polar(size, self.rng.random_range(-3.0..3.0)) }
                }
                _ => Initial::Cell { excited: self.rng.random_range(0.0..=1.0), coherence: Complex64::ZERO },
            },
            Kind::Mode { cutoff } => match self.rng.random_range(0..4) {
                0 => Initial::Fock(self.rng.random_range(0..*cutoff)),
                1 => Initial::Thermal { ratio: 0.4 },
                2 if superposed => Initial::Coherent(self.complex()),
                _ => Initial::Ground,
            },
            Kind::Levels { .. } => Initial::Populations(vec![0.5, 0.2, 0.3]),
        }
    }

    /// A Hermitian operator of some subsystems, which keeps their quanta where charges are kept.
    fn hamiltonian(&mut self, of: &[SubsystemId], kinds: &[Kind]) -> OpSum {
        let mut sum = OpSum::default();
        for e in of {
            sum = sum + self.diagonal(*e, &kinds[e.index()]) * self.normal();
            let other = self.pick(of);
            let up = self.raising(*e, &kinds[e.index()]);
            let hop = up.clone() * self.raising(other, &kinds[other.index()]).adjoint() * self.complex();
            sum = sum + hop.clone() + hop.adjoint();
            if !self.charged {
                let drive = up * self.complex();
                sum = sum + drive.clone() + drive.adjoint();
            }
        }
        sum
    }

    fn problem(&mut self) -> Problem {
        let mut p = Problem::builder("random");
        let mut kinds = Vec::new();
        let mut bits = 0.0;
        for index in 0..self.rng.random_range(1..=3) {
            let kind = self.kind();
            let size: f64 = match &kind {
                Kind::Ensemble { cells } => *cells as f64,
                Kind::Network { cells, .. } => *cells as f64,
                Kind::Mode { cutoff } => (*cutoff as f64).log2(),
                Kind::Levels { energies } => (energies.len() as f64).log2(),
            };
            if bits + size > 5.1 && index > 0 {
                continue;
            }
            bits += size;
            let energy = self.rng.random_range(0.3..1.5);
            let e = p.subsystem(&format!("S{index}"), kind.clone(), energy);
            let initial = self.initial(&kind);
            p.initial(e, initial);
            kinds.push(kind);
        }
        let all: Vec<SubsystemId> = (0..kinds.len()).map(SubsystemId::new).collect();
        for e in all.clone() {
            let own = self.diagonal(e, &kinds[e.index()]) * self.normal();
            p.hamiltonian(own);
            let up = self.raising(e, &kinds[e.index()]);
            let other = self.pick(&all);
            let down = self.raising(other, &kinds[other.index()]).adjoint();
            let hop = up.clone() * down * self.complex();
            p.hamiltonian(hop.clone() + hop.adjoint());
            if !self.charged {
                let drive = up.clone() * self.complex();
                p.hamiltonian(drive.clone() + drive.adjoint());
            }
            let rate = self.rate();
            if let Kind::Ensemble { .. } | Kind::Network { .. } = kinds[e.index()] {
                let operator = self.cell_operator(e);
                p.each(&format!("each{e}"), e, operator, rate);
            }
            if let Kind::Network { cells, edges } = &kinds[e.index()] {
                let rates = RateMatrix::on_graph(*cells, edges, 1.0, 0.4).unwrap();
                p.correlated(&format!("together{e}"), e, OpSum::of(e, Op::Lower), rate, rates);
                if self.rng.random_bool(0.5) {
                    p.only(["second"]);
                }
            }
            let lowered = up.adjoint();
            let collective = if self.charged || self.rng.random_bool(0.5) {
                lowered
            } else {
                lowered * self.complex() + self.diagonal(e, &kinds[e.index()]) * self.complex()
            };
            let rate = self.rate();
            p.collective(&format!("loss{e}"), collective, rate);
        }
        if self.rng.random_bool(0.4) {
            let e = self.pick(&all);
            let operator = if self.charged {
                self.diagonal(e, &kinds[e.index()])
            } else {
                let up = self.raising(e, &kinds[e.index()]);
                up.clone() + up.adjoint()
            };
            let envelopes = [
                Envelope::Constant(0.6),
                Envelope::Linear { start: 0.2, slope: 1.0 },
                Envelope::Gaussian { peak: 1.5, centre: 0.2, width: 0.15 },
                Envelope::Cosine { amplitude: 0.8, frequency: 5.0, phase: 0.4 },
            ];
            let envelope = self.pick(&envelopes);
            p.drive("drive", operator, envelope).only(["first"]);
        }
        p.evolve("first", 0.5, 2);
        let spins: Vec<SubsystemId> = all
            .iter()
            .copied()
            .filter(|e| !matches!(kinds[e.index()], Kind::Mode { .. } | Kind::Levels { .. }))
            .collect();
        if let Some(&e) = spins.first()
            && self.rng.random_bool(0.6)
        {
            let angle = if self.charged { std::f64::consts::PI } else { self.pick(&[std::f64::consts::PI, 1.1, -2.0]) };
            let axis = self.pick(&[Axis::X, Axis::Y, Axis::Z]);
            p.rotate(e, axis, angle);
        }
        if self.rng.random_bool(0.3) {
            let e = self.pick(&all);
            let state = self.initial(&kinds[e.index()]);
            p.reset(e, state);
        }
        p.evolve("second", 0.4, 2);
        if self.rng.random_bool(0.3) {
            p.repeat(2);
        }
        let mut battery: Vec<SubsystemId> = all.iter().copied().filter(|_| self.rng.random_bool(0.6)).collect();
        if battery.is_empty() {
            battery.push(all[0]);
        }
        p.battery(battery.clone());
        p.observe([Quantity::Energy, Quantity::EnergyVariance, Quantity::Ergotropy, Quantity::Purity]);
        p.observe([
            Quantity::AntiErgotropy,
            Quantity::IncoherentErgotropy,
            Quantity::ErgotropyOf(all[0]),
            Quantity::EnergyOf(all[0]),
        ]);
        if battery.iter().all(|e| spins.contains(e)) {
            p.observe([Quantity::LocalErgotropy, Quantity::CellCoherence]);
        }
        for e in all {
            if let Kind::Ensemble { .. } = kinds[e.index()] {
                p.observe([Quantity::Magnetisation(e), Quantity::SpinLength(e), Quantity::Bright(e)]);
                p.observe([Quantity::MagnetisationVariance(e), Quantity::BrightLoss(e), Quantity::BrightReturn(e)]);
            }
        }
        let channels = p.build().unwrap();
        p.observe(channels.channel_ids().map(Quantity::Jumps));
        p.build().unwrap()
    }
}

/// A problem of all kinds of subsystems, channels, drives, pulses and resets.
pub fn random(seed: u64) -> Problem {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let charged = rng.random_bool(0.5);
    Maker { rng, charged }.problem()
}

/// A random problem in which a drive and two rates are functions of time: smooth ones, pulses, kinks, jumps and tables, on
/// both clocks.
pub fn random_in_time(seed: u64) -> Problem {
    use Expression::{Number, RunTime, StepTime};
    let problem = random(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = Number;
    let call = |call, x: Expression| Expression::Call(call, vec![x]);
    let shifted = |clock: Expression, by: f64| clock.plus(n(-by));
    let square = |x: Expression| Expression::Power(Box::new(x), Box::new(n(2.0)));
    let table = Table::new("w", vec![0.0, 0.11, 0.27, 0.5], vec![0.4, 1.0, 0.5, 0.7], 3).unwrap();
    // None of them is negative anywhere.
    let functions = [
        call(Call::Exp, square(shifted(StepTime, 0.2)).times(n(-40.0))),
        square(call(Call::Sin, StepTime.times(n(7.0)))),
        call(Call::Exp, RunTime.times(n(-2.0))),
        Expression::Call(Call::Max, vec![n(0.0), call(Call::Abs, shifted(StepTime, 0.13)).times(n(-9.0)).plus(n(1.0))]),
        call(Call::Step, shifted(RunTime, 0.31)).times(n(0.8)),
        Expression::Table(Arc::new(table), Box::new(StepTime)),
        Expression::Quotient(Box::new(n(0.3)), Box::new(StepTime.plus(n(0.2)))),
    ];
    let mut function = || Envelope::Function(Function::new(&functions[rng.random_range(0..functions.len())]));
    let mut changed = problem.edit();
    let part = SubsystemId::new(0);
    let operator = match &problem.subsystems()[part].kind {
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(1, 1)),
        _ => OpSum::of(part, Op::Number),
    };
    changed.drive("timed", operator, function());
    for channel in problem.channel_ids().step_by(2) {
        changed.rate_in_time(channel, function());
    }
    let kept =
        problem.quantities().iter().filter(|q| !matches!(q, Quantity::BrightLoss(_) | Quantity::BrightReturn(_)));
    let mut kept: Vec<Quantity> = kept.cloned().collect();
    // A jump operator that is a number plus a function times a shift, on two clocks; where charges are kept, of one shift.
    let down = match &problem.subsystems()[part].kind {
        Kind::Mode { .. } => OpSum::of(part, Op::Annihilate),
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(0, 1)),
        Kind::Ensemble { .. } | Kind::Network { .. } => OpSum::of(part, Op::Lower),
    };
    changed.collective("shaped", down.clone() * 0.3, 0.9).plus(function(), down * Complex64::new(0.2, 0.5));
    kept.push(Quantity::Jumps(ChannelId::new(problem.channels().len())));
    // Operators of its own: one that is not diagonal, alone and with a number of the last part.
    let up = match &problem.subsystems()[part].kind {
        Kind::Mode { .. } => OpSum::of(part, Op::Create),
        Kind::Levels { .. } => OpSum::of(part, Op::Transition(2, 1)),
        Kind::Ensemble { .. } | Kind::Network { .. } => OpSum::of(part, Op::Raise),
    };
    let turned = up.clone() * Complex64::I;
    let own = up.clone() * up.adjoint() + turned.clone() + turned.adjoint();
    let last = SubsystemId::new(problem.subsystems().len() - 1);
    let number = match &problem.subsystems()[last].kind {
        Kind::Levels { .. } => OpSum::of(last, Op::Transition(1, 1)),
        _ => OpSum::of(last, Op::Number),
    };
    let both = own.clone() * number.clone() + number * own.clone();
    kept.push(Quantity::Expect(changed.observable("own", own)));
    kept.push(Quantity::Expect(changed.observable("both", both)));
    let problem = changed.with_only(kept).build();
    problem.unwrap_or_else(|e| panic!("{seed}: {e}"))
}

/// A random problem whose battery has a Hamiltonian of its own, or cells of unequal energy, whose subsystems start together,
/// and on which gates act.
pub fn random_battery(seed: u64) -> Problem {
    let (mut rng, problem) = (ChaCha8Rng::seed_from_u64(seed), random(seed));
    let charged = rng.random_bool(0.5); // as in `random`
    let mut maker = Maker { rng: ChaCha8Rng::seed_from_u64(seed + 1_000_000), charged };
    let mut p = problem.edit();
    let kinds: Vec<Kind> = problem.subsystems().iter().map(|s| s.kind.clone()).collect();
    let all: Vec<SubsystemId> = problem.subsystem_ids().collect();
    let kept = problem.quantities().iter().filter(|q| !matches!(q, Quantity::LocalErgotropy));
    let mut kept: Vec<Quantity> = kept.cloned().collect();
    for (e, kind) in all.iter().zip(&kinds) {
        if let Kind::Network { cells, .. } = kind {
            let energies: Vec<f64> = (0..*cells).map(|_| maker.rng.random_range(0.2..1.4)).collect();
            p.cell_energies(*e, energies);
        }
    }
    if maker.rng.random_bool(0.7) {
        let operator = maker.hamiltonian(problem.battery(), &kinds);
        let zero = maker.pick(&[Zero::Ground, Zero::AsWritten]);
        p.battery_energy(operator, zero);
    }
    let (first, last) = (all[0], all[all.len() - 1]);
    let over: Vec<SubsystemId> = if first == last { vec![first] } else { vec![last, first] };
    let dimension = |e: &SubsystemId| match &kinds[e.index()] {
        Kind::Ensemble { cells } => 1 << cells,
        Kind::Network { cells, .. } => 1 << cells,
        Kind::Mode { cutoff } => *cutoff,
        Kind::Levels { energies } => energies.len(),
    };
    let d: usize = over.iter().map(dimension).product();
    match maker.rng.random_range(0..4) {
        0 => {
            let state = JointState::Gibbs { operator: maker.hamiltonian(&over, &kinds), beta: maker.normal() };
            p.joint(over.clone(), state);
        }
        // One state of all of them, or a column of a random matrix.
        1 if charged => {
            let at = maker.rng.random_range(0..d);
            p.joint(over.clone(), JointState::ket((0..d).map(|i| f64::from(u8::from(i == at)).into()).collect()));
        }
        1 => {
            let column = haar_unitary(d, seed).col(0).to_owned();
            p.joint(over.clone(), JointState::ket(column.iter().copied().collect()));
        }
        2 => {
            let u = haar_unitary(d, seed);
            let p_k = |k: usize| {
                if charged { f64::from(u8::from(k == 0)) } else { [0.6, 0.4].get(k).copied().unwrap_or(0.0) }
            };
            let weights: f64 = (0..d).map(p_k).sum();
            let rho = Mat::from_fn(d, d, |i, j| {
                let each = (0..d).map(|k| u[(i, k)] * u[(j, k)].conj() * (p_k(k) / weights));
                let whole: Complex64 = each.sum();
                if charged && i != j { Complex64::ZERO } else { whole }
            });
            p.joint(over.clone(), JointState::mixed(&rho).unwrap());
        }
        _ => {}
    }
    let gate = maker.hamiltonian(&over, &kinds);
    p.unitary(Gate::Exponential(gate)).evolve("third", 0.3, 1);
    if maker.rng.random_bool(0.5) {
        let matrix = match charged {
            false => haar_unitary(d, seed + 7),
            true => {
                let angles: Vec<f64> = (0..d).map(|_| maker.normal()).collect();
                let phase = |i: usize, j: usize| if i == j { Complex64::cis(angles[i]) } else { Complex64::ZERO };
                Mat::from_fn(d, d, phase)
            }
        };
        p.unitary(Gate::Matrix { over: over.clone(), matrix: Arc::new(matrix) }).evolve("fourth", 0.2, 1);
    }
    let own = maker.hamiltonian(&over, &kinds);
    kept.push(Quantity::Expect(p.observable("own", own)));
    // Single cells, modes and levels, each once: at most one of each subsystem.
    let mut places: Vec<(SubsystemId, Option<usize>)> = Vec::new();
    for (e, kind) in all.iter().zip(&kinds) {
        match kind {
            Kind::Ensemble { cells: 2.. } => {}
            Kind::Network { cells, .. } => places.push((*e, Some(maker.rng.random_range(0..*cells)))),
            _ => places.push((*e, None)),
        }
    }
    let size = |(e, cell): &(SubsystemId, Option<usize>)| if cell.is_some() { 2 } else { dimension(e) };
    let mut choose = |name: &str, what: Nonlinear, target: Option<Vec<Complex64>>| {
        let chosen = Chosen { name: name.into(), what, places: places.clone(), first: 1, target: target.map(Arc::new) };
        kept.push(Quantity::Chosen(p.chosen(chosen)));
    };
    if !places.is_empty() {
        choose("part", Nonlinear::Ergotropy, None);
        choose("entropy", Nonlinear::Entropy, None);
        let column = haar_unitary(places.iter().map(size).product(), seed).col(0).to_owned();
        choose("fidelity", Nonlinear::Fidelity, Some(column.iter().copied().collect()));
    }
    if places.len() > 1 {
        choose("negativity", Nonlinear::Negativity, None);
        choose("information", Nonlinear::MutualInformation, None);
    }
    kept.extend([Quantity::CoherentErgotropy, Quantity::Capacity, Quantity::Efficiency, Quantity::EnergyOf(last)]);
    p.with_only(kept).build().unwrap_or_else(|e| panic!("{seed}: {e}"))
}

/// A random problem in the space of few quanta, of all of its subsystems or of all but the first.
pub fn random_of_few_quanta(seed: u64) -> Problem {
    let (mut rng, problem) = (ChaCha8Rng::seed_from_u64(seed), random(seed));
    let mut p = problem.edit();
    p.keep_steps(|step| matches!(step, Step::Evolve { .. }));
    let mut quanta = 1u64; // one more than there are at the start
    for (e, part) in problem.subsystem_ids().zip(problem.subsystems()) {
        let state = match &part.kind {
            Kind::Mode { .. } if rng.random_bool(0.4) => Initial::Fock(1),
            Kind::Ensemble { cells } if rng.random_bool(0.4) => {
                Initial::Dicke { two_j: *cells, two_m: 2 - *cells as i64 }
            }
            _ => Initial::Ground,
        };
        quanta += u64::from(state != Initial::Ground);
        p.initial(e, state);
    }
    let all: Vec<SubsystemId> = problem.subsystem_ids().collect();
    let of = if all.len() > 1 && rng.random_bool(0.3) { all[1..].to_vec() } else { all };
    let kept = problem.quantities().iter().cloned();
    // Flows between spins are of whole cells.
    let kept =
        kept.filter(|q| !matches!(q, Quantity::BrightLoss(_) | Quantity::BrightReturn(_) | Quantity::SpinLength(_)));
    p.with_only(kept).at_most(quanta, of).observe([Quantity::TopQuanta]);
    p.build().unwrap_or_else(|e| panic!("{seed}: {e}"))
}
