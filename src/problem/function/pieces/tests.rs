//! Pieces against the function itself, in any unit, and what cannot be followed.

use super::super::expression::{Call, Expression::*};
use super::super::table::Table;
use super::*;
use std::sync::Arc;

fn compiled(f: &Expression, start: f64, end: f64) -> Result<Pieces, Fault> {
    let mut pieces = Pieces::new();
    pieces.extend(f, start, end).map(|()| pieces)
}

fn n(x: f64) -> Expression {
    Number(x)
}
fn t() -> Expression {
    StepTime
}
fn sum(a: Expression, b: Expression) -> Expression {
    Sum(vec![a, b])
}
fn mul(a: Expression, b: Expression) -> Expression {
    Product(vec![a, b])
}
fn pow(a: Expression, p: f64) -> Expression {
    Power(Box::new(a), Box::new(n(p)))
}
fn call(c: Call, x: Expression) -> Expression {
    Expression::Call(c, vec![x])
}
fn div(a: Expression, b: Expression) -> Expression {
    Quotient(Box::new(a), Box::new(b))
}
fn gauss(centre: f64, width: f64) -> Expression {
    call(Call::Exp, mul(n(-0.5), pow(div(sum(t(), n(-centre)), n(width)), 2.0)))
}

fn table(order: u32) -> Arc<Table> {
    let times: Vec<f64> = (0..=20).map(|k| 0.05 * f64::from(k)).collect();
    let values = times.iter().map(|x| (7.0 * x).sin() + 0.3).collect();
    Arc::new(Table::new("w", times, values, order).unwrap())
}

fn all() -> Vec<Expression> {
    let x = sum(t(), n(-0.31));
    vec![
        gauss(0.5, 0.1),
        gauss(0.7, 0.003),
        pow(call(Call::Sin, mul(n(2.9), t())), 2.0),
        call(Call::Cos, mul(n(30.0), pow(t(), 2.0))),
        call(Call::Cos, sum(mul(n(200.0), t()), n(0.4))),
        call(Call::Exp, call(Call::Exp, mul(n(2.0), t()))),
        div(n(1.0), sum(n(1.01), mul(n(-1.0), t()))),
        div(t(), sum(n(0.001), pow(x.clone(), 2.0))),
        call(Call::Sqrt, t()),
        pow(t(), 1.5),
        pow(sum(t(), n(0.1)), -2.5),
        pow(x.clone(), 3.0),
        call(Call::Abs, call(Call::Sin, mul(n(15.0), t()))),
        Expression::Call(Call::Max, vec![n(0.0), sum(n(1.0), mul(n(-2.0), t()))]),
        Expression::Call(Call::Min, vec![call(Call::Sin, mul(n(9.0), t())), t(), n(0.4)]),
        mul(call(Call::Step, x.clone()), call(Call::Exp, mul(n(-3.0), t()))),
        call(Call::Floor, mul(n(4.3), t())),
        call(Call::Round, mul(n(4.3), t())),
        call(Call::Tanh, mul(n(40.0), x.clone())),
        call(Call::Tan, t()),
        call(Call::Ln, sum(t(), n(0.01))),
        Expression::Table(table(0), Box::new(t())),
        Expression::Table(table(1), Box::new(t())),
        Expression::Table(table(3), Box::new(t())),
        Expression::Table(table(3), Box::new(pow(call(Call::Sin, mul(n(8.0), t())), 2.0))),
        Power(Box::new(sum(t(), n(0.5))), Box::new(sum(t(), n(1.0)))),
        mul(call(Call::Cos, mul(n(2.0), RunTime)), gauss(0.2, 0.05)),
        sum(gauss(0.2, 0.02), mul(n(-1.0), gauss(0.8, 0.02))),
        n(0.0),
        n(-2.5),
        t(),
    ]
}

/// Points of the unit interval, and times a little off kinks and jumps, where one of two branches may count.
fn points() -> impl Iterator<Item = f64> {
    (1..4000).map(|k| (f64::from(k) * 0.618_033_988_749_895).fract())
}

