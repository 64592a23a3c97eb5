//! Functions of time against closed forms: the exact equation in both representations, and sampled runs.

mod common;

use common::assert_close;
use leyden::exact;
use leyden::exact::naive;
use leyden::input;
use leyden::problem::Problem;
use leyden::run;
use leyden::stop::Stop;
use leyden::unravel::engine::Engine;

/// A cell that starts in `state`, with a `[hamiltonian]` or `[channels]` table, for `duration`; `functions` by name.
fn cell(state: &str, what: &str, duration: &str, functions: &str) -> String {
    format!(
        r#"
        [subsystems]
        B = {{ cell = true, energy = 1.0 }}
        [initial]
        B = "{state}"
        [functions]
        {functions}
        {what}
        [protocol]
        steps = [{{ name = "on", evolve = {duration}, samples = 1 }}]
        [observe]
        quantities = ["energy"]
        "#
    )
}

fn read(text: &str) -> Problem {
    input::parse("functions", text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}")).problem
}

fn refused(text: &str) -> String {
    match input::parse("functions", text, &[]) {
        Err(refusal) => refusal.to_string(),
        Ok(input) => match Engine::new(&input.problem, None) {
            Err(refusal) => refusal.to_string(),
            Ok(_) => panic!("accepted: {text}"),
        },
    }
}

