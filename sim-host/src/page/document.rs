//! The frame of a page: style, the chart library, data and policy, all in one file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// D3 and Observable Plot, which draws with it, each with its licence. `vendor/README.md` says where they are from.
const LIBRARIES: [(&str, &str); 2] = [
    (include_str!("vendor/d3.min.js"), include_str!("vendor/d3.LICENSE")),
    (include_str!("vendor/plot.min.js"), include_str!("vendor/plot.LICENSE")),
];

/// The page's icon: a ratchet's tooth, drawn in place so that no browser asks a server for one.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath \
d='M2 13V6l4 4V6l4 4V6l4 4v3z' fill='%230b62a8'/%3E%3C/svg%3E";

/// A page that stands alone.
#[derive(Debug)]
pub struct Document<'d> {
    /// Its title.
    pub title: &'d str,
    /// What is in it.
    pub body: Markup,
    /// What the script finds in the element `data`.
    pub data: &'d Value,
    /// A script that draws the charts.
    pub charts: &'d str,
}

impl Document<'_> {
    /// The whole file.
    #[must_use]
    pub fn to_html(&self) -> String {
        let libraries =
            LIBRARIES.map(|(code, licence)| format!("/*!\n{}*/\n{code}", licence.replace("*/", "")));
        let scripts: Vec<&str> = libraries.iter().map(String::as_str).chain([self.charts]).collect();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(&scripts));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) }
                    link rel="icon" href=(PreEscaped(ICON));
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the report" }
                    (self.body)
                    script id="data" type="application/json" { (PreEscaped(inline_json(self.data))) }
                    @for script in &scripts {
                        script { (PreEscaped(script)) }
                    }
                }
            }
        };
        page.into_string()
    }
}

/// Nothing is loaded, and no script runs but these: whatever else should get into a page is dead text. Plot writes a style
/// element of its own, so styles cannot be named one by one.
fn policy(scripts: &[&str]) -> String {
    let hash = |script: &&str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script.as_bytes())));
    let scripts: Vec<String> = scripts.iter().map(hash).collect();
    format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        scripts.join(" ")
    )
}

/// JSON that cannot end the element it stands in.
fn inline_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use maud::html;
    use serde_json::json;

    use super::*;

    fn page(data: &Value) -> String {
        let body = html! { main id="main" { p { (data["text"].as_str().unwrap()) } } };
        Document { title: "<title>", body, data, charts: "draw();" }.to_html()
    }

    #[test]
    fn text_from_outside_stays_text() {
        let html = page(&json!({ "text": "</script><script>alert(1)</script><!--" }));
        assert!(!html.contains("<script>alert"), "as an element");
        assert!(html.contains("&lt;script&gt;alert(1)"), "in the text");
        assert!(html.contains(r"\u003c/script>\u003cscript>alert(1)\u003c/script>\u003c!--"), "in the data");
        assert!(html.contains("<title>&lt;title&gt;</title>"));
    }

    #[test]
    fn only_the_scripts_that_belong_to_it_may_run() {
        let html = page(&json!({ "text": "" }));
        assert_eq!(html.matches("<script>").count(), 3, "two libraries, one drawing");
        assert_eq!(html.matches("'sha256-").count(), 3);
        // The SHA-256 of `draw();`, as openssl has it.
        assert!(
            html.contains("'sha256-Nrzt+Ak9TKllQ0f6KxPbgRgME4RTzfjVUaOmcylYOV8='"),
            "{}",
            policy(&["draw();"])
        );
        assert!(html.contains("default-src 'none'"));
        assert!(!html.contains("script-src 'unsafe-inline'"));
    }

    #[test]
    fn no_script_or_style_ends_early() {
        for text in LIBRARIES.iter().flat_map(|(code, licence)| [code, licence]).chain([&STYLE]) {
            let text = text.to_lowercase();
            assert!(!text.contains("</script") && !text.contains("</style") && !text.contains("<!--"));
        }
    }
}
