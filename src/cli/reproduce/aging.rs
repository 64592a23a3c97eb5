//! Figures 2 and 3 of *Aging of a quantum battery*, with what they leave out: fluctuations, the burst, and large N.

use super::Results;
use crate::cli::interrupt;
use crate::estimate::columns::Z95;
use crate::exact::blocks::Ending;
use crate::exact::mean_field::MeanField;
use crate::exact::rate_equation::RateEquation;
use crate::exact::{limit_cycle, solve};
use crate::models::{Aging, Release};
use crate::output::figure::{Axis, Figure, Mark, Panel, Point, Series};
use crate::output::pictures::points;
use crate::problem::{Problem, Quantity};
use crate::table::Table;
use std::error::Error;
use std::fmt::Write;

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// Storage times of Fig. 2.
const STORAGE: [f64; 6] = [0.05, 0.2, 0.4, 0.6, 0.8, 1.0];
/// Cycles of Fig. 3.
const CYCLES: u64 = 40;
const TRAJECTORIES: u64 = 20_000;

/// Cells of the battery; a rough picture has fewer of them, since exact solutions take most of the time.
fn cells(results: &Results) -> u64 {
    if results.quick { 40 } else { 140 }
}

/// What a solution of a problem is called and how it is drawn: sampled, exact, mean field.
const STYLES: [(&str, usize, Mark); 3] =
    [("trajectories, 95 % interval", 0, Mark::Band), ("exact", 6, Mark::Dotted), ("mean field", 1, Mark::Dashed)];

/// One problem solved in all three ways.
struct Solved {
    tables: [Table; 3],
}

impl Solved {
    fn new(results: &mut Results, name: &str, problem: &Problem) -> Done<Self> {
        let sampled = results.sampled(name, problem, TRAJECTORIES)?;
        let exact = solve(problem, None, &interrupt::stop())?;
        let mean_field = MeanField::new(problem)?.solve()?;
        results.data(&format!("{name}_exact"), &exact)?;
        results.data(&format!("{name}_meanfield"), &mean_field)?;
        Ok(Self { tables: [sampled, exact, mean_field] })
    }

    /// Column `y` against time in all three, from row `first`; labelled if asked.
    fn against_time(&self, y: &str, first: usize, labelled: bool) -> Vec<Series> {
        self.series(labelled, |table| {
            let column = table.column(y)?;
            let all = points(table.rows.iter().map(|r| r.time), column);
            Some(all.into_iter().skip(first).collect())
        })
    }

    /// The path in the (S, M) plane.
    fn path(&self, labelled: bool) -> Vec<Series> {
        let line = |mark| if mark == Mark::Band { Mark::Line } else { mark };
        let mut all = self.series(labelled, |table| {
            let (s, m) = (table.column("S")?, table.column("M")?);
            Some(s.value.iter().zip(&m.value).map(|(s, m)| Point::exact(*s, *m)).collect())
        });
        for series in &mut all {
            (series.mark, series.label) = (line(series.mark), series.label.replace(", 95 % interval", ""));
        }
        all
    }

    fn series(&self, labelled: bool, points: impl Fn(&Table) -> Option<Vec<Point>>) -> Vec<Series> {
        let one = |(table, (label, colour, mark)): (&Table, (&str, usize, Mark))| {
            Some(Series::new(if labelled { label } else { "" }, colour, mark, points(table)?))
        };
        self.tables.iter().zip(STYLES).filter_map(one).collect()
    }

    /// Sampled and mean-field values minus the exact ones, against time.
    fn difference(&self, name: &str) -> Vec<Series> {
        let [sampled, exact, mean_field] = &self.tables;
        let (Some(s), Some(e), Some(m)) = (sampled.column(name), exact.column(name), mean_field.column(name)) else {
            return Vec::new();
        };
        let rows = || exact.rows.iter().enumerate();
        let error = |i: usize| s.se.as_ref().map_or(f64::NAN, |se| Z95 * se[i]);
        let off = |i: usize| s.value[i] - e.value[i];
        let ours = rows().map(|(i, r)| Point::with_error(r.time, off(i), off(i) - error(i), off(i) + error(i)));
        let theirs = rows().map(|(i, r)| Point::exact(r.time, m.value[i] - e.value[i]));
        vec![
            Series::new(STYLES[0].0, 0, Mark::Band, ours.collect()),
            Series::new(STYLES[2].0, 1, Mark::Dashed, theirs.collect()),
        ]
    }
}

