//! The page itself.

use std::fmt::Write;

use super::aims::{self, Aim, SPELLINGS};
use super::machine::{Conditions, Load};
use super::times::Time;
use super::{Measured, plots};
use crate::figures::{self, grouped};
use crate::instructions::beyond_vodozemac;

/// Where a tenth of the intervals within rounds reach further than this part of their medians, or a tenth of what is timed twice in one
/// layout differs by more, a machine is a noisy one.
const QUIET: f64 = 0.03;

/// Where more threads than this wanted a core on average, the timed one was not alone.
const ALONE: f64 = 1.3;

pub(super) fn page(measured: &Measured) -> Result<String, String> {
    let mut page = format!(
        "# What pawl costs beside others\n\n\
         pawl decides whether a Matrix room is encrypted, with which settings, and when its outbound Megolm session must be replaced. \
         Written by `cargo run -p pawl-checks -- results`, every number in it. How each side is called, and which one that favours, \
         stands in the docs of [the benchmarks](benches). All are built alike: release profile, whole-program optimisation, one codegen \
         unit. Times are medians over [{} layouts of the programs](#how-far-the-times-can-be-trusted), with all that the layouts make \
         as an interval; instructions are counted by callgrind and the same in every run.\n\n",
        measured.times.layouts()
    );
    page += &against_the_aims(measured)?;
    page += &side_by_side(measured)?;
    page += &quietness(measured)?;
    page += &growth(measured);
    page += &pawl_alone(measured)?;
    page += &made_with(measured);
    Ok(page)
}

/// Whether the times can be trusted to the last digit: what the machine makes, and what a layout makes.
fn quietness(measured: &Measured) -> Result<String, String> {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let (usual_noise, seldom_noise) = measured.times.noise();
    let (usual_drift, seldom_drift) = measured.times.drift();
    let (usually_apart, seldom_apart) = measured.times.between_layouts();
    let times = measured.conditions.iter().find(|(part, _)| *part == "times");
    let load = &times.ok_or("nobody knows what the machine did beside")?.1.load;
    let verdict = if seldom_noise.max(seldom_drift) > QUIET {
        "**The machine was not quiet**, so the ratios of times are to be read with their intervals; the instructions are not touched by \
         it"
    } else if load.mean > ALONE {
        "**Something else ran all the time**, on a core of its own it seems, since the times are steady; the instructions are not touched by \
         it"
    } else {
        "The machine was quiet"
    };
    Ok(format!(
        "## How far the times can be trusted\n\n\
         {verdict}. Within a round half of the intervals (of 95 % confidence) reach no further than {} from their medians, one in ten \
         further than {}; between two rounds with the same programs, the first and one after all others, half of the medians drifted by no more than {}, one in \
         ten by more than {}. While times were measured, {:.1} threads wanted one of the machine's {} cores on average and {} at most, \
         the timed one included; in the quarter of an hour before it were {:.1}.\n\n\
         What a function takes depends on where in a program it comes to lie, too. So every benchmark was timed in {} layouts, a round \
         each: first as cargo builds it, then with the same functions in orders into which the linker has shuffled them. A time is the \
         median of the rounds' medians, and its interval spans those of all rounds, and so what a layout makes. For half of the \
         benchmarks the slowest round took no more than {} longer than the fastest, for one in ten more than {}: layout and drift \
         together. A ratio is that of two such times, and its interval goes as far as that of both together can, since a layout that is \
         lucky for one function says nothing of another. Beside an aim stands in how many of the layouts it was reached.\n\n",
        percent(usual_noise),
        percent(seldom_noise),
        percent(usual_drift),
        percent(seldom_drift),
        load.mean,
        measured.machine.cores,
        load.most,
        load.before,
        measured.times.layouts(),
        percent(usually_apart),
        percent(seldom_apart),
    ))
}

