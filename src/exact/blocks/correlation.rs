//! Two-time correlations by the regression theorem: X = Bρ(t)C evolves as ρ does (`docs/physics.md` §3.4).
//!
//! X is not Hermitian, and B may take it out of the blocks of ρ. Beside an auxiliary two-level system, on which nothing
//! acts, both are mended: W = |0⟩⟨0|⊗ρ + |1⟩⟨0|⊗X + |0⟩⟨1|⊗X† is Hermitian and obeys the same equation, and what B and C
//! shift of a charge is carried by the auxiliary level, so that W lies in blocks of the charges that are left.

use super::equation::Equation;
use super::generator::{add_with_adjoint, adjoint, times};
use super::held::{Held, Read};
use super::readout::mean;
use super::steady::{Ending, oscillates, settle};
use crate::error::{CompileError, RunError};
use crate::problem::{
    Channel, Correlation, Envelope, Initial, Kind, Linear, Named, ObservableId, Op, OpSum, Problem, Quantity, Reach,
    Regression, Step, Subsystem, SubsystemId, When,
};
use crate::protocol::{Rows, walk_cycle, walk_steps};
use crate::space::blocks::{Blocks, Style};
use crate::space::choose::Representation;
use crate::stop::Stop;
use num_complex::Complex64;

/// A mean below this part of the size of its operator is rounding, and so is such a trace of a matrix of elements up to 1.
const NEGLIGIBLE: f64 = 1e-12;

/// The correlation at each of its delays, in blocks of this style or of the smallest that carries it; NaN where it is
/// normalised by nothing.
///
/// # Errors
/// [`RunError::Model`] as [`Correlation::regression`]; [`RunError::NoLimit`] without a steady state to begin from; when
/// the blocks do not fit; [`RunError::Interrupted`].
pub fn correlation(
    problem: &Problem,
    of: &Correlation,
    requested: Option<Style>,
    stop: &Stop,
) -> Result<Vec<Complex64>, RunError> {
    regression(problem, of, requested, stop).map_err(|error| match error {
        RunError::TooLarge { what, needed, limit, .. } => {
            RunError::TooLarge { what, needed, limit, advice: "use a smaller system or shorter delays".into() }
        }
        other => other,
    })
}

fn regression(
    problem: &Problem,
    of: &Correlation,
    requested: Option<Style>,
    stop: &Stop,
) -> Result<Vec<Complex64>, RunError> {
    let asked = of.regression(problem)?;
    let (style, blocks) = compile(&beside_a_level(problem, &asked), requested)?;
    let bare = Blocks::compile(&without_questions(problem), style)?;
    let mut before = Equation::new(&bare, stop)?;
    // What does not fit is refused before the work begins.
    let mut after = Equation::new(&blocks, stop)?;
    prepare(&mut before, problem, of.from, asked.step, stop)?;
    let scale = join(&before, &mut after)?;
    drop(before);
    if scale == 0.0 {
        let nothing = if of.normalised { f64::NAN } else { 0.0 };
        return Ok(vec![Complex64::from(nothing); of.delays.len()]);
    }

    let stage = blocks.stage_of(asked.step);
    let (mut now, mut values) = (0.0, Vec::with_capacity(of.delays.len()));
    let size = problem.norm_bound(&asked.operators[0], false);
    let overlap = traced(&after, asked.step, 2);
    after.begin(0.0);
    for &delay in &of.delays {
        stop.check()?;
        after.evolve(stage, now, delay)?;
        now = delay;
        let value = traced(&after, asked.step, 0);
        let mean = traced(&after, asked.step, 1);
        let value = match of.normalised {
            false => value * scale,
            true if mean.norm() > NEGLIGIBLE * size && overlap.norm() > NEGLIGIBLE => value / (mean * overlap),
            true => Complex64::from(f64::NAN),
        };
        let trace: f64 = (0..after.reached.len())
            .flat_map(|b| (0..after.reached[b].dimension()).map(move |i| (b, i)))
            .map(|(b, i)| after.element(b, i, i).re)
            .sum();
        if !((trace - 1.0).abs() <= 1e-8) || (!of.normalised && !value.is_finite()) {
            let reason = format!("at τ = {delay} the state has trace {trace}, the correlation {value}");
            return Err(RunError::Numerics { method: "the regression theorem", reason });
        }
        values.push(value);
    }
    Ok(values)
}

/// The same equation and protocol, with nothing asked.
fn without_questions(problem: &Problem) -> Problem {
    Problem { quantities: Vec::new(), observables: Vec::new(), ..problem.clone() }
}