/// Ask for what the figures show.
fn asked(mut problem: Problem) -> Problem {
    let b = problem.battery[0];
    problem.quantities = vec![
        Quantity::Magnetisation(b),
        Quantity::SpinLength(b),
        Quantity::MagnetisationVariance(b),
        Quantity::Released(None),
    ];
    problem
}

fn aging(cells: u64, tau_d: f64, samples: usize) -> Done<Problem> {
    Ok(asked(Aging { cells, tau_d, samples, cycles: CYCLES, ..Aging::default() }.problem()?))
}

fn time() -> Axis {
    Axis::linear("time t (1/γ)")
}

/// Everything, into `results`.
pub fn figures(results: &mut Results) -> Done {
    let n = cells(results);
    let mut report = format!(
        "# Aging of a quantum battery: where mean field is right, and where not\n\n\
         N = {n} and Γ = 1600γ throughout. Exact values solve the rate equation over all (J, M); mean field is the\n\
         second-order theory with the corrected equations. Times in 1/γ.\n\n\
         | quantity | where | exact | mean field | error | relative |\n|---|---|---|---|---|---|\n",
    );
    let releases = figure_2(results)?;
    let short = Solved::new(results, "fig3ab", &aging(n, 0.0187, 10)?)?;
    let long = Solved::new(results, "fig3cd", &aging(n, 0.0375, 10)?)?;
    figure_3(results, &short, &long)?;
    overview(results, &short)?;
    let burst = burst(results)?;
    large(results, &short)?;
    for (t, solved) in STORAGE.iter().zip(&releases) {
        rows_of_largest_error(&mut report, &format!("release after t = {t}"), solved, &["released"])?;
    }
    rows_of_largest_error(&mut report, "first burst from full charge", &burst, &["M", "S", "M_var"])?;
    rows_of_largest_error(&mut report, "40 cycles, τ_d = τ_s = 0.0187", &short, &["M", "S", "M_var", "released"])?;
    rows_of_largest_error(&mut report, "40 cycles, τ_d = 0.0375", &long, &["M", "S", "M_var", "released"])?;
    limit(results, &mut report, &short, &long)?;
    results.folder.write("mean_field.md", report.as_bytes())?;
    Ok(())
}