fn against_the_aims(measured: &Measured) -> Result<String, String> {
    let (compiler, on_target) = figures::on_target()?;
    let mut text = String::from(
        "## Against what was aimed at\n\n\
         [The design](../docs/design.md#what-it-may-cost) has the same aims without figures, and why those are missed that are. Where a \
         ratio has no aim it stands beside the one that has.\n\n\
         | on the host | aimed at | measured | in instructions | |\n|---|--:|--:|--:|---|\n",
    );
    let row = |text: &mut String, aim: Aim| {
        let outcome = aim.outcome();
        let Aim { what, aimed_at, reached, counted, .. } = aim;
        line(text, &format!("| {what} | {aimed_at} | {reached} | {counted} | {outcome} |"));
    };
    for aim in aims::on_host(measured)? {
        row(&mut text, aim);
    }
    line(&mut text, &format!("| **on a Cortex-M4**, rustc {compiler}, as committed | | | | |"));
    for aim in aims::on_target(&on_target) {
        row(&mut text, aim);
    }
    let median = |name: &str| Ok::<_, String>(measured.times.get(name)?.median);
    let expired = median("rotation_check_with_clock/matrix-sdk-crypto")?;
    line(
        &mut text,
        &format!(
            "\nThe first row is so low since pawl's check is given the time: of what `expired()` takes, {:.0} % is reading the clock. With \
             the same clock read on both sides pawl takes {:.2} of the time that matrix-sdk-crypto takes, and looks at more reasons for it: \
             events as well as messages and age.\n",
            median("rotation_check_with_clock/clock")? / expired * 100.0,
            median("rotation_check_with_clock/pawl")? / expired,
        ),
    );
    Ok(text)
}

fn side_by_side(measured: &Measured) -> Result<String, String> {
    let mut text = String::from(
        "## Side by side\n\n| | time | pawl's is so much of it | instructions | pawl's are so much of them |\n\
         |---|--:|--:|--:|--:|\n",
    );
    // Of reading a clock, most is the kernel's, which callgrind does not count.
    const READS_A_CLOCK: &str = "rotation_check_with_clock";
    let mut rows = |group: &str, pawl: &str, others: &[&str]| -> Result<(), String> {
        for other in [&[pawl], others].concat() {
            let name = format!("{group}/{other}");
            let (ratio, counted) = if other == pawl {
                (String::new(), String::new())
            } else {
                let ours = format!("{group}/{pawl}");
                let Time { median, low, high } = measured.times.over(&ours, &name)?.all;
                let counted = match group {
                    READS_A_CLOCK => String::new(),
                    _ => aims::instructions(measured, &ours, &name)?,
                };
                (format!("{median:.2} ({low:.2}–{high:.2})"), counted)
            };
            let time = written(measured.times.get(&name)?);
            let count = measured.instructions.get(&name).copied().map(grouped).unwrap_or_default();
            line(&mut text, &format!("| `{name}` | {time} | {ratio} | {count} | {counted} |"));
        }
        Ok(())
    };
    rows("rotation_check", "pawl", &["floor"])?;
    rows(READS_A_CLOCK, "pawl", &["matrix-sdk-crypto", "clock"])?;
    for group in SPELLINGS {
        let peers: &[_] = match group {
            aims::ESCAPED => &[aims::WITH_BUFFER, "serde_json", "ruma-events"], // the other call misreads it
            _ => &[aims::WITH_BUFFER, aims::AS_IT_STANDS, "serde_json", "ruma-events"],
        };
        rows(group, "pawl", peers)?;
    }
    rows("send", "pawl-vodozemac", &["vodozemac"])?;
    let _ = writeln!(
        text,
        "\nA message's whole way with pawl takes {} instructions more than vodozemac's encryption alone: clock, lookup, decision, payload \
         and event. Callgrind does not count what the kernel does when a clock is read.\n",
        grouped(beyond_vodozemac(&measured.instructions)?)
    );
    Ok(text)
}

fn growth(measured: &Measured) -> String {
    let mut text = String::from("## How it grows\n\n");
    for plot in plots::PLOTS {
        line(&mut text, &format!("![{}](plots/{})\n", plot.caption, plot.file));
    }
    text += "| simulated with `--crypto none` | messages | seconds | messages a second | memory at its peak |\n|---|--:|--:|--:|--:|\n";
    let simulated = &measured.simulated;
    let rooms =
        simulated.rooms.iter().map(|point| (format!("rooms: {}, a week", grouped(point.size.into())), point));
    let weeks = simulated.weeks.iter().map(|point| (format!("rooms: 100, weeks: {}", point.size), point));
    let scenario = [("`ten-thousand-rooms`, an hour".to_owned(), &simulated.ten_thousand_rooms)];
    for (what, point) in rooms.chain(weeks).chain(scenario) {
        line(
            &mut text,
            &format!(
                "| {what} | {} | {:.3} | {} | {:.1} MiB |",
                grouped(point.messages),
                point.seconds,
                super::whole(point.messages_a_second()),
                point.peak_bytes as f64 / f64::from(1 << 20)
            ),
        );
    }
    text.push('\n');
    text
}

