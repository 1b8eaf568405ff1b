//! The figures that `benches/cortex-m/run.sh` prints: compared with those that are committed, and as the README's table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::workspace;

/// The committed figures, a file a compiler.
const FOLDER: &str = "benches/cortex-m/expected";

/// A figure of the target that grows by more than this many percent has to be committed.
const TOLERANCE_PERCENT: u64 = 2;

/// So has one that falls by more than this many: what was measured may not be there any more.
const FALL_PERCENT: u64 = 20;

const BEGIN: &str = "<!-- These tables are written by `cargo run -p pawl-checks -- figures table`. -->\n";
const END: &str = "<!-- Here they end. -->\n";

/// A figure a line: what comes before the last word is its name.
#[derive(Debug, PartialEq, Eq)]
struct Figures(BTreeMap<String, u64>);

impl Figures {
    fn read(text: &str) -> Result<Self, String> {
        let mut figures = BTreeMap::new();
        for line in text.lines() {
            let figure = line.rsplit_once(' ').and_then(|(name, value)| Some((name, value.parse().ok()?)));
            let (name, value) = figure.ok_or_else(|| format!("no figure: {line}"))?;
            if figures.insert(name.to_owned(), value).is_some() {
                return Err(format!("twice: {name}"));
            }
        }
        if figures.is_empty() {
            return Err("there are no figures".to_owned());
        }
        Ok(Figures(figures))
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// The greatest of those at an opt-level whose names begin so, and how the rest of its name goes.
    fn dearest(&self, beginning: &str, level: &str) -> Option<(&str, u64)> {
        let rest =
            |name: &'_ str| Some(name.strip_prefix(beginning)?.strip_suffix(level)?.strip_suffix('@')?.len());
        let all = self.0.iter().filter_map(|(name, &value)| {
            let length = rest(name)?;
            Some((name.get(beginning.len()..beginning.len() + length)?, value))
        });
        all.max_by_key(|&(_, value)| value)
    }
}

/// Compares the figures on standard input with those that are committed for a compiler.
pub(crate) fn compare(compiler: &str) -> Result<String, String> {
    let actual =
        io::read_to_string(io::stdin()).map_err(|error| format!("cannot read the figures: {error}"))?;
    let figures = Figures::read(&actual)?;
    hostile_contents_are_bounded(&figures)?;
    aims_stay_met(&newest()?.1, &figures)?;
    compare_with(&PathBuf::from(FOLDER).join(format!("{compiler}.txt")), &actual, TOLERANCE_PERCENT)
}

/// Compares figures with those that are committed in a file, if there is one. They may grow by so many percent.
pub(crate) fn compare_with(place: &Path, actual: &str, tolerance_percent: u64) -> Result<String, String> {
    match fs::read_to_string(workspace::root().join(place)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(format!(
            "Nothing is committed for this compiler. To compare with it, commit {}:\n\n{actual}",
            place.display()
        )),
        Err(error) => Err(format!("cannot read {}: {error}", place.display())),
        Ok(expected) => {
            let differences =
                Differences::between(&Figures::read(&expected)?, &Figures::read(actual)?, tolerance_percent);
            if differences.fail {
                Err(format!("{}Explain them, and commit {}.", differences.text, place.display()))
            } else if differences.text.is_empty() {
                Ok(format!("All figures are those of {}.", place.display()))
            } else {
                Ok(format!(
                    "{}None grew by more than {tolerance_percent} %, or fell by more than {FALL_PERCENT}.",
                    differences.text
                ))
            }
        }
    }
}

/// Reading hostile content needs at most 512 bytes of stack more than typical content, and 16 times the instructions for 16 times
/// the length, with a fiftieth for what does not grow: whatever the compiler.
fn hostile_contents_are_bounded(figures: &Figures) -> Result<(), String> {
    let mut compared = 0;
    for (name, &value) in &figures.0 {
        let Some((_, level)) = name.split_once("parse_settings/64KiB-").and_then(|_| name.split_once('@'))
        else {
            continue;
        };
        let (bound, what) = if name.starts_with("stack") {
            let typical = figures.get(&format!("stack parse_settings/typical@{level}"));
            (typical.map(|bytes| bytes + 512), "needs more stack than 512 bytes beyond typical content")
        } else {
            let short = figures.get(&name.replace("64KiB", "4KiB"));
            (short.map(|instructions| instructions * 16 * 51 / 50), "is not linear")
        };
        match bound {
            Some(bound) if value <= bound => compared += 1,
            _ => return Err(format!("{name}: {value} {what}")),
        }
    }
    if compared == 0 { Err("there is no hostile content".to_owned()) } else { Ok(()) }
}

/// What was aimed at and is committed as met is met, whatever the compiler.
fn aims_stay_met(committed: &Figures, actual: &Figures) -> Result<(), String> {
    for aim in &AIMS {
        for level in aim.levels {
            let (before, now) = (aim.reached(committed, level)?, aim.reached(actual, level)?);
            if before <= aim.at_most && now > aim.at_most {
                let (what, at_most) = (aim.what, aim.at_most);
                return Err(format!(
                    "{what}, opt-level {level}: {now}, and at most {at_most} is aimed at; it was {before}"
                ));
            }
        }
    }
    Ok(())
}

/// What has changed, and whether that may pass.
struct Differences {
    text: String,
    fail: bool,
    tolerance_percent: u64,
}

impl Differences {
    fn between(expected: &Figures, actual: &Figures, tolerance_percent: u64) -> Self {
        let mut differences = Differences { text: String::new(), fail: false, tolerance_percent };
        for (name, &before) in &expected.0 {
            match actual.get(name) {
                Some(now) if now != before => differences.add(name, before, now),
                Some(_) => {}
                None => {
                    differences.fail = true;
                    differences.line(format_args!("- {name} {before}"));
                }
            }
        }
        for (name, now) in actual.0.iter().filter(|(name, _)| expected.get(name).is_none()) {
            differences.fail = true;
            differences.line(format_args!("+ {name} {now}"));
        }
        differences
    }

