//! Every rule is cited where it is implemented and where it is tested.

use std::path::Path;

use crate::workspace;

/// Where rules are implemented.
const CODE: &str = "core/src";

/// Where they are tested.
const TESTS: [&str; 3] = ["core/tests", "vectors/settings", "sim-host/tests"];

/// Checks every rule of `docs/rules.md`.
pub(crate) fn check() -> Result<String, String> {
    let rules = rules()?;
    let mut code = String::new();
    let mut tests = String::new();
    for name in workspace::files()? {
        let text = || {
            let bytes = std::fs::read(workspace::root().join(&name)).unwrap_or_default();
            without_module_docs(&String::from_utf8_lossy(&bytes))
        };
        if name.starts_with(CODE) {
            code.push_str(&text());
        } else if name.starts_with("vectors/settings") {
            // The header alone: what follows is a content.
            tests.extend(text().lines().next().map(|rule| format!("{rule}\n")));
        } else if TESTS.iter().any(|folder| name.starts_with(folder)) {
            tests.push_str(&text());
        }
    }
    let mut missing = Vec::new();
    for rule in &rules {
        if !cites(&code, rule) {
            missing.push(format!("{rule} is not cited in {CODE}"));
        }
        if !cites(&tests, rule) {
            missing.push(format!("{rule} is not cited in any of {}", TESTS.join(", ")));
        }
    }
    if missing.is_empty() {
        Ok(format!("{} rules, each cited in {CODE} and in a test", rules.len()))
    } else {
        Err(missing.join("\n"))
    }
}

/// A module's own documentation says what the module is about; it is no place where a rule is implemented or tested.
fn without_module_docs(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//!"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The names of the rules, as `docs/rules.md` lists them: `- **P1, strict JSON.** …`.
pub(crate) fn rules() -> Result<Vec<String>, String> {
    let text = workspace::read(&workspace::root().join(Path::new("docs/rules.md")))?;
    let rules: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- **"))
        .filter_map(|line| line.split([',', '.']).next())
        .filter(|name| is_rule(name))
        .map(str::to_owned)
        .collect();
    if rules.len() < 30 { Err(format!("docs/rules.md lists only {} rules", rules.len())) } else { Ok(rules) }
}

fn is_rule(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|letter| letter.is_ascii_uppercase())
        && !name[1..].is_empty()
        && characters.all(|digit| digit.is_ascii_digit())
}

/// Whether a text names a rule.
pub(crate) fn cites(text: &str, rule: &str) -> bool {
    text.match_indices(rule).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + rule.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