#[test]
fn polynomials_are_the_function_to_rounding_in_any_unit() {
    for f in all() {
        for factor in [1.0, 1e-12, 1e12] {
            let scaled = f.in_units(factor);
            // Kinks are where t is what it is in the unit interval.
            let (start, end) = (0.0, 1.0 / factor);
            let pieces = compiled(&scaled, start, end).unwrap_or_else(|e| panic!("{f}: {e:?}"));
            let most = points().map(|x| scaled.at(x * end - start, x * end).abs()).fold(0.0, f64::max);
            for x in points().map(|x| x * end) {
                let (value, found) = (scaled.at(x - start, x), pieces.at(x));
                assert!((value - found).abs() <= 1e-13 * most, "{f} × {factor} at {x}: {value} {found}");
                let unit = 0.01 * end;
                let (length, _) = pieces.piece(x);
                let s = 0.7 * length.min(end - x);
                let mut c = [0.0; 20];
                pieces.taylor(x, unit, &mut c);
                let series = c.iter().rev().fold(0.0, |sum, c| sum * (s / unit) + c);
                let (value, y) = (pieces.at(x + s), x + s);
                assert!((value - series).abs() <= 1e-13 * most, "{f} × {factor} at {x} → {y}: {value} {series}");
            }
            assert!(pieces.polynomials.len() < 600, "{f}: {} pieces", pieces.polynomials.len());
            let (area, exact) = (pieces.area(0.0, end), most * end);
            assert!(
                area <= 2.0 * exact + 1e-300 && pieces.largest(0.0, end) <= 2.0 * most + 1e-300,
                "{f}: {area} {exact}"
            );
        }
    }
}

/// The integral of the polynomials, and how many there are.
fn integral(pieces: &Pieces) -> f64 {
    let of = |k: usize| {
        let (a, b) = (pieces.breaks[k], pieces.breaks[k + 1]);
        let mut c = [0.0; 20];
        pieces.taylor(a, b - a, &mut c);
        c.iter().enumerate().map(|(n, c)| (b - a) * c / (n + 1) as f64).sum::<f64>()
    };
    (0..pieces.polynomials.len()).map(of).sum()
}

#[test]
fn a_narrow_pulse_in_a_long_wait_is_found() {
    for (centre, width, end) in [(0.3, 1e-8, 1.0), (0.912_345, 1e-10, 1.0), (1e9, 3.0, 2e9), (1.0, 0.01, 2e6)] {
        let f = mul(n(5.0), gauss(centre, width));
        let pieces = compiled(&f, 0.0, end).unwrap();
        let exact = 5.0 * width * std::f64::consts::TAU.sqrt();
        // Where the pulse is so far out, numbers lie 10⁻¹⁶ of its place apart.
        let tolerance = 1e-12 + 10.0 * f64::EPSILON * centre / width;
        assert!((integral(&pieces) / exact - 1.0).abs() < tolerance, "{} {exact}", integral(&pieces));
        assert!(pieces.polynomials.len() < 140, "{}", pieces.polynomials.len());
        assert!(pieces.piece(0.0).1 && pieces.piece(0.0).0 > 0.9 * (centre - 10.0 * width));
        assert!((pieces.largest(0.0, end) - 5.0).abs() < 5.1);
    }
}

/// A switch by tanh, a logistic one and a pulse 1/cosh, whose exponentials overflow far away, cost what they cost where they
/// are.
#[test]
fn a_switch_far_away_takes_no_pieces() {
    let x = |at: f64, width: f64| div(sum(t(), n(-at)), n(width));
    let minus = |e: Expression| mul(n(-1.0), e);
    let on_and_off = |w: f64| sum(call(Call::Tanh, x(1000.0, w)), minus(call(Call::Tanh, x(1001.0, w))));
    let logistic = |w: f64| div(n(1.0), sum(n(1.0), call(Call::Exp, minus(x(1000.0, w)))));
    let cosh = |w: f64| sum(call(Call::Exp, x(1000.0, w)), call(Call::Exp, minus(x(1000.0, w))));
    for width in [0.3, 1e-2, 1e-4] {
        for (f, area) in [
            (on_and_off(width), 2.0),
            (logistic(width), 1000.0),
            (div(n(2.0), cosh(width)), std::f64::consts::PI * width),
        ] {
            let pieces = compiled(&f, 0.0, 2000.0).unwrap_or_else(|e| panic!("{f}: {e:?}"));
            assert!((integral(&pieces) / area - 1.0).abs() < 1e-11 / width, "{f}: {} {area}", integral(&pieces));
            assert!(pieces.polynomials.len() < 2_000, "{f}: {} pieces", pieces.polynomials.len());
        }
    }
}

