//! The proof that no panic can be reached from what decides.
//!
//! The list of public functions comes from the code. For each, a generated crate has a call with arguments of which
//! nothing is known, and the linker makes an image of what that call reaches, where the panic handler calls what does not
//! exist: an image links only if no panic can be reached. What is left out, and the panics that are planted to see that the proof
//! notices, are in `on-target/no-panic/proof.toml`.

mod caller;
mod functions;
mod generics;
mod image;
mod source;
mod types;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::caller::{Caller, Cipher, entry};
use self::functions::Function;
use self::image::Linker;
use self::source::Source;
use self::way::References;
use crate::workspace;

const PROOF: &str = "on-target/no-panic/proof.toml";
const TARGET: &str = "thumbv7em-none-eabihf";

/// For size and for speed: what firmware is built with.
const OPT_LEVELS: [&str; 2] = ["z", "3"];

/// `proof.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    outside: Vec<Outside>,
    planted: Vec<Planted>,
}

/// What stands outside the proof.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    #[serde(default)]
    functions: Vec<String>,
    module: Option<String>,
    reason: String,
}

/// A panic: a text in a file that is replaced by another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planted {
    name: String,
    file: PathBuf,
    old: String,
    new: String,
    reached_by: BTreeSet<String>,
}

impl Proof {
    fn read() -> Result<Self, String> {
        let text = workspace::read(&workspace::root().join(PROOF))?;
        toml::from_str(&text).map_err(|error| format!("{PROOF}: {error}"))
    }

    /// Why a function is left out.
    fn reason(&self, function: &str) -> Option<&str> {
        let outside =
            self.outside.iter().find(|outside| outside.functions.iter().any(|name| name == function));
        outside.map(|outside| outside.reason.as_str())
    }

    /// What is left out has to be there.
    fn check_names(&self, functions: &[Function], source: &Source) -> Result<(), String> {
        let names: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
        let listed = self.outside.iter().flat_map(|outside| &outside.functions);
        let listed = listed.chain(self.planted.iter().flat_map(|planted| &planted.reached_by));
        if let Some(unknown) = listed.map(String::as_str).find(|name| !names.contains(name)) {
            return Err(format!("{PROOF}: there is no public function {unknown}"));
        }
        let modules: BTreeSet<&String> =
            self.outside.iter().filter_map(|outside| outside.module.as_ref()).collect();
        let behind_features: BTreeSet<&String> = source.behind_features.iter().collect();
        match modules.symmetric_difference(&behind_features).next() {
            Some(module) if modules.contains(module) => {
                Err(format!("{PROOF}: {module} is behind no feature"))
            }
            Some(module) => {
                Err(format!("{PROOF} does not say why the feature's module {module} is left out"))
            }
            None => Ok(()),
        }
    }
}

/// Checks the proof, or lists what it is about.
pub(crate) fn check(only_list: bool) -> Result<String, String> {
    let proof = Proof::read()?;
    let root = workspace::root();
    let (source, functions) = public_functions(&root)?;
    proof.check_names(&functions, &source)?;
    if only_list {
        for function in &functions {
            println!(
                "{}",
                line(if proof.reason(&function.name).is_some() { "outside" } else { "inside" }, function, "")
            );
        }
    } else {
        prove(&root, &functions, &proof)?;
        cipher_panics(&root, functions_that_seal(&functions))?;
        for planted in &proof.planted {
            notice(planted, &functions, &proof)?;
            println!("notices {}: {}", planted.name, names(&planted.reached_by));
        }
    }
    for Outside { module, reason, .. } in &proof.outside {
        println!(
            "outside {}: {reason}",
            module.as_deref().map_or("functions".to_owned(), |module| format!("module {module}"))
        );
    }
    let outside = functions.iter().filter(|function| proof.reason(&function.name).is_some()).count();
    let images: usize = functions.iter().map(|function| function.calls.len()).sum();
    Ok(format!(
        "{} public functions, {images} images; {outside} of the functions stand outside",
        functions.len()
    ))
}

fn public_functions(root: &Path) -> Result<(Source, Vec<Function>), String> {
    let source = Source::read(&root.join("core/src/lib.rs"))?;
    let functions = functions::all(&source)?;
    Ok((source, functions))
}

fn line(verdict: &str, function: &Function, levels: &str) -> String {
    let images = match function.calls.len() {
        1 => String::new(),
        images => format!("  {images} images"),
    };
    format!("{verdict:8}{}{images}{levels}", function.name)
}