    fn add(&mut self, name: &str, before: u64, now: u64) {
        self.fail |=
            now * 100 > before * (100 + self.tolerance_percent) || now * 100 < before * (100 - FALL_PERCENT);
        self.line(format_args!("- {name} {before}"));
        self.line(format_args!("+ {name} {now}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// Writes the README's tables, or only sees whether they are there as they should be.
pub(crate) fn table(check: bool) -> Result<String, String> {
    let (compiler, figures) = newest()?;
    let place = workspace::root().join("README.md");
    let readme = workspace::read(&place)?;
    let (before, rest) = readme.split_once(BEGIN).ok_or("README.md has no place for the tables")?;
    let (_, after) = rest.split_once(END).ok_or("README.md's tables have no end")?;
    let written = format!("{before}{BEGIN}{}{END}{after}", tables(&compiler, &figures)?);
    if written == readme {
        return Ok("README.md has the committed figures.".to_owned());
    }
    if check {
        return Err(
            "README.md has other figures than those committed: cargo run -p pawl-checks -- figures table"
                .to_owned(),
        );
    }
    workspace::write(&place, written.as_bytes())?;
    Ok("README.md's tables are written.".to_owned())
}

/// The figures of the newest compiler of which there are any, with its name.
fn newest() -> Result<(String, Figures), String> {
    let folder = workspace::root().join(FOLDER);
    let entries = fs::read_dir(&folder).map_err(|error| format!("cannot read {FOLDER}: {error}"))?;
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let named = files.map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path));
    let (compiler, newest) = named.max_by_key(|(name, _)| version(name)).ok_or("no figures are committed")?;
    Ok((compiler, Figures::read(&workspace::read(&newest)?)?))
}

/// The numbers of a version, so that 1.100 comes behind 1.96.
fn version(name: &str) -> Vec<u64> {
    name.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

/// Rows of a table: what stands in the README for a figure's name.
type Rows = &'static [(&'static str, &'static str)];

/// Of these figures the greatest counts.
const DEAREST: &str = "parse_settings/64KiB-";

/// What has no stack of its own: the compiler has it in the midst of its caller, or it is measured by what surrounds it.
const WITHOUT_STACK: [&str; 2] = ["rotation_rule", "use_permit"];

const INSTRUCTIONS: Rows = &[
    ("rotation_rule", "the rotation rule alone"),
    ("read_clock/1000Hz", "reading a clock of 1 kHz onto the timeline"),
    ("read_clock/32768Hz", "the same for 32,768 Hz"),
    ("read_clock/1MHz", "the same for 1 MHz"),
    ("decide/nothing_due", "clock, lookup and decision: the session goes on"),
    ("decide/due_by_count", "the same: a new one, for its count"),
    ("decide/due_by_age", "the same: a new one, for its age"),
    ("lookup/1", "of that, looking up the one room"),
    ("lookup/8", "looking up a room among 8"),
    ("lookup/64", "among 64"),
    ("lookup/64_unknown", "looking for one that is not among 64"),
    ("lookup/1024", "among 1,024"),
    ("lookup/1024_alike", "among 1,024 whose IDs a hostile server chose"),
    (
        "decide_and_use_permit",
        "clock, lookup, decision and its permit's use: the event written, without Megolm",
    ),
    ("use_permit", "of that, using the permit"),
    ("decide_reserve_and_use_permit", "all of it, and the session sealed for the store"),
    ("parse_settings/typical", "reading typical settings (95 bytes)"),
    ("parse_settings/64KiB-string", "reading 64 KiB of one string"),
    (DEAREST, "reading 64 KiB of the hostile content that is dearest"),
    ("apply_event/unchanged", "applying an event that changes nothing"),
    ("apply_event/tightened", "applying an event that tightens the settings"),
    ("apply_event/departure", "applying a departure"),
    ("record/write", "writing a room's record"),
    ("record/read", "reading a room's record"),
];

const FLASH: Rows = &[
    ("nothing-stored", "settings, rotation, rooms; nothing is stored"),
    ("policy", "with records: rooms outlive a restart"),
    ("two-capacities", "the same with tables of two capacities"),
    ("policy-flash", "with records and the store on NOR flash"),
    ("policy-sealing", "with records and sealed sessions"),
    ("policy-flash-sealing", "with all of it"),
];

/// The same as `policy` at opt-level z.
const TARGETS: Rows = &[
    ("policy@z", "thumbv7em-none-eabihf"),
    ("policy@z/thumbv6m-none-eabi", "thumbv6m-none-eabi, without compare-and-swap"),
    ("policy@z/riscv32imc-unknown-none-elf", "riscv32imc-unknown-none-elf"),
    ("policy@z/x86_64-unknown-none", "x86_64-unknown-none"),
];

const RAM: Rows = &[
    ("room_without_session", "a room with an ID of up to 255 bytes, without its session"),
    ("device", "the device, without its rooms"),
];

/// What is aimed at: of two figures the difference, or the one, is to be at most so much.
struct Aim {
    what: &'static str,
    at_most: u64,
    /// One that ends with a hyphen begins the names of several, of which the greatest counts.
    figure: &'static str,
    without: Option<&'static str>,
    /// At which opt-levels; an empty one is for what is the same at all.
    levels: &'static [&'static str],
}

const AIMS: [Aim; 10] = [
    Aim {
        what: "instructions of the rotation rule",
        at_most: 40,
        figure: "instructions rotation_rule",
        without: None,
        levels: &OPT_LEVELS,
    },
    Aim {
        what: "instructions of a reading of the clock and a decision",
        at_most: 120,
        figure: "instructions decide/nothing_due",
        without: None,
        levels: &OPT_LEVELS,
    },
    Aim {
        what: "the same less `lookup/1`, the looking up of its room",
        at_most: 120,
        figure: "instructions decide/nothing_due",
        without: Some("instructions lookup/1"),
        levels: &OPT_LEVELS,
    },
    Aim {
        what: "instructions of reading typical settings",
        at_most: 3_000,
        figure: "instructions parse_settings/typical",
        without: None,
        levels: &OPT_LEVELS,
    },
    Aim {
        what: "stack: what the dearest hostile content adds to typical",
        at_most: 512,
        figure: "stack parse_settings/64KiB-",
        without: Some("stack parse_settings/typical"),
        levels: &OPT_LEVELS,
    },
    Aim {
        what: "RAM of a room, without its session",
        at_most: 320,
        figure: "ram room_without_session",
        without: None,
        levels: &[""],
    },
    Aim {
        what: "flash: settings, rotation, rooms and records",
        at_most: 12 << 10,
        figure: "flash policy",
        without: None,
        levels: &["z"],
    },
    Aim {
        what: "flash: what the store on NOR flash adds",
        at_most: 14 << 10,
        figure: "flash policy-flash",
        without: Some("flash policy"),
        levels: &["z"],
    },
    Aim {
        what: "flash: what sealing adds",
        at_most: 12 << 10,
        figure: "flash policy-sealing",
        without: Some("flash policy"),
        levels: &["z"],
    },
    Aim {
        what: "flash: what a second capacity adds",
        at_most: 256,
        figure: "flash two-capacities",
        without: Some("flash policy"),
        levels: &["z"],
    },
];

const OPT_LEVELS: [&str; 2] = ["z", "3"];

fn tables(compiler: &str, figures: &Figures) -> Result<String, String> {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    let figure = |name: &str| figures.get(name).map(grouped).ok_or_else(|| format!("there is no {name}"));
    let compiler = match compiler.strip_suffix("-source") {
        Some(version) => format!("{version}, which builds `core` at the same level"),
        None => compiler.to_owned(),
    };
    line(format_args!("\nWith rustc {compiler}, at opt-levels z and 3:\n"));
    line(format_args!("| | instructions, z | 3 | stack in bytes, z | 3 |"));
    line(format_args!("|---|--:|--:|--:|--:|"));
    for (name, what) in INSTRUCTIONS {
        let mut row = format!("| {what} |");
        for kind in ["instructions", "stack"] {
            for level in OPT_LEVELS {
                let value = if kind == "stack" && WITHOUT_STACK.contains(name) {
                    String::new()
                } else if *name == DEAREST {
                    let dearest = figures.dearest(&format!("{kind} {name}"), level);
                    let (content, value) = dearest.ok_or("there is no hostile content")?;
                    format!("{} ({})", grouped(value), content.replace('-', " "))
                } else {
                    figure(&format!("{kind} {name}@{level}"))?
                };
                let _ = write!(row, " {value} |");
            }
        }
        line(format_args!("{row}"));
    }
    line(format_args!("\n| flash in bytes | z | 3 |\n|---|--:|--:|"));
    for (name, what) in FLASH {
        let [z, three] = OPT_LEVELS.map(|level| figure(&format!("flash {name}@{level}")));
        line(format_args!("| {what} | {} | {} |", z?, three?));
    }
    line(format_args!("\n| flash in bytes with records, z | |\n|---|--:|"));
    for (name, target) in TARGETS {
        line(format_args!("| {target} | {} |", figure(&format!("flash {name}"))?));
    }
    line(format_args!("\n| RAM in bytes | |\n|---|--:|"));
    for (name, what) in RAM {
        line(format_args!("| {what} | {} |", figure(&format!("ram {name}"))?));
    }
    line(format_args!("\n| what is aimed at | at most | z | 3 |\n|---|--:|--:|--:|"));
    for aim in &AIMS {
        let mut row = format!("| {} | {} |", aim.what, grouped(aim.at_most));
        for level in OPT_LEVELS {
            let _ = match aim.levels {
                [""] => write!(row, " {} |", aim.verdict(figures, "")?),
                levels if levels.contains(&level) => write!(row, " {} |", aim.verdict(figures, level)?),
                _ => write!(row, " |"),
            };
        }
        line(format_args!("{row}"));
    }
    text.push('\n');
    Ok(text)
}

impl Aim {
    /// The figure; nothing where what is taken off is more.
    fn reached(&self, figures: &Figures, level: &str) -> Result<u64, String> {
        let get = |name: &str| {
            let figure = match level {
                "" => figures.get(name),
                _ if name.ends_with('-') => figures.dearest(name, level).map(|(_, value)| value),
                _ => figures.get(&format!("{name}@{level}")),
            };
            figure.ok_or_else(|| format!("there is no {name} at opt-level {level}"))
        };
        let whole = get(self.figure)?;
        Ok(whole.saturating_sub(self.without.map_or(Ok(0), get)?))
    }

    /// The figure, and whether it is too high.
    fn verdict(&self, figures: &Figures, level: &str) -> Result<String, String> {
        let reached = self.reached(figures, level)?;
        let verdict = if reached > self.at_most { ", missed" } else { "" };
        Ok(format!("{}{verdict}", grouped(reached)))
    }
}

/// What is committed of the target, beside what was aimed at.
pub(crate) struct OnTarget {
    /// With the opt-level, where there are two.
    pub(crate) what: String,
    pub(crate) at_most: u64,
    pub(crate) reached: u64,
}

/// The newest compiler of which figures are committed, and what is aimed at on the target.
pub(crate) fn on_target() -> Result<(String, Vec<OnTarget>), String> {
    let (compiler, figures) = newest()?;
    let mut rows = Vec::new();
    for aim in &AIMS {
        for level in aim.levels {
            let at = if level.is_empty() { String::new() } else { format!(", opt-level {level}") };
            rows.push(OnTarget {
                what: format!("{}{at}", aim.what),
                at_most: aim.at_most,
                reached: aim.reached(&figures, level)?,
            });
        }
    }
    Ok((compiler, rows))
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{Differences, Figures, aims_stay_met, grouped, hostile_contents_are_bounded, version};

    fn differences(expected: &str, actual: &str) -> (String, bool) {
        let differences =
            Differences::between(&Figures::read(expected).unwrap(), &Figures::read(actual).unwrap(), 2);
        (differences.text, differences.fail)
    }

    #[test]
    fn a_figure_may_fall_by_a_fifth_or_grow_by_two_percent_and_is_shown() {
        assert_eq!(differences("instructions a@z 100", "instructions a@z 100"), (String::new(), false));
        for now in [80, 99, 101, 102] {
            let shown = format!("- instructions a@z 100\n+ instructions a@z {now}\n");
            assert_eq!(
                differences("instructions a@z 100", &format!("instructions a@z {now}")),
                (shown, false)
            );
        }
        assert!(differences("instructions a@z 100", "instructions a@z 103").1);
        assert!(differences("instructions a@z 100", "instructions a@z 79").1);
        assert!(differences("ram a 10", "ram a 11").1);
        assert!(differences("stack a 0", "stack a 1").1);
    }

    #[test]
    fn a_figure_that_is_gone_or_new_has_to_be_committed() {
        assert_eq!(differences("ram a 1\nram b 2", "ram a 1"), ("- ram b 2\n".to_owned(), true));
        assert_eq!(differences("ram a 1", "ram a 1\nram b 2"), ("+ ram b 2\n".to_owned(), true));
    }

    #[test]
    fn hostile_content_that_is_not_bounded_is_refused_whatever_is_committed() {
        let bounded = |stack: u64, instructions: u64| {
            let text = format!(
                "stack parse_settings/typical@z 600\nstack parse_settings/64KiB-a@z {stack}\n\
                 instructions parse_settings/4KiB-a@z 1000\ninstructions parse_settings/64KiB-a@z {instructions}"
            );
            hostile_contents_are_bounded(&Figures::read(&text).unwrap()).is_ok()
        };
        assert!(bounded(1_112, 16_320));
        assert!(!bounded(1_113, 16_320));
        assert!(!bounded(1_112, 16_321));
        assert!(hostile_contents_are_bounded(&Figures::read("ram a 1").unwrap()).is_err());
    }

    #[test]
    fn an_aim_that_was_met_stays_met() {
        let figures = |instructions: u64, flash: u64| {
            let mut text = format!(
                "ram room_without_session 320\nflash policy@z {flash}\nflash two-capacities@z {flash}\n"
            );
            for store in ["policy-flash", "policy-sealing"] {
                text += &format!("flash {store}@z {flash}\n");
            }
            for level in ["z", "3"] {
                text += &format!("instructions rotation_rule@{level} {instructions}\n");
                for name in ["decide/nothing_due", "lookup/1", "parse_settings/typical"] {
                    text += &format!("instructions {name}@{level} 100\n");
                }
                text += &format!(
                    "stack parse_settings/typical@{level} 1\nstack parse_settings/64KiB-a@{level} 2\n"
                );
            }
            Figures::read(&text).unwrap()
        };
        let committed = figures(40, 13_000);
        assert!(aims_stay_met(&committed, &committed).is_ok());
        assert!(aims_stay_met(&committed, &figures(40, 14_000)).is_ok(), "it was missed before");
        assert!(aims_stay_met(&committed, &figures(41, 13_000)).is_err());
    }

    #[test]
    fn a_later_version_is_the_newer_one() {
        assert!(version("1.100.0") > version("1.96.0-source"));
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        for text in ["", "ram a", "ram a b", "ram a 1\nram a 2"] {
            assert!(Figures::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
