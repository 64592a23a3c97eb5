//! Sums over cells, edges and numbers, products over edges, and disorder.

use super::*;
use crate::problem::OpSum;

const CHAIN: &str = r#"
[parameters]
N = 4
J = 0.5
[subsystems]
B = { cells = "N", graph = "circular" }
S = { spins = 3 }
[hamiltonian]
terms = ["TERM"]
[protocol]
steps = [ { name = "wait", evolve = 1.0, samples = 1 } ]
[observe]
quantities = ["energy"]
"#;

fn hamiltonian(term: &str) -> Result<OpSum, InputError> {
    parse("chain.toml", &CHAIN.replace("TERM", term), &[]).map(|input| input.problem.hamiltonian().clone())
}

/// Both are the same operator.
#[track_caller]
fn same(short: &str, long: &str) {
    let (short, long) = (hamiltonian(short).unwrap(), hamiltonian(long).unwrap());
    assert_eq!((short - long).in_ladder_operators(), OpSum::default());
}

#[test]
fn sums_are_what_they_stand_for() {
    same("sum(i in cells(B), (i+1)*n(B,i))", "n(B,0) + 2*n(B,1) + 3*n(B,2) + 4*n(B,3)");
    same("sum(i in 0..N-2, J*sz(B,i)*sz(B,i+1))", "0.5*(sz(B,0)*sz(B,1) + sz(B,1)*sz(B,2) + sz(B,2)*sz(B,3))");
    same(
        "sum((i,j) in edges(B), (i+10*j)*sx(B,i)*sx(B,j))",
        "10*sx(B,0)*sx(B,1) + 21*sx(B,1)*sx(B,2) + 32*sx(B,2)*sx(B,3) + 30*sx(B,0)*sx(B,3)",
    );
    same("bonds(sz, sz, B)", "sum((n, m) in edges(B), sz(B,n)*sz(B,m))");
    same("bonds(sp, sm, B) + bonds(sm, sp, B)", "hop(B)");
    same("sum(i in 0..1, sum(j in i+1..3, 10^i*j*n(B,j)))", "n(B,1) + 2*n(B,2) + 3*n(B,3) + 20*n(B,2) + 30*n(B,3)");
    // Numbers too; the index `i` hides the imaginary unit inside its sum and nowhere else.
    same("sum(k in 1..3, k^2)*n(S)", "14*n(S)");
    same("sum(i in 2..2, i*sx(B,0)) + i*sp(B,1) - i*sm(B,1)", "2*sx(B,0) + i*(sp(B,1) - sm(B,1))");
    same("sum(i in 3..2, n(B,i)) + n(B,0)", "n(B,0)");
}

#[test]
fn disorder_is_normal_and_belongs_to_its_numbers() {
    let drawn = |arguments: &str| {
        let sum = hamiltonian(&format!("gauss({arguments})*n(S)")).unwrap();
        sum.terms[0].coefficient.re
    };
    assert_eq!(drawn("1, 2, 3"), drawn("1, 2, 3"));
    let all: Vec<f64> = (0..3000).map(|k| drawn(&format!("7, {k}"))).collect();
    let (mean, square) = (all.iter().sum::<f64>() / 3e3, all.iter().map(|x| x * x).sum::<f64>() / 3e3);
    assert!(
        mean.abs() < 5.0 / 3e3_f64.sqrt() && (square - 1.0).abs() < 5.0 * (2.0 / 3e3_f64).sqrt(),
        "{mean} {square}"
    );
    let few = ["1", "1, 0", "0, 1", "1, 1", "1, 0, 0", "2", "2, 1", "1, 2"].map(drawn);
    for (k, x) in few.iter().enumerate() {
        assert!(few[..k].iter().all(|y| x != y), "{few:?}");
    }
}

#[test]
fn mistakes_in_sums_say_where_and_for_which_index() {
    #[track_caller]
    fn wrong(term: &str, text: &str, message: &str) {
        let error = hamiltonian(term).expect_err(term);
        assert_eq!(error.text(), text, "{error}");
        assert!(error.message.contains(message), "{error}");
    }
    wrong("sum(i in cells(B), sz(B,i)*sz(B,i+1))", "i+1", "(at i = 3)");
    wrong("sum(i in cells(S), n(S,i))", "S", "its parts have no numbers");
    wrong("sum(i in cells(C), n(B,i))", "C", "unknown subsystem `C`");
    wrong("sum(i in edges(B), n(B,i))", "i", "two ends");
    wrong("sum((i,j) in cells(B), n(B,i))", "i", "edges only");
    wrong("sum(J in cells(B), n(B,J))", "J", "has a meaning already");
    wrong("sum(k in 0..N/3, n(B,k))", "0..N/3", "cannot run from 0 to 1.33");
    wrong("sum(k in 0..1e9, n(B,0))", "0..1e9", "cannot run");
    wrong("sum(k in 0..2, n(B,k)) + n(B,k)", "k", "unknown parameter `k`");
    wrong("bonds(sz, sq, B)", "sq", "unknown operator of a cell");
    wrong("bonds(sz, sz, S)", "S", "needs a graph");
    wrong("gauss(1.5)*n(S)", "gauss", "`gauss` is given 1.5");
    wrong("sum(k in 0..2 n(B,k))", "n", "nothing between `2` and `n`");
}
