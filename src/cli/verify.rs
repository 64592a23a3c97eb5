//! `leyden verify`: sample and solve, and compare.

use super::InputArgs;
use super::common::{self, Outcome};
use super::interrupt;
use super::print::{note, say};
use super::run::{SamplingArgs, check_cutoffs, sample};
use super::screen;
use crate::estimate::columns;
use crate::estimate::evaluation::Evaluation;
use crate::estimate::verify::{Comparison, Verdict, compare};
use crate::exact;
use crate::output::table::csv;
use crate::run::{self, RunOptions};
use crate::table::{Table, significant};
use clap::Args;
use serde_json::{Map, json};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `leyden verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Chance that a correct program fails.
const FALSE_ALARM: f64 = 1e-3;

/// Compare trajectories with the exact solution at the size of `[verify]`, but for what `-p` sets.
pub fn verify(args: &VerifyArgs) -> Outcome {
    let started = Instant::now();
    let whole = args.input.read()?;
    let input = whole.at_verify_size()?;
    let problem = &input.problem;
    let (representation, engine) = common::engine(&input, args.sampling.representation)?;
    let options = RunOptions {
        trajectories: args.sampling.trajectories.unwrap_or(input.run.trajectories),
        seed: args.sampling.seed.unwrap_or(input.run.seed),
        threads: args.sampling.threads.unwrap_or(0) as usize,
        shots: false,
        covariance: true,
        states: false,
    };
    run::check(&engine, problem, options)?;
    let mut identity = common::identity("verify", &input);
    identity.insert("seed".into(), json!(options.seed));
    identity.insert("trajectories_asked".into(), json!(options.trajectories));
    identity.insert("representation".into(), json!(representation.to_string()));
    let expected = 2 * common::expected_bytes(problem.protocol.row_count(), problem.quantities.len());
    let mut folder = args.input.claim("-verify", identity, expected)?;
    let given = |name: &str| match name {
        "trajectories" => args.sampling.trajectories.is_some(),
        _ => args.input.parameters.iter().any(|(own, _)| own == name),
    };
    let set = whole.verify.iter().filter(|(name, _)| !given(name)).map(|(name, value)| format!("{name} = {value}"));
    let set: Vec<String> = set.collect();
    if !set.is_empty() {
        note!("[verify] sets {}", set.join(", "));
    }
    common::only_exact(&input);

    let spinner = common::spinner(&format!("{}: exact", problem.title));
    let exact = exact::solve(problem, None, &interrupt::stop());
    spinner.finish_and_clear();
    let exact = exact.map_err(|error| common::placed(&input, error))?;
    let outcome = sample(problem, &engine, options)?;
    if outcome.interrupted {
        note!("interrupted after {} of {} trajectories: no verdict", outcome.trajectories, options.trajectories);
        return Ok(ExitCode::from(interrupt::STATUS));
    }
    let how = Evaluation { threads: options.threads, stop: interrupt::stop(), ..Evaluation::default() };
    let sampled = columns::evaluate(problem, &outcome.accumulated, &how)?;
    let verdict = compare(problem, &outcome.accumulated, &sampled, &exact, FALSE_ALARM);
    print(&verdict, &sampled, &exact);

    folder.write("verify.csv", agreement(&verdict, &sampled).as_bytes())?;
    folder.write("observables.csv", csv(&sampled).as_bytes())?;
    folder.write("exact.csv", csv(&exact).as_bytes())?;
    let legend = common::sampled_legend(outcome.trajectories);
    common::draw(&mut folder, &problem.title, &[(&legend, &sampled), ("exact", &exact)])?;
    let mut facts = Map::new();
    facts.insert("trajectories".into(), json!(outcome.trajectories));
    facts.insert("passed".into(), json!(verdict.passed()));
    facts.insert("false_alarm".into(), json!(FALSE_ALARM));
    facts.insert("largest_z_allowed".into(), json!(verdict.z_limit));
    facts.insert("smallest_p_allowed".into(), json!(verdict.p_limit));
    let finished = folder.finish(facts, common::environment(started, rayon::current_num_threads()))?;
    screen::print_place("both tables and their picture", &finished);
    let cutoffs = check_cutoffs(problem, &exact);
    Ok(ExitCode::from(u8::from(!(verdict.passed() && cutoffs))))
}

fn print(verdict: &Verdict, sampled: &Table, exact: &Table) {
    say!("{} trajectories against the exact solution, {} rows", verdict.trajectories, sampled.rows.len());
    say!("{:<18} {:>8}  {:>9} {:>5} {:>9}   ", "quantity", "max |z|", "χ²", "dof", "p");
    for comparison in &verdict.comparisons {
        let curve = match comparison.curve {
            Some((statistic, degrees, p)) => format!("{statistic:>9.2} {degrees:>5} {p:>9.2e}"),
            None => format!("{:>9} {:>5} {:>9}", "–", "", ""),
        };
        let result = if comparison.passed { "agrees" } else { "DISAGREES" };
        say!("{:<18} {:>8.3}  {curve}   {result}", comparison.name, comparison.worst.0);
        if !comparison.passed {
            explain(comparison, sampled, exact);
        }
    }
    say!(
        "largest |z| allowed {:.3} (Bonferroni over all numbers), smallest p allowed {:.2e}; together they fail a correct \
         program with a probability of {}",
        verdict.z_limit,
        verdict.p_limit,
        verdict.false_alarm
    );
    say!(
        "{}",
        if verdict.passed() { "verified" } else { "NOT verified: the samples disagree with the exact solution" }
    );
}

/// `verify.csv`: how far each quantity is off.
fn agreement(verdict: &Verdict, sampled: &Table) -> String {
    let mut text = String::from("quantity,worst_z,time,step,cycle,chi_square,degrees,p,agrees\n");
    for one in &verdict.comparisons {
        let (worst, row) = one.worst;
        let (time, step, cycle) = (sampled.rows[row].time, &sampled.steps[row], sampled.rows[row].cycle);
        let curve = one.curve.map_or(",,".to_owned(), |(statistic, degrees, p)| format!("{statistic},{degrees},{p}"));
        text += &format!("{},{worst},{time},{step},{cycle},{curve},{}\n", one.name, u8::from(one.passed));
    }
    text
}

/// Where a quantity is farthest off.
fn explain(comparison: &Comparison, sampled: &Table, exact: &Table) {
    let row = comparison.worst.1;
    let (Some(mine), Some(theirs)) = (sampled.column(&comparison.name), exact.column(&comparison.name)) else { return };
    say!(
        "    at t = {} ({}, cycle {}): sampled {}, exact {}",
        significant(sampled.rows[row].time, 9),
        sampled.steps[row],
        sampled.rows[row].cycle + 1,
        mine.at(row),
        significant(theirs.value[row], 9)
    );
}