/// The problem with the auxiliary system; a channel that is never on, whose two operators |1⟩⟨0|⊗B and C† join blocks and
/// restrict charges; and, in pairs of real and imaginary parts, the operators that read A, ⟨A⟩ and Tr X off W.
fn beside_a_level(problem: &Problem, asked: &Regression) -> Problem {
    let mut extended = without_questions(problem);
    let level = SubsystemId::new(extended.subsystems.len());
    let kind = Kind::Levels { energies: vec![0.0, 0.0] };
    extended.subsystems.push(Subsystem { name: "the auxiliary level".into(), kind, energy: 0.0, uneven: Vec::new() });
    extended.initial.push(Initial::Ground);
    extended.tilt.push(0.0);
    let [a, b, c] = &asked.operators;
    let transition = |to, from| OpSum::of(level, Op::Transition(to, from));
    extended.channels.push(Channel {
        name: "of the correlation".into(),
        operator: transition(1, 0) * b.clone(),
        rate: 1.0,
        envelope: None,
        modulated: vec![(Envelope::Constant(1.0), c.adjoint())],
        pairs: Vec::new(),
        reach: Reach::Collective,
    });
    for step in &mut extended.protocol.steps {
        if let Step::Evolve { active, .. } = step {
            active.push(false);
        }
    }
    for read in [transition(0, 1) * a.clone(), transition(0, 0) * a.clone(), transition(0, 1)] {
        for operator in read.hermitian_parts() {
            let id = ObservableId::new(extended.observables.len());
            extended.quantities.push(Quantity::Expect(id));
            extended.observables.push(Named { name: format!("the auxiliary observable {id}"), operator, range: None });
        }
    }
    extended
}

/// In the style requested, or the first that carries it.
fn compile(problem: &Problem, requested: Option<Style>) -> Result<(Style, Blocks), CompileError> {
    let all = Representation::ALL.into_iter().filter_map(Representation::style);
    let styles = requested.map_or_else(|| all.collect(), |style| vec![style]);
    let mut refused = None;
    for style in styles {
        match Blocks::compile(problem, style) {
            Ok(blocks) => return Ok((style, blocks)),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or(CompileError { representation: "blocks", reason: "there are none".into() }))
}

/// ρ(t).
fn prepare(equation: &mut Equation, problem: &Problem, from: When, step: usize, stop: &Stop) -> Result<(), RunError> {
    let last = problem.protocol.repeat - 1;
    for cycle in 0..last {
        walk_cycle(&problem.protocol, cycle, Rows::Skip, stop, &mut Read { state: equation, readout: None })?;
    }
    let steps = step + usize::from(from == When::End);
    walk_steps(&problem.protocol, last, steps, Rows::Skip, stop, &mut Read { state: equation, readout: None })?;
    if from != When::Steady {
        return Ok(());
    }
    let stage = equation.blocks.stage_of(step);
    match settle(equation, stage, Ending::Limit, stop)? {
        None => Ok(()),
        Some(frequency) => Err(RunError::NoLimit { how: oscillates(frequency), frequency: Some(frequency) }),
    }
}

/// `to` ← W of the state of `from`, with X divided by its largest element, which is returned: a small X would else be
/// lost beside ρ.
fn join(from: &Equation, to: &mut Equation) -> Result<f64, RunError> {
    to.rho.iter_mut().flatten().for_each(|x| *x = Complex64::ZERO);
    let mut levels = vec![0; to.blocks.layout.slots.len()];
    let slots = levels.len() - 1;
    for (block, rho) in from.reached.iter().zip(&from.rho) {
        // The auxiliary level is the last slot, and stays 0 here.
        let two_j = [&block.space.key.two_j[..], &[0]].concat();
        let d = block.dimension();
        block.space.read(0, &mut levels[..slots]);
        let place = to.place(to.blocks.block_of(&two_j, &levels));
        let space = place.map(|place| &to.reached[place].space);
        let index = |i: usize| {
            block.space.read(i, &mut levels[..slots]);
            space.and_then(|space| space.index(&levels))
        };
        let indices: Option<Vec<usize>> = (0..d).map(index).collect();
        let (Some(place), Some(indices)) = (place, indices) else {
            let reason = "a block of the state is in none of those beside the auxiliary level".into();
            return Err(RunError::Numerics { method: "the regression theorem", reason });
        };
        let e = to.reached[place].dimension();
        for i in 0..d {
            for j in 0..d {
                to.rho[place][indices[i] * e + indices[j]] = rho[i * d + j];
            }
        }
    }
    let channel = to.blocks.problem().channels.len() - 1;
    let mut images: Vec<(usize, Vec<Complex64>)> = Vec::new();
    for (block, rho) in to.reached.iter().zip(&to.rho) {
        for jump in block.jumps(to.blocks).iter().filter(|jump| jump.channel == channel) {
            let Some(place) = to.place(jump.target) else { continue };
            // LρR† = (R(Lρ)†)† with L = |1⟩⟨0|⊗B and R = C†.
            let (d, e) = (block.dimension(), jump.map.rows());
            let half = adjoint(&times(&jump.map, rho, d), e, d);
            images.push((place, adjoint(&times(jump.part(1), &half, e), e, e)));
        }
    }
    let largest = images.iter().flat_map(|(_, x)| x).map(|x| x.norm()).fold(0.0, f64::max);
    if largest > 0.0 {
        for (place, x) in &images {
            add_with_adjoint(x, to.reached[*place].dimension(), 1.0 / largest, &mut to.rho[*place]);
        }
    }
    Ok(largest)
}

/// The number that the pair `pair` of operators reads off W.
fn traced(state: &Equation, step: usize, pair: usize) -> Complex64 {
    let part = |k| mean(state, Linear::Expect(ObservableId::new(k)), step).unwrap_or(f64::NAN);
    Complex64::new(part(2 * pair), part(2 * pair + 1))
}