/// Fig. 2: one storage, six releases.
fn figure_2(results: &mut Results) -> Done<Vec<Solved>> {
    let n = cells(results);
    let battery = Aging { cells: n, samples: 24, ..Aging::default() };
    let mut solved = Vec::new();
    for (index, t_store) in STORAGE.into_iter().enumerate() {
        let release = Release { battery: battery.clone(), t_store, t_release: 0.202, first_row: Some(1e-6) };
        solved.push(Solved::new(results, &format!("fig2_release{}", index + 1), &asked(release.problem()?))?);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (index, one) in solved.iter().enumerate() {
        // The longest storage shows the decay; of the others only the release is drawn.
        let last = index + 1 == STORAGE.len();
        left.extend(one.against_time("M", if last { 0 } else { battery.samples }, last));
        right.extend(one.path(last));
    }
    let panels = vec![
        Panel::new("Fig. 2(a): storage and release", time(), Axis::linear("M = ⟨Sᶻ⟩"), left),
        Panel::new("Fig. 2(b): the same in the (S, M) plane", Axis::linear("S"), Axis::linear("M"), right),
    ];
    results.picture("fig2", &Figure::new(format!("N = {n} cells, Γ = 1600γ, one charge"), 2, panels))?;
    Ok(solved)
}

/// Fig. 3: forty cycles of equal and of unequal times; with it the fluctuations, and what is too small to see.
fn figure_3(results: &mut Results, short: &Solved, long: &Solved) -> Done {
    let n = cells(results);
    let cases = [(short, "τ_d = τ_s = 0.0187", ["a", "b"]), (long, "τ_d = 0.0375, τ_s = 0.0187", ["c", "d"])];
    let (mut main, mut variance, mut difference) = (Vec::new(), Vec::new(), Vec::new());
    for (solved, times, [left, right]) in cases {
        let m = || Axis::linear("M = ⟨Sᶻ⟩");
        main.push(Panel::new(format!("Fig. 3({left}): {times}"), time(), m(), solved.against_time("M", 0, true)));
        main.push(Panel::new(
            format!("Fig. 3({right}): {times}"),
            Axis::linear("S"),
            Axis::linear("M"),
            solved.path(true),
        ));
        variance.push(Panel::new(times, time(), m(), solved.against_time("M", 0, true)));
        variance.push(Panel::new(times, time(), Axis::linear("Var(Sᶻ)"), solved.against_time("M_var", 0, true)));
        for (name, label) in [("M", "M − exact"), ("S", "S − exact"), ("M_var", "Var(Sᶻ) − exact")] {
            difference.push(Panel::new(times, time(), Axis::linear(label), solved.difference(name)));
        }
    }
    results.picture("fig3", &Figure::new(format!("N = {n} cells aging over 40 cycles, Γ = 1600γ"), 2, main))?;
    results.picture(
        "fig3_variance",
        &Figure::new(format!("Mean and variance of Sᶻ over 40 cycles, N = {n}"), 2, variance),
    )?;
    results
        .picture("fig3_difference", &Figure::new(format!("Distance from the exact solution, N = {n}"), 3, difference))
}

/// The first superradiant burst.
fn burst(results: &mut Results) -> Done<Solved> {
    let n = cells(results);
    let battery = Aging { cells: n, samples: 100, ..Aging::default() };
    let release = Release { battery, t_store: 0.0, t_release: 5e-3, first_row: Some(1e-6) };
    let solved = Solved::new(results, "burst", &asked(release.problem()?))?;
    let panel = |column: &str, label: &str| {
        let series = solved.against_time(column, 1, true);
        Panel::new("", Axis::log("time since the pulse t (1/γ)"), Axis::linear(label), series)
    };
    let panels = vec![
        panel("M", "M = ⟨Sᶻ⟩"),
        panel("S", "S"),
        panel("M_var", "Var(Sᶻ)"),
        panel("released", "energy released (ω)"),
    ];
    results.picture("burst", &Figure::new(format!("The first burst of {n} excited cells, Γ = 1600γ"), 2, panels))?;
    Ok(solved)
}

/// The same at N = 10⁴ and 10⁶, sampled, each value per cell.
fn large(results: &mut Results, small: &Solved) -> Done {
    let mut panels = [("M/N", "M"), ("S/N", "S"), ("Var(Sᶻ)/N", "M_var")]
        .map(|(label, name)| (name, Panel::new("", time(), Axis::linear(label), Vec::new())));
    let mut add = |colour: usize, label: &str, cells: f64, table: &Table| {
        for (name, panel) in &mut panels {
            let Some(column) = table.column(name) else { continue };
            let mut all = points(table.rows.iter().map(|r| r.time), column);
            all.iter_mut().for_each(|p| (p.y, p.lo, p.hi) = (p.y / cells, p.lo / cells, p.hi / cells));
            panel.series.push(Series::new(label, colour, Mark::Band, all));
        }
    };
    let n = cells(results);
    add(0, &format!("N = {n}"), n as f64, &small.tables[0]);
    for (colour, label, file, cells, trajectories) in
        [(1, "N = 10⁴", "N1e4", 10_000, 400), (2, "N = 10⁶", "N1e6", 1_000_000, 40)]
    {
        let sampled = results.sampled(file, &aging(cells, 0.0187, 5)?, trajectories)?;
        add(colour, label, cells as f64, &sampled);
    }
    let panels = panels.map(|(_, panel)| panel).to_vec();
    results.picture("large_N", &Figure::new("40 cycles at three sizes, sampled, bands are 95 % intervals", 3, panels))
}

/// Column `name` at the end of each cycle, against the number of the cycle.
fn cycle_ends(table: &Table, name: &str) -> Option<Vec<Point>> {
    let last = |i: &usize| table.rows.get(i + 1).is_none_or(|next| next.cycle != table.rows[*i].cycle);
    let all = points(table.rows.iter().map(|r| r.cycle as f64 + 1.0), table.column(name)?);
    Some((0..all.len()).filter(last).map(|i| all[i]).collect())
}

/// Few trajectories on the exact curve, so that their error bars can be seen.
fn overview(results: &mut Results, short: &Solved) -> Done {
    const FEW: u64 = 200;
    let n = cells(results);
    let few = results.sampled("overview", &aging(n, 0.0187, 10)?, FEW)?;
    let panel = |name: &str, label: &str| {
        let [_, exact, mean_field] = &short.tables;
        let one = |label: &str, colour, mark, table| Some(Series::new(label, colour, mark, cycle_ends(table, name)?));
        let series = [
            one("exact", 6, Mark::Line, exact),
            one("mean field", 1, Mark::Dashed, mean_field),
            one(&format!("{FEW} trajectories, 95 % interval"), 0, Mark::Points, &few),
        ];
        Panel::new("", Axis::linear("charge cycle"), Axis::linear(label), series.into_iter().flatten().collect())
    };
    let panels = vec![panel("released", "energy released (ω)"), panel("M_var", "Var(Sᶻ) after the discharge")];
    results.picture(
        "overview",
        &Figure::new(format!("A battery of {n} cells ages: what each discharge gives, and how it scatters"), 2, panels),
    )
}

/// The limit cycle: spin length at the end of each discharge, against its fixed point and Eq. 8.
fn limit(results: &mut Results, report: &mut String, short: &Solved, long: &Solved) -> Done {
    let n = cells(results);
    let mut panels = Vec::new();
    report.push_str("\n## Spin length S at the end of a discharge in the limit cycle\n\n");
    report
        .push_str("| τ_s | τ_d | exact fixed point | mean-field fixed point | Eq. 8 as printed | Eq. 8 re-derived |\n");
    report.push_str("|---|---|---|---|---|---|\n");
    for (solved, tau_d) in [(short, 0.0187), (long, 0.0375)] {
        let problem = aging(n, tau_d, 10)?;
        let end = |table: Table| table.column("S").and_then(|s| s.value.last().copied()).unwrap_or(f64::NAN);
        let exact = end(RateEquation::new(&problem)?.fixed_point(Ending::Limit)?);
        let mean_field = end(MeanField::new(&problem)?.fixed_point()?);
        let (printed, rederived) = (limit_cycle::printed(n, 0.0187, tau_d), limit_cycle::rederived(n, 0.0187, tau_d));
        writeln!(report, "| 0.0187 | {tau_d} | {exact:.6} | {mean_field:.6} | {printed:.6} | {rederived:.6} |")?;
        let mut series = solved.series(true, |table| cycle_ends(table, "S"));
        let levels = [
            ("exact limit", 6, exact),
            ("mean-field limit", 1, mean_field),
            ("Eq. 8 printed", 3, printed),
            ("Eq. 8 re-derived", 2, rederived),
        ];
        for (label, colour, y) in levels {
            series.push(Series::new(
                label,
                colour,
                Mark::Line,
                vec![Point::exact(1.0, y), Point::exact(CYCLES as f64, y)],
            ));
        }
        let title = format!("τ_s = 0.0187, τ_d = {tau_d}");
        panels.push(Panel::new(title, Axis::linear("cycle"), Axis::linear("S at the end of discharge"), series));
    }
    results.picture("limit_cycle", &Figure::new(format!("Approach to the limit cycle, N = {n}"), 2, panels))
}

/// Where mean field is farthest from exact, one line for each column.
fn rows_of_largest_error(report: &mut String, what: &str, solved: &Solved, names: &[&str]) -> Done {
    let [_, exact, mean_field] = &solved.tables;
    for name in names {
        let (Some(e), Some(m)) = (exact.column(name), mean_field.column(name)) else { continue };
        let error = |row: usize| (m.value[row] - e.value[row]).abs();
        let Some(row) = (0..e.value.len()).max_by(|a, b| error(*a).total_cmp(&error(*b))) else { continue };
        let at = &exact.rows[row];
        writeln!(
            report,
            "| {name} | {what}; t = {:.3e}, {} of cycle {} | {:.5} | {:.5} | {:+.5} | {:+.2} % |",
            at.time,
            exact.steps[row],
            at.cycle + 1,
            e.value[row],
            m.value[row],
            m.value[row] - e.value[row],
            100.0 * (m.value[row] - e.value[row]) / e.value[row].abs()
        )?;
    }
    Ok(())
}
