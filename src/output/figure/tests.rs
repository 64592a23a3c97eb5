//! Tests of whole figures: what they contain, and that no input is too odd to draw.

use super::*;

fn panel(mark: Mark, points: Vec<Point>) -> Panel {
    let (x, y) = (Axis::linear("time γτ"), Axis::linear("energy ⟨H⟩"));
    Panel::new("decay", x, y, vec![Series::new("data", 0, mark, points)])
}

fn decay() -> Vec<Point> {
    let times = (0..40).map(|k| f64::from(k) * 0.1);
    times.map(|t| Point::with_error(t, (-t).exp(), (-t).exp() - 0.1, (-t).exp() + 0.1)).collect()
}

const MARKS: [Mark; 7] = [Mark::Line, Mark::Dashed, Mark::Dotted, Mark::Points, Mark::Dots, Mark::Band, Mark::Thin];

/// The texts of an SVG document, in drawing order.
fn texts(svg: &str) -> Vec<&str> {
    let lines: Vec<&str> = svg.lines().collect();
    let pairs = lines.windows(2).filter(|w| w[0].starts_with("<text"));
    pairs.map(|w| w[1]).collect()
}

/// The texts drawn for points that only fix the extent of both axes.
fn ticks_between(x: Axis, y: Axis, from: Point, to: Point) -> Vec<String> {
    let series = vec![Series::new("", 0, Mark::Line, vec![from, to])];
    let figure = Figure::new("", 1, vec![Panel::new("", x, y, series)]);
    let svg = figure.svg().unwrap();
    texts(&svg).into_iter().map(str::to_owned).collect()
}

