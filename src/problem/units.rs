//! The same problem in another unit of time.

use super::{Initial, Kind, Problem, Step};

impl Problem {
    /// The same physics with rates that count `factor` times as much, energies and frequencies among them, and times that
    /// count as much less: all energies come out `factor` times as large, all populations and jumps the same.
    /// Observables of the user's own and the record of single runs, with its times and levels, keep their numbers.
    pub fn in_units(&self, factor: f64) -> Problem {
        let mut problem = self.clone();
        for subsystem in &mut problem.subsystems {
            subsystem.energy *= factor;
            subsystem.uneven.iter_mut().for_each(|energy| *energy *= factor);
            if let Kind::Levels { energies } = &mut subsystem.kind {
                energies.iter_mut().for_each(|energy| *energy *= factor);
            }
        }
        let own = problem.battery_hamiltonian.iter_mut().flat_map(|own| &mut own.operator.terms);
        own.for_each(|term| term.coefficient *= factor);
        problem.joint.iter_mut().for_each(|joint| joint.state.scale(factor));
        problem.hamiltonian.terms.iter_mut().for_each(|term| term.coefficient *= factor);
        problem.drives.iter_mut().for_each(|drive| drive.envelope = drive.envelope.in_units(factor));
        for channel in &mut problem.channels {
            match &mut channel.envelope {
                Some(envelope) => *envelope = envelope.in_units(factor),
                None => channel.rate *= factor,
            }
            // Jump operators have no unit: their functions keep their values.
            for (f, _) in &mut channel.modulated {
                *f = f.in_units(factor).times(1.0 / factor);
            }
            let scale = if channel.envelope.is_some() { 1.0 } else { 1.0 / factor };
            for pair in &mut channel.pairs {
                pair.envelope = pair.envelope.in_units(factor).times(scale);
            }
        }
        for step in &mut problem.protocol.steps {
            match step {
                Step::Evolve { duration, rows, .. } => {
                    *duration /= factor;
                    rows.iter_mut().for_each(|row| *row /= factor);
                }
                Step::Reset { state: Initial::Alone(state), .. } => state.scale(factor),
                _ => {}
            }
        }
        problem
    }
}