/// What is inside links at every opt-level; what is outside does not.
fn prove(root: &Path, functions: &[Function], proof: &Proof) -> Result<(), String> {
    let caller = Caller::write(root, functions, Cipher::Unknown, "caller")?;
    let mut failures = BTreeMap::<&str, Vec<String>>::new();
    for opt_level in OPT_LEVELS {
        let archive = caller.build(TARGET, opt_level)?;
        let panics = panics(&archive, functions)?;
        let references = if panics.is_empty() { None } else { Some(References::read(&archive)?) };
        for (number, call) in panics {
            let way = references.iter().flat_map(|references| references.way_to_panic(&entry(number, call)));
            let with = &functions[number].calls[call].with;
            let way = way.skip(1).collect::<Vec<_>>().join("\n      → ");
            let failure = format!("at {opt_level}, {with}\n      → {way}");
            failures.entry(&functions[number].name).or_default().push(failure);
        }
    }
    let mut errors = Vec::new();
    for function in functions {
        let failed = failures.get(function.name.as_str());
        match (proof.reason(&function.name), failed) {
            (None, None) => {
                println!("{}", line("links", function, &format!("  at {}", OPT_LEVELS.join(" and "))));
            }
            (Some(_), Some(_)) => println!("{}", line("outside", function, "")),
            (None, Some(failed)) => {
                errors.push(format!("{} can panic:\n    {}", function.name, failed.join("\n    ")));
            }
            (Some(_), None) => errors.push(format!("{} links, and need not stand outside", function.name)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// The images that do not link, as numbers of a function and of its call.
fn panics(archive: &Path, functions: &[Function]) -> Result<Vec<(usize, usize)>, String> {
    let linker = Linker::find(TARGET)?;
    let images: Vec<(usize, usize)> = (0..)
        .zip(functions)
        .flat_map(|(number, function)| (0..function.calls.len()).map(move |call| (number, call)))
        .collect();
    let fails = |&(number, call): &(usize, usize)| match linker.links(archive, &entry(number, call)) {
        Ok(true) => None,
        Ok(false) => Some(Ok((number, call))),
        Err(error) => Some(Err(error)),
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let share = images.len().div_ceil(threads).max(1);
        let links = |images: &[(usize, usize)]| images.iter().filter_map(&fails).collect::<Vec<_>>();
        let running: Vec<_> = images.chunks(share).map(|images| scope.spawn(move || links(images))).collect();
        running
            .into_iter()
            .flat_map(|thread| {
                thread.join().unwrap_or_else(|_| vec![Err("a thread has panicked".to_owned())])
            })
            .collect()
    })
}

/// What stores a session, and what brings it back.
fn functions_that_seal(functions: &[Function]) -> Vec<Function> {
    let seal =
        |function: &&Function| ["Device::open_at_ticks", "Device::shared"].contains(&function.name.as_str());
    functions.iter().filter(seal).cloned().collect()
}

/// The cipher stands outside because it has panic code: with it, what seals does not link.
fn cipher_panics(root: &Path, functions: Vec<Function>) -> Result<(), String> {
    let archive = Caller::write(root, &functions, Cipher::Real, "sealing")?.build(TARGET, OPT_LEVELS[0])?;
    if panics(&archive, &functions)?.is_empty() {
        return Err("sealing links with its cipher, which need not stand outside".to_owned());
    }
    println!(
        "outside the cipher: chacha20poly1305 leaves panic code in an image; what may do anything stands in for it"
    );
    Ok(())
}

/// A planted panic is noticed in the functions that reach it, and in no other.
fn notice(planted: &Planted, functions: &[Function], proof: &Proof) -> Result<(), String> {
    let copy = workspace::scratch("no-panic").join("workspace");
    workspace::copy_to(&copy)?;
    let path = copy.join(&planted.file);
    let sound = workspace::read(&path)?;
    if sound.matches(&planted.old).count() != 1 {
        return Err(format!(
            "{}: `old` does not stand exactly once in {}",
            planted.name,
            planted.file.display()
        ));
    }
    workspace::write(&path, sound.replace(&planted.old, &planted.new).as_bytes())?;
    let archive =
        Caller::write(&copy, functions, Cipher::Unknown, "planted")?.build(TARGET, OPT_LEVELS[0])?;
    let failed: BTreeSet<String> = panics(&archive, functions)?
        .into_iter()
        .map(|(number, _)| functions[number].name.clone())
        .filter(|name| proof.reason(name).is_none())
        .collect();
    if failed == planted.reached_by {
        Ok(())
    } else {
        Err(format!(
            "{} is noticed in {}, and not in {}",
            planted.name,
            names(&failed),
            names(&planted.reached_by)
        ))
    }
}

fn names(functions: &BTreeSet<String>) -> String {
    functions.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
