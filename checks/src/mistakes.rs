//! Plants mistakes in copies of the workspace, one at a time in each, and sees that a test which cites the rule fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::Deserialize;

use crate::citations::{self, cites};
use crate::workspace;

/// The file of mistakes.
#[derive(Deserialize)]
struct Mistakes {
    mistake: Vec<Mistake>,
}

/// A mistake: a text in a file that is replaced by another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    /// The rule it breaks, and what goes wrong: `T5 a message too many`.
    name: String,
    /// The file, relative to the workspace.
    file: PathBuf,
    /// What stands there, once.
    old: String,
    /// What the mistake makes of it.
    new: String,
    /// The integration test that must fail, of pawl-core or of the simulation.
    test: String,
}

impl Mistake {
    fn rule(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }
}

/// Checks every mistake whose name begins with `prefix`.
pub(crate) fn check(prefix: &str) -> Result<String, String> {
    let list = workspace::read(&workspace::root().join("checks/mistakes.toml"))?;
    let mut list: Mistakes =
        toml::from_str(&list).map_err(|error| format!("checks/mistakes.toml: {error}"))?;
    let rules = citations::rules()?;
    if let Some(rule) = rules.iter().find(|rule| !list.mistake.iter().any(|mistake| mistake.rule() == **rule))
    {
        return Err(format!("no mistake is planted for {rule}"));
    }
    list.mistake.retain(|mistake| mistake.name.starts_with(prefix));
    if list.mistake.is_empty() {
        return Err(format!("no mistake is named {prefix}…"));
    }
    let lanes = Lane::all(thread::available_parallelism().map_or(1, usize::from).min(list.mistake.len()))?;
    let tests: BTreeSet<_> = list.mistake.iter().map(|mistake| mistake.test.as_str()).collect();
    let (first, others) = lanes.split_first().ok_or("there is nothing to run on")?;
    for test in tests {
        if let Outcome::Failure(output) = first.run(test, |_| None)? {
            return Err(format!("{test} fails without any mistake:\n{output}"));
        }
    }
    for lane in others {
        lane.begin_like(first);
    }

    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let survivors = Mutex::new(String::new());
    thread::scope(|scope| {
        for lane in &lanes {
            scope.spawn(|| {
                while let Some(mistake) = list.mistake.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = lane.try_out(mistake);
                    let number = done.fetch_add(1, Ordering::Relaxed) + 1;
                    let found = verdict.as_deref().unwrap_or("NOT FOUND");
                    println!("[{number}/{}] {}: {found}", list.mistake.len(), mistake.name);
                    if let Err(why) = verdict {
                        let mut survivors = survivors.lock().unwrap_or_else(PoisonError::into_inner);
                        let _ = writeln!(survivors, "{}: {why}", mistake.name);
                    }
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap_or_else(PoisonError::into_inner);
    if survivors.is_empty() {
        Ok(format!("{} planted mistakes, each found by a test that cites its rule", list.mistake.len()))
    } else {
        Err(survivors)
    }
}

/// A copy of the workspace, with a build directory of its own, in which one mistake is tried out after the other.
struct Lane {
    copy: PathBuf,
    build: PathBuf,
}

impl Lane {
    /// So many of them, below `target/`.
    fn all(number: usize) -> Result<Vec<Lane>, String> {
        let folder = workspace::scratch("mistakes");
        (0..number)
            .map(|lane| {
                let folder = folder.join(lane.to_string());
                let lane = Lane { copy: folder.join("workspace"), build: folder.join("build") };
                workspace::copy_to(&lane.copy).map(|()| lane)
            })
            .collect()
    }

    /// Takes over what another has built of other people's crates. Without `cp` they are built once more.
    fn begin_like(&self, other: &Lane) {
        if !self.build.exists() {
            let _ = Command::new("cp").arg("-a").arg(&other.build).arg(&self.build).status();
        }
    }

    /// Plants one mistake, runs its test, and takes the mistake out again. Says which test found it.
    fn try_out(&self, mistake: &Mistake) -> Result<String, String> {
        let path = self.copy.join(&mistake.file);
        let sound = workspace::read(&path)?;
        if sound.matches(&mistake.old).count() != 1 {
            return Err(format!("`old` does not stand exactly once in {}", mistake.file.display()));
        }
        workspace::write(&path, sound.replace(&mistake.old, &mistake.new).as_bytes())?;
        let verdict = self.look_for(mistake);
        workspace::write(&path, sound.as_bytes())?;
        verdict
    }

    /// Runs a mistake's test until one in it has failed that cites the rule.
    fn look_for(&self, mistake: &Mistake) -> Result<String, String> {
        let (test, rule) = (&mistake.test, mistake.rule());
        let tests = workspace::read(&self.owner(test).1)?;
        let finder = |line: &str| {
            let (name, rules) = if test == "vectors" {
                let vector = vector(line)?;
                (vector, vector_rules(&self.copy, vector))
            } else {
                let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
                (name, body(&tests, name).to_owned())
            };
            cites(&rules, rule).then(|| name.to_owned())
        };
        match self.run(test, finder)? {
            Outcome::Found(by) => Ok(format!("found by {by}")),
            Outcome::Success => Err(format!("{test} does not notice")),
            Outcome::Failure(output) => {
                Err(format!("{test} fails, but nothing that cites {rule}:\n{output}"))
            }
        }
    }

    /// Builds and runs a test, and ends it at the first line that `finder` finds something in: with a mistake planted, what comes after
    /// may take long.
    fn run(&self, test: &str, finder: impl Fn(&str) -> Option<String>) -> Result<Outcome, String> {
        let (package, path) = self.owner(test);
        let executable = self.build(package, test)?;
        let cannot = |error| format!("cannot run {}: {error}", executable.display());
        let mut running = Command::new(&executable)
            .arg("--format=pretty")
            .current_dir(path.ancestors().nth(2).unwrap_or(&self.copy)) // the package's folder, as with cargo
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let mut output = String::new();
        let mut found = None;
        for line in running.stdout.take().into_iter().flat_map(|lines| BufReader::new(lines).split(b'\n')) {
            let line = String::from_utf8_lossy(&line.map_err(cannot)?).into_owned();
            found = finder(&line);
            if found.is_some() {
                running.kill().map_err(cannot)?;
                break;
            }
            let _ = writeln!(output, "{line}");
        }
        let status = running.wait().map_err(cannot)?;
        Ok(match found {
            Some(by) => Outcome::Found(by),
            None if status.success() => Outcome::Success,
            None => Outcome::Failure(format!("{output}{status}")),
        })
    }

    /// Builds a test and says where its program is.
    fn build(&self, package: &str, test: &str) -> Result<PathBuf, String> {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--quiet", "--no-run", "-p", package, "--test", test]).current_dir(&self.copy);
        command.arg("--message-format=json-render-diagnostics").env("CARGO_TARGET_DIR", &self.build);
        // Nobody debugs these, and the core's tests are built and run sooner without optimising. The simulation's cut the power so often
        // that they take minutes then.
        command.env("CARGO_PROFILE_TEST_DEBUG", "0");
        if package == "pawl-core" {
            command.env("CARGO_PROFILE_TEST_OPT_LEVEL", "0");
        }
        let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("it does not compile:\n{}", String::from_utf8_lossy(&output.stderr)));
        }
        workspace::executable(&String::from_utf8_lossy(&output.stdout), test)
            .ok_or_else(|| format!("cargo built {test}, but does not say where"))
    }

    /// The package that a test belongs to, and the file that it is in.
    fn owner(&self, test: &str) -> (&'static str, PathBuf) {
        let simulation = self.copy.join(format!("sim-host/tests/{test}.rs"));
        if simulation.exists() {
            ("pawl-sim-host", simulation)
        } else {
            ("pawl-core", self.copy.join(format!("core/tests/{test}.rs")))
        }
    }
}

/// What became of a test.
enum Outcome {
    /// It printed the line that was looked for.
    Found(String),
    Success,
    /// It failed without that line, and printed this.
    Failure(String),
}

/// A test function with the comments above it: from the end of what stands before to the next test.
fn body<'t>(tests: &'t str, test: &str) -> &'t str {
    let name = test.rsplit("::").next().unwrap_or(test);
    let Some(begin) = tests.find(&format!("fn {name}(")) else {
        return "";
    };
    let above = tests[..begin].rfind("\n}\n").map_or(0, |end| end + 3);
    let end = tests[begin..].find("\n}\n").map_or(tests.len(), |length| begin + length);
    &tests[above..end]
}

/// The name of the vector that a line of the vectors test complains about.
fn vector(line: &str) -> Option<&str> {
    let (path, _) = line.split_once(": expected ")?;
    path.rsplit('/').next()
}

fn vector_rules(copy: &Path, vector: &str) -> String {
    let bytes = fs::read(copy.join("vectors/settings").join(vector)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}