#[test]
fn kinks_and_jumps_are_breaks() {
    let jump = compiled(&call(Call::Step, sum(t(), n(-0.3))), 0.0, 1.0).unwrap();
    assert_eq!((jump.at(0.3 - 4e-15), jump.at(0.3 + 4e-15)), (0.0, 1.0));
    assert!((jump.piece(0.0).0 - 0.3).abs() < 4e-15 && jump.polynomials.len() <= 3, "{jump:?}");
    let kink = compiled(&call(Call::Abs, sum(t(), n(-0.7))), 0.0, 1.0).unwrap();
    assert!((kink.piece(0.0).0 - 0.7).abs() < 4e-15 && kink.polynomials.len() <= 3, "{kink:?}");
    let steps = compiled(&Expression::Table(table(0), Box::new(t())), 0.0, 1.0).unwrap();
    assert!(steps.polynomials.len() <= 45, "{}", steps.polynomials.len());
    assert_eq!(jump.least().0, 0.0);
    assert!((kink.least().0).abs() < 4e-15 && (kink.least().1 - 0.7).abs() < 1e-12);
}

#[test]
fn what_cannot_be_followed_is_said_with_its_time() {
    let fails = |f: Expression| compiled(&f, 0.0, 1.0).unwrap_err();
    let near = |fault: Fault, at: f64| match fault {
        Fault::NotFinite(t) => assert!((t - at).abs() < 1e-9, "{t} {at}"),
        other => panic!("{other:?}"),
    };
    near(fails(div(n(1.0), sum(t(), n(-0.3)))), 0.3);
    near(fails(div(n(1.0), t())), 0.0);
    near(fails(call(Call::Ln, sum(n(0.6), mul(n(-1.0), t())))), 0.6);
    near(fails(call(Call::Sqrt, sum(n(0.6), mul(n(-1.0), t())))), 0.6);
    near(fails(call(Call::Tan, mul(n(2.0), t()))), std::f64::consts::FRAC_PI_4);
    near(fails(Expression::Table(table(1), Box::new(mul(n(2.0), t())))), 0.5);
    near(fails(call(Call::Exp, mul(n(1e4), t()))), f64::MAX.ln() / 1e4);
    assert!(matches!(fails(call(Call::Cos, mul(n(1e9), t()))), Fault::TooVaried(..)));
}

#[test]
fn expressions_are_written_as_they_are_typed() {
    let shown = |f: Expression| f.simplified().to_string();
    assert_eq!(shown(gauss(5.0, 2.0)), "exp(-0.5*((t - 5)/2)^2)");
    assert_eq!(shown(mul(n(2.0), mul(n(3.0), sum(t(), n(1.0))))), "6*(t + 1)");
    assert_eq!(shown(div(n(1.0), mul(t(), RunTime))), "1/(t*time)");
    assert_eq!(shown(pow(mul(n(2.0), t()), 2.0)), "(2*t)^2");
    assert_eq!(shown(Expression::Call(Call::Max, vec![n(0.0), t()])), "max(0, t)");
}

#[test]
fn steps_follow_one_another_on_one_clock() {
    // t begins anew in the second step; nothing between them.
    let f = mul(t(), call(Call::Cos, RunTime));
    let mut pieces = Pieces::new();
    pieces.extend(&f, 0.0, 2.0).unwrap();
    pieces.wait(5.0);
    pieces.extend(&f, 5.0, 6.0).unwrap();
    for (x, value) in [(1.5, 1.5 * 1.5_f64.cos()), (3.0, 0.0), (5.25, 0.25 * 5.25_f64.cos()), (6.0, 6.0_f64.cos())] {
        assert!((pieces.at(x) - value).abs() < 1e-14, "{x}");
    }
    assert!(pieces.piece(2.0) == (3.0, true) && pieces.piece(6.0).0 == f64::INFINITY);
}
