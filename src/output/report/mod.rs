//! One page for a browser of a whole result, with everything in it: no other file, no network, and no script to read it.

pub mod equation;
pub mod listing;

use listing::{Cell, Listing};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SORT: &str = include_str!("sort.js");

/// A heading with the panels of a picture, each an SVG document.
pub type Picture = (String, Vec<String>);

/// What a page is made of. All texts are plain, and escaped as they are set.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The title of the input.
    pub title: String,
    /// What was done, in one line.
    pub about: String,
    /// MathML of the equation.
    pub equation: Option<String>,
    /// The problem in words, a heading and a text a line.
    pub problem: Vec<(String, String)>,
    /// How it was solved.
    pub how: Vec<(String, String)>,
    /// The verdict on it, if there is one, and whether it is good.
    pub verdict: Option<(bool, String)>,
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Tables.
    pub listings: Vec<Listing>,
    /// What the errors mean, a paragraph each.
    pub notes: Vec<String>,
    /// The input as it was.
    pub input: String,
    /// The manifest.
    pub manifest: String,
}

impl Report {
    /// The page.
    pub fn page(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        p { (self.about) }
                        @if let Some((good, text)) = &self.verdict {
                            p.verdict.bad[!good] { (text) }
                        }
                    }
                    main {
                        section {
                            h2 { "What was solved" }
                            @if let Some(equation) = &self.equation {
                                div.equation { (PreEscaped(equation)) }
                                p.small { "ħ = 1; D[L]ρ = LρL† − ½(L†Lρ + ρL†L)." }
                            }
                            (lines(&self.problem))
                        }
                        section {
                            h2 { "How" }
                            (lines(&self.how))
                        }
                        @for (heading, panels) in &self.pictures {
                            section {
                                h2 { (heading) }
                                div.panels {
                                    @for panel in panels {
                                        figure { (PreEscaped(panel)) }
                                    }
                                }
                            }
                        }
                        section {
                            h2 { "Numbers" }
                            @for listing in &self.listings {
                                (table(listing))
                            }
                        }
                        section {
                            h2 { "What the errors mean" }
                            @for note in &self.notes {
                                p { (note) }
                            }
                        }
                        section {
                            h2 { "To do it again" }
                            details {
                                summary { "The input" }
                                pre { (self.input) }
                            }
                            details {
                                summary { "The manifest" }
                                pre { (self.manifest) }
                            }
                        }
                    }
                    script { (PreEscaped(SORT)) }
                }
            }
        };
        page.into_string()
    }
}

fn lines(all: &[(String, String)]) -> Markup {
    html! {
        dl {
            @for (heading, text) in all {
                div {
                    dt { (heading) }
                    dd { (text) }
                }
            }
        }
    }
}

fn table(listing: &Listing) -> Markup {
    let left_out = match listing.left_out {
        0 => String::new(),
        n => format!("; {n} more are in the folder"),
    };
    html! {
        details open[listing.open] {
            summary { (listing.caption) " (" (listing.rows.len()) " lines" (left_out) ")" }
            div.wide {
                table {
                    thead { tr { @for head in &listing.heads { th { (head) } } } }
                    tbody {
                        @for row in &listing.rows {
                            tr { @for cell in row { (data(cell)) } }
                        }
                    }
                }
            }
        }
    }
}

fn data(cell: &Cell) -> Markup {
    html! {
        @match cell.number {
            Some(number) => { td.number data-number=(number) { (cell.shown) } },
            None => { td { (cell.shown) } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_input_says_is_text_and_nothing_else() {
        let evil = "<script>alert(1)</script>&\"'</pre></style>".to_owned();
        let listing = listing::of_csv(&evil, &format!("{evil},b\n{evil},1\n"), true).unwrap();
        let report = Report {
            title: evil.clone(),
            about: evil.clone(),
            problem: vec![(evil.clone(), evil.clone())],
            how: vec![(evil.clone(), evil.clone())],
            verdict: Some((false, evil.clone())),
            pictures: vec![(evil.clone(), Vec::new())],
            listings: vec![listing],
            notes: vec![evil.clone()],
            input: evil.clone(),
            manifest: evil.clone(),
            equation: None,
        };
        let page = report.page();
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(!page.contains("alert(1)</script>") && !page.contains("&\"'"));
        assert_eq!(page.matches("</style>").count(), 1);
        assert_eq!(page.matches("</pre>").count(), 2);
    }
}
