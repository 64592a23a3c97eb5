//! Integrals along an evolution, by the rule of Gauss and Kronrod with 15 points (A. S. Kronrod, *Nodes and Weights of Quadrature
//! Formulas* (1965); nodes of R. Piessens et al., *QUADPACK* (1983)), in pieces that are halved until both rules agree.

/// Nodes on \[−1, 1\] from 0 up, and their weights among 15 and, of every other one from the first, among 7.
pub const NODES: [(f64, f64, f64); 8] = [
    (0.0, 0.209_482_141_084_727_83, 0.417_959_183_673_469_4),
    (0.207_784_955_007_898_47, 0.204_432_940_075_298_9, 0.0),
    (0.405_845_151_377_397_2, 0.190_350_578_064_785_4, 0.381_830_050_505_118_9),
    (0.586_087_235_467_691_1, 0.169_004_726_639_267_9, 0.0),
    (0.741_531_185_599_394_4, 0.140_653_259_715_525_92, 0.279_705_391_489_276_66),
    (0.864_864_423_359_769_1, 0.104_790_010_322_250_18, 0.0),
    (0.949_107_912_342_758_5, 0.063_092_092_629_978_55, 0.129_484_966_168_869_7),
    (0.991_455_371_120_812_6, 0.022_935_322_010_529_224, 0.0),
];

/// The two rules may differ by this part of the scale in one piece; the better one is then right to rounding.
const APART: f64 = 1e-9;
/// What is known of the integrals in another way may differ from them by this part of the scale in one piece.
const OFF: f64 = 1e-12;
/// No piece is shorter than this part of the whole.
const SHORTEST: f64 = 1e-6;

/// What evolves and is read on the way.
pub trait Path: Sized {
    /// Why it ends early.
    type Ended;

    /// The same from here.
    fn again(&self) -> Self;

    /// Go on to time `until`.
    ///
    /// # Errors
    /// When it cannot.
    fn go(&mut self, until: f64) -> Result<(), Self::Ended>;

    /// What is to be integrated, at time `now`.
    fn read(&self, now: f64, rates: &mut [f64]);

    /// What the integrals should add up to, to within a constant; NaN if that is not known. It decides about the length of
    /// pieces alone.
    fn known(&self) -> f64;

    /// How far from `now` on everything is smooth.
    fn smooth(&self, now: f64) -> f64;
}

/// Add the integrals from `start` to `end` of what is read along a path to `sums`, the first `counted` of which `known` is the
/// sum of, to about 1e-12 of `scale` each. `length` is how long a piece is tried first; the one that was best is left there.
/// Returns the path at `end`.
///
/// # Errors
/// As [`Path::go`].
pub fn integrate<P: Path>(
    mut here: P,
    (start, end): (f64, f64),
    (scale, counted): (f64, usize),
    length: &mut f64,
    sums: &mut [f64],
) -> Result<P, P::Ended> {
    let least = SHORTEST * (end - start);
    let (mut rates, mut fine, mut coarse) = (vec![0.0; sums.len()], vec![0.0; sums.len()], vec![0.0; sums.len()]);
    let mut now = start;
    while now < end {
        let smooth = here.smooth(now);
        let mut piece = length.min(end - now).min(smooth.max(least));
        let before = here.known();
        loop {
            // A rest that is next to nothing goes with what is before it.
            let next = if end - (now + piece) <= 1e-3 * least { end } else { now + piece };
            let (half, mut there) = (0.5 * (next - now), here.again());
            fine.fill(0.0);
            coarse.fill(0.0);
            let nodes =
                NODES.iter().rev().map(|(x, k, g)| (-x, k, g)).chain(NODES[1..].iter().map(|(x, k, g)| (*x, k, g)));
            for (x, k, g) in nodes {
                let at = now + half * (1.0 + x);
                there.go(at)?;
                there.read(at, &mut rates);
                for ((fine, coarse), rate) in fine.iter_mut().zip(&mut coarse).zip(&rates) {
                    *fine += k * half * rate;
                    *coarse += g * half * rate;
                }
            }
            there.go(next)?;
            let apart = fine.iter().zip(&coarse).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let off = (there.known() - before - fine[..counted].iter().sum::<f64>()).abs();
            let good = apart <= APART * scale && !(off > OFF * scale);
            if !good && next - now > least {
                piece = half;
                *length = piece;
                continue;
            }
            sums.iter_mut().zip(&fine).for_each(|(sum, part)| *sum += part);
            if apart <= 1e-4 * APART * scale && piece >= *length {
                *length = 2.0 * piece;
            }
            (here, now) = (there, next);
            break;
        }
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cos(kt) + a pulse at 3, whose integral is known.
    #[derive(Clone)]
    struct Wave {
        k: f64,
        now: f64,
        kink: f64,
    }

    impl Path for Wave {
        type Ended = ();

        fn again(&self) -> Self {
            self.clone()
        }

        fn go(&mut self, until: f64) -> Result<(), ()> {
            assert!(until >= self.now);
            self.now = until;
            Ok(())
        }

        fn read(&self, now: f64, rates: &mut [f64]) {
            assert_eq!(now, self.now);
            rates[0] = (self.k * now).cos();
            rates[1] = (now - self.kink).abs();
        }

        fn known(&self) -> f64 {
            (self.k * self.now).sin() / self.k
        }

        fn smooth(&self, now: f64) -> f64 {
            if now < self.kink { self.kink - now } else { f64::INFINITY }
        }
    }

    #[test]
    fn integrals_are_right_to_rounding() {
        for k in [0.01, 1.0, 30.0, 500.0] {
            let (mut sums, mut length) = ([0.0; 2], f64::INFINITY);
            let wave = Wave { k, now: 0.5, kink: 1.25 };
            let end = integrate(wave, (0.5, 4.0), (1.0, 1), &mut length, &mut sums).unwrap();
            assert_eq!(end.now, 4.0);
            let exact = [((4.0 * k).sin() - (0.5 * k).sin()) / k, 0.5 * (0.75f64.powi(2) + 2.75f64.powi(2))];
            for (found, exact) in sums.iter().zip(exact) {
                assert!((found - exact).abs() < 1e-12, "{k}: {found} {exact}");
            }
        }
    }

    #[test]
    fn weights_add_up() {
        let sum = |of: fn(&(f64, f64, f64)) -> f64| 2.0 * NODES.iter().map(of).sum::<f64>() - of(&NODES[0]);
        assert!((sum(|n| n.1) - 2.0).abs() < 1e-15 && (sum(|n| n.2) - 2.0).abs() < 1e-15);
    }
}
