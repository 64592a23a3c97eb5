//! Solutions of (z − tA)x = p for a classical generator A under which no state is ever come back to, as of cells that only
//! lose: with the states in an order in which all jumps lead forward the matrix is triangular, and x follows by
//! substitution, for several z at once.

use faer::c64;
use pulp::{Arch, Simd, WithSimd};

/// Shifts z that are solved for together.
pub const LANES: usize = 8;

/// x of one state, for each shift.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    /// Real parts.
    pub re: [f64; LANES],
    /// Imaginary parts.
    pub im: [f64; LANES],
}

/// States in the order of their jumps. The numbers of this file are places in that order.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// The state at each place.
    states: Vec<u32>,
    /// Rate out of each.
    exits: Vec<f64>,
    /// Jumps that lead to each, with where they come from.
    into: Jumps,
    /// Jumps out of each, with where they lead to.
    out: Jumps,
}

#[derive(Clone, Debug)]
struct Jumps {
    starts: Vec<u32>,
    others: Vec<u32>,
    rates: Vec<f64>,
}

impl Jumps {
    fn new(lists: Vec<Vec<(u32, f64)>>) -> Self {
        let mut starts = vec![0];
        lists.iter().for_each(|list| starts.push(starts[starts.len() - 1] + list.len() as u32));
        let (others, rates) = lists.into_iter().flatten().unzip();
        Self { starts, others, rates }
    }
}

impl Cascade {
    /// Of the jumps (from, to, rate) among so many states; `None` if one can be come back to.
    pub fn new(states: usize, jumps: &[(usize, usize, f64)]) -> Option<Self> {
        let mut leading = vec![Vec::new(); states];
        let mut awaited = vec![0; states];
        for &(from, to, _) in jumps {
            leading[from].push(to);
            awaited[to] += 1;
        }
        let mut order: Vec<usize> = (0..states).filter(|state| awaited[*state] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for &to in &leading[order[next]] {
                awaited[to] -= 1;
                if awaited[to] == 0 {
                    order.push(to);
                }
            }
            next += 1;
        }
        if order.len() < states {
            return None;
        }
        let mut places = vec![0; states];
        order.iter().enumerate().for_each(|(place, state)| places[*state] = place);
        let (mut into, mut out) = (vec![Vec::new(); states], vec![Vec::new(); states]);
        let mut exits = vec![0.0; states];
        for &(from, to, rate) in jumps {
            let (from, to) = (places[from], places[to]);
            into[to].push((from as u32, rate));
            out[from].push((to as u32, rate));
            exits[from] += rate;
        }
        let states = order.into_iter().map(|state| state as u32).collect();
        Some(Self { states, exits, into: Jumps::new(into), out: Jumps::new(out) })
    }

    /// The state at each place.
    pub fn states(&self) -> impl Iterator<Item = usize> {
        self.states.iter().map(|state| *state as usize)
    }

    /// x of (z − tA)x = b, or of the transposed system, place by place.
    pub fn solve(&self, time: f64, shifts: &[c64; LANES], b: &[f64], transposed: bool) -> Vec<Lanes> {
        Arch::new().dispatch(Substitution { cascade: self, time, shifts, b, transposed })
    }
}

/// A solution, to be compiled for the vector instructions of the processor.
struct Substitution<'a> {
    cascade: &'a Cascade,
    time: f64,
    shifts: &'a [c64; LANES],
    b: &'a [f64],
    transposed: bool,
}

impl WithSimd for Substitution<'_> {
    type Output = Vec<Lanes>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Lanes> {
        let Self { cascade, time, shifts, b, transposed } = self;
        let jumps = if transposed { &cascade.out } else { &cascade.into };
        let (mut shift_re, mut shift_im) = ([0.0; LANES], [0.0; LANES]);
        for k in 0..LANES {
            (shift_re[k], shift_im[k]) = (shifts[k].re, shifts[k].im);
        }
        let count = cascade.states.len();
        let mut x = vec![Lanes { re: [0.0; LANES], im: [0.0; LANES] }; count];
        for step in 0..count {
            let place = if transposed { count - 1 - step } else { step };
            let mut re = [b[cascade.states[place] as usize]; LANES];
            let mut im = [0.0; LANES];
            let range = jumps.starts[place] as usize..jumps.starts[place + 1] as usize;
            for (other, rate) in jumps.others[range.clone()].iter().zip(&jumps.rates[range]) {
                let (known, rate) = (&x[*other as usize], rate * time);
                for k in 0..LANES {
                    re[k] += rate * known.re[k];
                    im[k] += rate * known.im[k];
                }
            }
            let exit = cascade.exits[place] * time;
            let found = &mut x[place];
            for k in 0..LANES {
                let (c, d) = (shift_re[k] + exit, shift_im[k]);
                let scale = 1.0 / (c * c + d * d);
                found.re[k] = (re[k] * c + im[k] * d) * scale;
                found.im[k] = (im[k] * c - re[k] * d) * scale;
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five states with two ways down: (z − tA)x = b and its transpose, by the residual.
    #[test]
    fn substitution_solves_both_systems() {
        let jumps = [(4, 2, 1.5), (4, 3, 0.5), (3, 1, 2.0), (2, 1, 0.25), (2, 0, 3.0), (1, 0, 1.0)];
        let cascade = Cascade::new(5, &jumps).unwrap();
        let (time, b) = (0.7, [0.1, 0.2, 0.3, 0.15, 0.25]);
        let shifts: [c64; LANES] = std::array::from_fn(|k| c64::new(2.0 - 0.3 * k as f64, 0.4 * k as f64));
        for transposed in [false, true] {
            let placed = cascade.solve(time, &shifts, &b, transposed);
            let mut x = [c64::ZERO; 5];
            for (k, z) in shifts.iter().enumerate() {
                cascade.states().zip(&placed).for_each(|(state, of)| x[state] = c64::new(of.re[k], of.im[k]));
                for state in 0..5 {
                    let mut left = x[state] * z;
                    for &(from, to, rate) in &jumps {
                        let (reads, other) = if transposed { (from, to) } else { (to, from) };
                        left -= if reads == state { x[other] * (time * rate) } else { c64::ZERO };
                        left += if from == state { x[state] * (time * rate) } else { c64::ZERO };
                    }
                    assert!((left - b[state]).norm() < 1e-14, "{k} {state}: {left}");
                }
            }
        }
    }

    #[test]
    fn what_comes_back_is_no_cascade() {
        assert!(Cascade::new(3, &[(2, 1, 1.0), (1, 0, 1.0), (0, 1, 0.5)]).is_none());
        assert!(Cascade::new(2, &[]).is_some());
    }
}