fn pawl_alone(measured: &Measured) -> Result<String, String> {
    let mut text = String::from(
        "## pawl alone\n\n`apply_event`: a room's settings are told once more. `record`: a room's record for the store. `lookup`: one of so many rooms is \
         found by its ID, on average over all of them, and in instructions the last one; `lookup_alike`: with IDs that a hostile server \
         chose. `decide`: the clock, that lookup, and the decision on a message.\n\n| | time | instructions |\n|---|--:|--:|\n",
    );
    for group in ["apply_event", "record", "lookup", "lookup_alike", "decide"] {
        let mut rows: Vec<_> = measured.times.group(group).collect();
        if rows.is_empty() {
            return Err(format!("no benchmark of {group} was timed"));
        }
        rows.sort_by_key(|(name, _)| name.parse().unwrap_or(0));
        for (name, time) in rows {
            let name = format!("{group}/{name}");
            let count = measured.instructions.get(&name).copied().map(grouped).unwrap_or_default();
            line(&mut text, &format!("| `{name}` | {} | {count} |", written(time)));
        }
    }
    text += "\n| hostile content | 64 B | 64 KiB | a second | instructions a byte of 64 KiB |\n|---|--:|--:|--:|--:|\n";
    for kind in plots::hostile_kinds(measured) {
        let group = format!("parse_hostile/{kind}");
        let (short, long) =
            (measured.times.get(&format!("{group}/64"))?, measured.times.get(&format!("{group}/65536"))?);
        let count = measured.instructions.get(&format!("{group}/65536"));
        line(
            &mut text,
            &format!(
                "| `{group}` | {} | {} | {} MB | {} |",
                written(short),
                written(long),
                super::whole(65_536.0 / long.median * 1e3),
                count.map(|&count| format!("{:.1}", count as f64 / 65_536.0)).unwrap_or_default()
            ),
        );
    }
    text.push('\n');
    Ok(text)
}

fn made_with(measured: &Measured) -> String {
    let machine = &measured.machine;
    let mut text = String::from("## Machine, versions, and how to repeat it\n\n| | |\n|---|---|\n");
    for (what, value) in [
        ("processor", format!("{}, {} cores", machine.processor, machine.cores)),
        ("system", machine.system.clone()),
        ("compiler", machine.rustc.clone()),
        ("valgrind", machine.valgrind.clone()),
    ] {
        line(&mut text, &format!("| {what} | {value} |"));
    }
    for (part, Conditions { commit, load: Load { before, mean, most } }) in &measured.conditions {
        let load =
            format!("threads that wanted a core: {mean:.1} on average, {most} at most; before {before:.1}");
        line(&mut text, &format!("| {part} | pawl at {commit}; {load} |"));
    }
    for (name, version) in &machine.versions {
        line(&mut text, &format!("| {name} | {version} |"));
    }
    text += "\n```sh\ncargo install --locked gungraun-runner --version ";
    text += machine.versions.iter().find(|(name, _)| name == "gungraun").map_or("", |(_, version)| version);
    text += "   # and valgrind, from your distribution\n\
             cargo run -p pawl-checks -- results\n\
             cargo bench -p pawl-benches --features peers           # the times alone\n\
             cargo bench -p pawl-benches                            # pawl's alone\n```\n";
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A time with its interval, in a unit that suits it.
fn written(Time { median, low, high }: Time) -> String {
    let (unit, name) = match median {
        ..1e3 => (1.0, "ns"),
        1e3..1e6 => (1e3, "µs"),
        _ => (1e6, "ms"),
    };
    let digits = |value: f64| {
        let value = value / unit;
        if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
    };
    format!("{} {name} ({}–{})", digits(median), digits(low), digits(high))
}

#[cfg(test)]
mod tests {
    use super::{Time, written};

    #[test]
    fn a_time_is_in_a_unit_that_suits_it() {
        let time = |median: f64| written(Time { median, low: median * 0.5, high: median * 2.0 });
        assert_eq!(time(2.0), "2.00 ns (1.00–4.00)");
        assert_eq!(time(1_500.0), "1.50 µs (0.75–3.00)");
        assert_eq!(time(12_345_678.0), "12.3 ms (6.17–24.7)");
    }
}