/// The energy at every row from both exact equations, which agree.
fn solved(problem: &Problem, what: &str) -> Vec<f64> {
    let table = exact::solve(problem, None, &Stop::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let energy = table.column("energy").unwrap().value.clone();
    let full = naive::solve(problem).unwrap_or_else(|e| panic!("{what}: {e}"));
    for (a, b) in energy.iter().zip(&full.column("energy").unwrap().value) {
        assert_close(*a, *b, 1e-9, what);
    }
    energy
}

/// The mean energy at the end of sampled runs, with its standard error.
fn sampled(problem: &Problem, trajectories: u64) -> (f64, f64) {
    let engine = Engine::new(problem, None).unwrap().1;
    let options = common::options(trajectories, 1);
    let run = run::sample(&engine, problem, options, &Stop::default(), &mut |_| true).unwrap();
    let shots = run.shots.unwrap();
    common::of_shots(&shots, trajectories, &shots.energy_mean)
}

/// Powers of t have Taylor terms that vanish between others that do not.
#[test]
fn powers_of_time_lose_no_term() {
    let e = |rate: f64| (-rate).exp();
    let lost = [
        (r#"rate = "3*t^2", operator = "sm(B)""#, e(1.0)),
        (r#"rate = "7*t^6", operator = "sm(B)""#, e(1.0)),
        (r#"rate = "step(t - 0.25)*3*(t - 0.25)^2", operator = "sm(B)""#, e(0.75f64.powi(3))),
        (r#"rate = 1.0, operator = "2*t*sm(B)""#, e(4.0 / 3.0)),
        // ∫ (3t² − 2t³)² dt = 9/5 − 2 + 4/7
        (r#"rate = 1.0, operator = "(3*t^2 - 2*t^3)*sm(B)""#, e(9.0 / 5.0 - 2.0 + 4.0 / 7.0)),
    ];
    for (channel, expected) in lost {
        let problem = read(&cell("excited", &format!("[channels]\nloss = {{ {channel} }}"), "1.0", ""));
        assert_close(solved(&problem, channel)[1], expected, 1e-12, channel);
        let (mean, error) = sampled(&problem, 4000);
        // A correct program is 4.5 standard errors off with a chance of 7·10⁻⁶.
        let deviation = (expected * (1.0 - expected) / 4000.0).sqrt().max(error);
        assert!((mean - expected).abs() < 4.5 * deviation, "{channel}: {mean} ± {deviation}, expected {expected}");
    }
    // sin² of half the area of the pulse on σx, whose halves are its eigenvalues.
    let turned = [
        ("3*t^2*sx(B)", "1.0", 1.0f64),
        ("0.01*t^2*sx(B)", "1.0", 0.01 / 3.0),
        ("9*t^8*sx(B)", "1.0", 1.0),
        ("min(t/0.2, 1)^2*sx(B)", "0.7", 0.2 / 3.0 + 0.5),
        ("(3*t^2 - 2*t^3)*sx(B)", "1.0", 0.5),
        ("1e6*t^2*sx(B)", "1e-2", 1.0 / 3.0),
    ];
    for (term, duration, area) in turned {
        let problem = read(&cell("ground", &format!("[hamiltonian]\nterms = [\"{term}\"]"), duration, ""));
        let expected = area.sin().powi(2);
        assert_close(solved(&problem, term)[1], expected, 1e-12, term);
        assert_close(sampled(&problem, 2).0, expected, 1e-12, term);
    }
}

/// What is next to nothing beside a later pulse is all there is before it.
#[test]
fn a_rate_is_right_however_large_it_becomes() {
    let what = "[channels]\nloss = { operator = \"sm(B)\", rate = \"0.1*exp(t) + 1e7*exp(-((t - 3.5)/1e-6)^2)\" }";
    let text = cell("excited", what, "4.0", "").replace("samples = 1", "samples = 4");
    let energy = exact::solve(&read(&text), None, &Stop::default()).unwrap().column("energy").unwrap().value.clone();
    for (row, t) in [1.0f64, 2.0, 3.0, 4.0].into_iter().enumerate() {
        let pulse = if t > 3.5 { 10.0 * std::f64::consts::PI.sqrt() } else { 0.0 };
        assert_close(energy[row + 1], (-0.1 * (t.exp() - 1.0) - pulse).exp(), 1e-11, "row");
    }
}

/// A step ends with its table, whatever its start and the number of its rows lose in rounding.
#[test]
fn a_table_lasts_as_long_as_its_step() {
    let table = "shape = { times = [0.0, 0.35, 0.7], values = [0.0, 1.0, 0.0], order = 1 }";
    let what = "[hamiltonian]\nterms = [\"shape*cos(3*time)*sx(B)\"]";
    let text = cell("ground", what, "0.7", table).replace("[protocol]", "[protocol]\nrepeat = 4");
    // ∫ over the triangle that begins at s: Re e^{3i(s + 0.35)} times that of a triangle about 0.
    let triangle = 2.0 * (1.0 - (3.0f64 * 0.35).cos()) / (9.0 * 0.35);
    let mut area = 0.0;
    // Two rows a cycle, at its start and at its end.
    for (cycle, energy) in solved(&read(&text), "cycles").iter().skip(1).step_by(2).enumerate() {
        area += (3.0 * (0.7 * cycle as f64 + 0.35)).cos() * triangle;
        assert_close(*energy, area.sin().powi(2), 1e-12, "after a cycle");
    }
    let table = "shape = { times = [0.0, 0.1, 0.3], values = [0.0, 1.0, 0.0], order = 1 }";
    let text = cell("ground", "[hamiltonian]\nterms = [\"shape*sx(B)\"]", "\"0.1*3\"", table);
    assert_close(solved(&read(&text), "0.1*3")[1], 0.15f64.sin().powi(2), 1e-12, "0.1*3");
}

/// A rate that dips below 0 between any points one would look at.
#[test]
fn a_narrow_dip_below_zero_is_found() {
    let what = "[channels]\nloss = { operator = \"sm(B)\", rate = \"2000*((t - 0.0625)^2 - 1e-8)\" }";
    let message = refused(&cell("excited", what, "1.0", ""));
    assert!(message.contains("the rate of channel loss is -") && message.contains("0.0625"), "{message}");
}

/// A factor that is 1 at some time makes no part of the operator vanish from what is known of it.
#[test]
fn parts_of_a_jump_operator_do_not_cancel() {
    let what = "[channels]\nloss = { operator = \"sm(B) - f*sm(B)\", rate = 1.0 }";
    let text = cell("excited", what, "1.0", "f = \"exp(-t)\"").replace("\"energy\"", "\"energy\", \"released\"");
    let problem = read(&text);
    let e = |rate: f64| (-rate).exp();
    // ∫ (1 − e^−t)² dt
    let left = e(1.0 - 2.0 * (1.0 - e(1.0)) + 0.5 * (1.0 - e(2.0)));
    let table = exact::solve(&problem, None, &Stop::default()).unwrap();
    assert_close(table.column("energy").unwrap().value[1], left, 1e-12, "energy");
    assert_close(table.column("released").unwrap().value[1], 1.0 - left, 1e-12, "released");
}

#[test]
fn what_never_changes_is_a_number() {
    let channels =
        "loss = { operator = \"(0*t + 1)*sm(B)\", rate = \"2 + 0*t\" }\nnone = { each = \"sp(B)\", rate = \"0*t\" }";
    let what = format!("[channels]\n{channels}\n[hamiltonian]\nterms = [\"exp(0*time)*sx(B)\"]");
    let problem = read(&cell("excited", &what, "1.0", ""));
    assert!(problem.channels().iter().all(|channel| channel.envelope.is_none()), "{:?}", problem.channels());
    assert!(problem.drives().is_empty(), "{:?}", problem.drives());
    let message = refused(&cell("excited", "[channels]\nloss = { each = \"sm(B)\", rate = \"0*t - 1\" }", "1.0", ""));
    assert!(message.contains("the rate of channel loss is -1"), "{message}");
}

#[test]
fn a_name_has_one_meaning() {
    for name in ["B", "t", "time", "pi", "exp", "sx"] {
        let message = refused(&cell("excited", "", "1.0", &format!("{name} = \"exp(-t)\"")));
        assert!(message.contains(&format!("`{name}`")) && message.contains("already"), "{message}");
    }
    for name in ["time", "step", "cycle", "t", "i", "pi", "trajectories", "omega"] {
        let own = format!("\"energy\", {{ name = \"{name}\", expect = \"sx(B)\" }}");
        let text = cell("excited", "[parameters]\nomega = 1.0", "1.0", "").replace("\"energy\"", &own);
        let message = refused(&text);
        assert!(message.contains(&format!("`{name}` has a meaning already")), "{message}");
    }
}

#[test]
fn a_function_of_any_length_is_followed_or_refused() {
    for (function, what) in
        [("f = \"sum(j in 1..100000, t)\"", "made of more than 2000"), ("f = \"t\"\ng = \"1/(f - 0.5)\"", "0.5")]
    {
        let name = if function.contains("g =") { "g" } else { "f" };
        let term = format!("[hamiltonian]\nterms = [\"{name}*sx(B)\"]");
        let message = refused(&cell("excited", &term, "1.0", function));
        assert!(message.contains(what), "{message}");
    }
    let message = refused(&cell("excited", "[hamiltonian]\nterms = [\"sum(j in 1..100000, t)*sx(B)\"]", "1.0", ""));
    assert!(message.contains("made of more than 2000"), "{message}");
    let doubled: Vec<String> = (1..60).map(|k| format!("f{k} = \"f{} + f{}*t\"", k - 1, k - 1)).collect();
    let message = refused(&cell("excited", "", "1.0", &format!("f0 = \"t\"\n{}", doubled.join("\n"))));
    assert!(message.contains("made of more than 2000"), "{message}");
    let text = cell("ground", "[hamiltonian]\nterms = [\"sum(j in 1..300, t)*sx(B)/300\"]", "1.0", "");
    assert_close(solved(&read(&text), "a long sum")[1], 0.5f64.sin().powi(2), 1e-11, "a long sum");
}

/// Two columns as programs write them: a byte order mark, a title, comments, blanks or commas; nothing else is passed over.
#[test]
fn a_table_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("pulse.toml").display().to_string();
    let text = cell("ground", "[hamiltonian]\nterms = [\"f*sx(B)\"]", "1.0", "f = { file = \"pulse.csv\", order = 1 }");
    let read = |csv: &str| {
        std::fs::write(folder.path().join("pulse.csv"), csv).unwrap();
        input::parse(&input, &text, &[]).map(|input| input.problem)
    };
    for csv in ["\u{feff}0,0\n0.5,1\n1,0\n", "time, shape\n# a triangle\n0 0\n0.5\t1\n\n1;0"] {
        assert_close(solved(&read(csv).unwrap(), csv)[1], 0.5f64.sin().powi(2), 1e-12, csv);
    }
    for (csv, what) in [
        ("0,0\nnan,1\n1,0", "point 1 is (NaN, 1)"),
        ("0,0\n0.5,inf\n1,0", "point 1 is (0.5, inf)"),
        ("nan,nan\n0,0\n1,0", "point 0 is (NaN, NaN)"),
        ("t,f\nseconds,1\n1,0", "line 2 of `pulse.csv` is `seconds,1`"),
        ("0,0\nmiddle,much\n1,0", "line 2 of `pulse.csv` is `middle,much`"),
        ("0,0\n1,0,3", "line 2 of `pulse.csv` is `1,0,3`"),
        ("0,0\n1,0\n0.5,0", "time 2, 0.5, is not later"),
        ("0,0", "fewer than two points"),
        ("", "fewer than two points"),
    ] {
        let message = read(csv).unwrap_err().to_string();
        assert!(message.contains(what), "{csv:?}: {message}");
    }
}

/// In the laboratory's frame a drive turns the cell only where it is in resonance.
#[test]
fn the_battery_can_be_part_of_the_hamiltonian() {
    let text = |terms: &str| cell("ground", &format!("[hamiltonian]\n{terms}"), "3.0", "");
    let far = solved(&read(&text("battery = true\nterms = [\"0.1*sx(B)\"]")), "far")[1];
    // Rabi: detuned by ω = 1, half the splitting is √(0.1² + 0.5²).
    let half = 0.26f64.sqrt();
    assert_close(far, 0.01 / 0.26 * (half * 3.0).sin().powi(2), 1e-12, "out of resonance");
    let same = |a: &str, b: &str| assert_eq!(read(&text(a)).hamiltonian(), read(&text(b)).hamiltonian());
    same("battery = true", "terms = [\"1.0*n(B)\"]");
    same("battery = false\nterms = [\"sx(B)\"]", "terms = [\"sx(B)\"]");
    let levels = text("battery = true").replace("{ cell = true, energy = 1.0 }", "{ levels = [0.5, 0.0, 2.0] }");
    let levels = read(&levels.replace("\"ground\"", "\"level(0)\""));
    let written = levels.hamiltonian().terms.iter().map(|t| t.coefficient.re).collect::<Vec<_>>();
    assert_eq!(written, [0.5, 0.0, 2.0]);
    assert!(refused(&text("battery = 1\nterms = [\"sx(B)\"]")).contains("true"));
}