#[test]
fn svg_names_everything() {
    let svg = Figure::new("a < b & c", 1, vec![panel(Mark::Band, decay())]).svg().unwrap();
    let texts = texts(&svg);
    for wanted in ["a &lt; b &amp; c", "decay", "time γτ", "energy ⟨H⟩", "data"] {
        assert!(texts.contains(&wanted), "{wanted} is missing");
    }
    assert!(svg.starts_with(r#"<svg width="86.00mm" height="#), "{}", &svg[..80]);
    assert!(svg.contains("DejaVu Sans, sans-serif"));
}

#[test]
fn png_has_the_promised_size_and_is_not_blank() {
    let figure = Figure::new("", 2, vec![panel(Mark::Points, decay()); 3]);
    let bytes = figure.png().unwrap();
    let picture = tiny_skia::Pixmap::decode_png(&bytes).unwrap();
    // 178 mm at 386 pixels an inch.
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    assert!(width == 2703 && (height as f64 / 2703.0 - 0.7).abs() < 0.02, "{width} × {height}");
    let pixels = picture.data();
    // The fourth place of the grid stays empty; all others hold some of the first colour.
    let coloured = |row: usize, column: usize| {
        let place = |y: usize, x: usize| 4 * (y * width + x);
        (row * height / 2..(row + 1) * height / 2).any(|y| {
            (column * width / 2..(column + 1) * width / 2)
                .any(|x| pixels[place(y, x)..place(y, x) + 3] == [0, 114, 178])
        })
    };
    assert!(coloured(0, 0) && coloured(0, 1) && coloured(1, 0) && !coloured(1, 1));
}

#[test]
fn same_input_gives_same_bytes() {
    let figure = Figure::new("", 1, vec![panel(Mark::Band, decay())]);
    assert_eq!(figure.svg().unwrap(), figure.svg().unwrap());
    assert_eq!(figure.png().unwrap(), figure.png().unwrap());
    assert_eq!(figure.pdf().unwrap(), figure.pdf().unwrap());
}

#[test]
fn a_pdf_has_the_size_of_the_column_and_its_own_letters() {
    let bytes = Figure::new("γ_C ⟨H_B⟩", 1, vec![panel(Mark::Band, decay())]).pdf().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
    let width: f64 = text.split("/MediaBox [0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((width - 86.0 / 25.4 * 72.0).abs() < 0.01, "{width}");
    assert!(text.contains("/FontFile2") && text.contains("DejaVuSans"));
    // Those in use are a small part of the font; the table back to characters holds γ and ⟨.
    assert!(bytes.len() < 40_000 && text.contains("03B3") && text.contains("27E8"), "{} bytes", bytes.len());
}

#[test]
fn a_picture_is_as_large_as_asked_for_or_refused() {
    let figure = Figure::new("", 2, vec![panel(Mark::Line, decay()); 2]);
    let sized = |width: f64, height: Option<f64>| figure.clone().sized(Size { width, height });
    assert!(sized(120.0, Some(80.0)).svg().unwrap().starts_with(r#"<svg width="120.00mm" height="80.00mm""#));
    // One below the other where there is no room beside.
    assert_eq!((sized(86.0, None).columns, sized(178.0, None).columns), (1, 2));
    let refused = sized(120.0, Some(30.0)).svg().unwrap_err().to_string();
    assert!(
        refused.starts_with("a picture of 120 mm × 30 mm leaves") && refused.contains("40 mm × 30 mm"),
        "{refused}"
    );
}

#[test]
fn panels_have_letters_unless_they_have_their_own() {
    let svg = |panels: Vec<Panel>| Figure::new("", 2, panels).svg().unwrap();
    let with = |title: &str| Panel { title: title.into(), ..panel(Mark::Line, decay()) };
    let both = svg(vec![with("one"), with("two")]);
    assert!(texts(&both).contains(&"(a)") && texts(&both).contains(&"(b)"));
    assert!(!texts(&svg(vec![with("one")])).contains(&"(a)"));
    assert!(!texts(&svg(vec![with("Fig. 3(b)"), with("two")])).contains(&"(a)"));
}

#[test]
fn a_legend_that_all_panels_share_is_drawn_once() {
    let count = |panels: Vec<Panel>| {
        let svg = Figure::new("", 2, panels).svg().unwrap();
        texts(&svg).into_iter().filter(|text| *text == "data").count()
    };
    let one = panel(Mark::Band, decay());
    let mut other = one.clone();
    assert_eq!(count(vec![one.clone(), other.clone()]), 1);
    other.series[0].mark = Mark::Dashed;
    assert_eq!(count(vec![one, other]), 2);
}

#[test]
fn a_strip_has_the_abscissa_of_its_panel() {
    let mut whole = panel(Mark::Line, decay());
    let z = decay().into_iter().map(|p| Point::exact(p.x, 3.0 * (7.0 * p.x).sin())).collect();
    let series = vec![Series::new("", 1, Mark::Dots, z)];
    whole.strip = Some(Strip { y: Axis::linear("z").within(-3.5, 3.5), shaded: (-1.96, 1.96), series });
    let svg = Figure::new("", 1, vec![whole]).svg().unwrap();
    let texts = texts(&svg);
    // The time and its ticks are named once, below both.
    for once in ["time γτ", "z", "energy ⟨H⟩", "0.5"] {
        assert!(texts.iter().filter(|text| **text == once).count() >= 1, "{once} in {texts:?}");
    }
    assert_eq!(texts.iter().filter(|text| **text == "time γτ").count(), 1);
    let dots: Vec<f64> = svg
        .lines()
        .filter(|line| line.starts_with("<circle"))
        .filter_map(|line| line.split("cx=\"").nth(1)?.split('"').next()?.parse().ok())
        .collect();
    let line = svg.lines().find(|l| l.starts_with("<polyline") && l.contains("#0072B2")).unwrap();
    let first: f64 = line.split("points=\"").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert_eq!((dots.len(), dots[0]), (40, first));
}

/// Left, top, right and bottom of what the elements of a kind draw in a colour.
fn boxes(svg: &str, kind: &str, colour: &str) -> Vec<[i32; 4]> {
    let drawn = svg.lines().filter(|line| line.starts_with(&format!("<{kind}")) && line.contains(colour));
    let extent = |line: &str| {
        let places = line.split("points=\"").nth(1)?.split('"').next()?.split(' ').filter_map(|p| p.split_once(','));
        let places: Vec<(i32, i32)> = places.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect();
        let (xs, ys) = (|| places.iter().map(|p| p.0), || places.iter().map(|p| p.1));
        Some([xs().min()?, ys().min()?, xs().max()?, ys().max()?])
    };
    drawn.filter_map(extent).collect()
}

#[test]
fn an_inset_lies_in_its_panel_hides_nothing_and_holds_its_curves() {
    let within = |a: [i32; 4], b: [i32; 4]| a[0] >= b[0] && a[1] >= b[1] && a[2] <= b[2] && a[3] <= b[3];
    let apart = |a: [i32; 4], b: [i32; 4]| a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1];
    // One that leaves a corner free, and one that has data everywhere unless room is made above.
    let zigzag = (0..80).map(|k| Point::exact(f64::from(k), f64::from(k % 2))).collect();
    for (data, place) in [(decay(), None), (zigzag, None), (decay(), Some(Corner::TopRight))] {
        let mut whole = panel(Mark::Line, data);
        let mut own = panel(Mark::Line, decay());
        own.series[0].colour = 1;
        // Most of it is out of sight.
        own.x = own.x.within(0.0, 0.5);
        whole.inset = Some(Inset { panel: Box::new(own), place });
        let svg = Figure::new("", 1, vec![whole]).svg().unwrap();
        let large = |b: &[i32; 4]| b[2] - b[0] > 300 && b[3] - b[1] > 300;
        let frames: Vec<[i32; 4]> = boxes(&svg, "polyline", "#262626").into_iter().filter(large).collect();
        let [around, inside] = frames[..] else { panic!("{frames:?}") };
        let ground = boxes(&svg, "polygon", "#FFFFFF").into_iter().find(|b| within(inside, *b)).unwrap();
        assert!(within(ground, around), "{ground:?} in {around:?}");
        let curves = boxes(&svg, "polyline", "#D55E00");
        assert!(!curves.is_empty() && curves.iter().all(|curve| within(*curve, inside)), "{curves:?} in {inside:?}");
        let line = svg.lines().find(|l| l.starts_with("<polyline") && l.contains("#0072B2")).unwrap();
        let path = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let path: Vec<[i32; 2]> = path
            .split(' ')
            .filter_map(|p| p.split_once(','))
            .map(|(x, y)| [x.parse().unwrap(), y.parse().unwrap()])
            .collect();
        assert!(path.len() > 39 && path.iter().all(|[x, y]| apart([*x, *y, *x, *y], ground)));
    }
}

#[test]
fn panels_are_neither_absent_nor_too_many() {
    let empty = Figure::new("nothing", 2, Vec::new());
    assert!(matches!(empty.svg(), Err(FigureError::Empty)));
    assert!(matches!(empty.png(), Err(FigureError::Empty)));
    let crowd = Figure::new("", 2, vec![panel(Mark::Line, Vec::new()); 65]);
    assert!(matches!(crowd.svg(), Err(FigureError::TooManyPanels(65))));
}

#[test]
fn odd_data_never_panics() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -1.0,
        0.0,
        1.0,
        1.0 + f64::EPSILON,
        1e-290,
        1e290,
        1e16,
    ];
    let mut sets = vec![Vec::new()];
    for &a in &odd {
        sets.push(vec![Point::exact(a, a)]);
        for &b in &odd {
            sets.push(vec![Point::exact(a, b), Point::exact(b, a)]);
            sets.push(vec![
                Point::with_error(0.5, 1.0, a, b),
                Point::with_error(a, b, b, a),
                Point::with_error(1.0, a, 0.5, b),
            ]);
        }
    }
    for points in sets {
        for scale in [Scale::Linear, Scale::Log] {
            let mut panels = MARKS.map(|mark| panel(mark, points.clone())).to_vec();
            for panel in &mut panels {
                panel.x.scale = scale;
                panel.y.scale = scale;
            }
            let svg = Figure::new("", 0, panels).svg().unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}

#[test]
fn odd_data_never_panics_in_a_bitmap() {
    let points = vec![
        Point::exact(0.0, f64::NAN),
        Point::with_error(1.0, 1.0, f64::NEG_INFINITY, f64::INFINITY),
        Point::exact(2.0, -1e290),
        Point::exact(f64::INFINITY, 0.0),
    ];
    let mut panel = panel(Mark::Points, points.clone());
    panel.series = MARKS.map(|mark| Series::new("s", 9, mark, points.clone())).to_vec();
    let mut tight = panel.clone();
    tight.x = Axis::linear("x").within(0.5, 1.5);
    tight.y = Axis::log("y").within(1e3, 1e-3);
    let figure = Figure::new("\u{0}\u{10fffd}", 9, vec![panel, tight]);
    figure.png().unwrap();
    figure.pdf().unwrap();
}

#[test]
fn odd_ranges_and_texts_never_panic() {
    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 1.0, f64::MAX];
    for &a in &odd {
        for &b in &odd {
            for axis in [Axis::linear("w".repeat(3000)), Axis::log("")] {
                let mut panel = panel(Mark::Band, decay());
                panel.x = axis.clone().within(a, b);
                panel.y = axis.within(b, a);
                panel.series[0].label = "long".repeat(300);
                Figure::new("", 1, vec![panel]).svg().unwrap();
            }
        }
    }
}

#[test]
fn a_gap_breaks_the_line() {
    let whole = panel(Mark::Thin, decay());
    let mut broken = whole.clone();
    broken.series[0].points[20].y = f64::NAN;
    let lines = |panel: Panel| {
        let svg = Figure::new("", 1, vec![panel]).svg().unwrap();
        svg.lines().filter(|l| l.contains("#0072B2")).count()
    };
    assert_eq!(lines(broken), lines(whole) + 1);
}

#[test]
fn nothing_to_show_is_said() {
    let mut panel = panel(Mark::Line, vec![Point::exact(1.0, -1.0), Point::exact(2.0, 0.0)]);
    panel.y.scale = Scale::Log;
    let svg = Figure::new("", 1, vec![panel]).svg().unwrap();
    assert!(texts(&svg).contains(&"no data"));
}

#[test]
fn labels_are_sensible() {
    let (a, b) = (Point::exact(0.0, 1e-6), Point::exact(1.0, 1e3));
    let texts = ticks_between(Axis::linear("x"), Axis::log("y"), a, b);
    for wanted in ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "10⁻²", "10⁰"] {
        assert!(texts.iter().any(|t| t == wanted), "{wanted} in {texts:?}");
    }
    let (a, b) = (Point::exact(2.0, -3e7), Point::exact(5.0, 4e7));
    let texts = ticks_between(Axis::log("x"), Axis::linear("y"), a, b);
    for wanted in ["2", "3", "5", "−2", "0", "2", "×10⁷"] {
        assert!(texts.iter().any(|t| t == wanted), "{wanted} in {texts:?}");
    }
}

#[test]
fn points_outside_a_given_range_stay_outside() {
    let mut panel = panel(Mark::Line, decay());
    panel.series[0].points.push(Point::exact(1e9, 1e9));
    panel.y = panel.y.within(0.2, 0.5);
    panel.x = panel.x.within(0.0, 3.0);
    let svg = Figure::new("", 1, vec![panel]).svg().unwrap();
    let numbers = svg
        .lines()
        .filter_map(|l| l.split_once("points=\""))
        .flat_map(|(_, points)| points.split([',', ' ', '"']))
        .filter_map(|n| n.parse::<i32>().ok());
    assert!(numbers.into_iter().all(|n| (0..=7200).contains(&n)));
}

#[test]
fn the_legend_avoids_data() {
    // Lines along all edges of the plot leave no corner free unless room is made above them.
    let edges = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)];
    let panel = panel(Mark::Line, edges.map(|(x, y)| Point::exact(x, y)).to_vec());
    let svg = Figure::new("", 1, vec![panel]).svg().unwrap();
    let line = svg.lines().find(|l| l.contains("#0072B2")).unwrap();
    let legend = svg.lines().find(|l| l.contains(r#"opacity="0.85""#)).unwrap();
    let heights = |element: &str| -> Vec<i32> {
        let points = element.split_once("points=\"").unwrap().1;
        let pairs = points.split(' ').filter_map(|p| p.split_once(','));
        pairs.map(|(_, y)| y.parse().unwrap()).collect()
    };
    assert!(heights(legend).iter().max() < heights(line).iter().min());
}

fn heat(label: &str, scale: f64) -> Panel {
    let x: Vec<f64> = (0..20).map(|k| f64::from(k) * 0.05).collect();
    let y: Vec<f64> = (0..30).map(|k| 10f64.powf(f64::from(k) / 10.0 - 2.0)).collect();
    let value = |x: f64, y: f64| if x > 0.9 && y < 0.02 { f64::NAN } else { scale * (3.0 * x).sin() * y / (1.0 + y) };
    let values = y.iter().flat_map(|y| x.iter().map(move |x| value(*x, *y))).collect();
    let heat = Heat { x, y, values, label: label.into() };
    Panel::heat_map("a map", Axis::linear("ratio α"), Axis::log("rate γ"), heat)
}

#[test]
fn heat_maps_name_their_axes_and_colours() {
    let svg = Figure::new("", 1, vec![heat("ergotropy W", 1e7)]).svg().unwrap();
    let texts = texts(&svg);
    for wanted in ["a map", "ratio α", "rate γ", "ergotropy W", "0.2", "10⁰", "8", "×10⁶"] {
        assert!(texts.contains(&wanted), "{wanted} is missing in {texts:?}");
    }
    // The brightest and the darkest cell, and the cells without a value.
    for colour in ["#FDE725", "#440154", "#E2E2E2"] {
        assert!(svg.contains(&format!("fill=\"{colour}\"")), "no {colour}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn odd_heat_maps_never_panic() {
    for values in [vec![], vec![f64::NAN; 4], vec![f64::MAX, f64::MIN, 0.0, 1.0], vec![1.0; 4], vec![f64::INFINITY; 9]]
    {
        for x in [vec![], vec![0.0], vec![1.0, 1.0], vec![2.0, -1.0], vec![f64::NAN, 1e300]] {
            for axis in [Axis::linear("x"), Axis::log("x")] {
                let heat = Heat { x: x.clone(), y: x.clone(), values: values.clone(), label: String::new() };
                let panel = Panel::heat_map("", axis.clone(), axis, heat);
                let svg = Figure::new("", 1, vec![panel]).svg().unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"));
            }
        }
    }
}
