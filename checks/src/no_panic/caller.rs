//! The crate that calls every function, and its archives: one for each opt-level, with everything in it that any call
//! can reach.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::functions::{Call, Function};
use crate::workspace;

/// What every image has beside its call.
const EFFECTS: &str = "on-target/no-panic/effects.rs";

/// What stands in for the cipher.
const CIPHER: &str = "on-target/no-panic/cipher.rs";

/// The dependencies of `effects.rs`, at the versions that the core has.
const SHARED: [&str; 3] = ["embedded-time", "rand_core", "zeroize"];

/// The symbol of an image's entry.
pub(super) fn entry(function: usize, call: usize) -> String {
    format!("pawl_call_{function}_{call}")
}

/// What seals sessions in the images.
#[derive(Clone, Copy)]
pub(super) enum Cipher {
    /// Something that may do whatever a cipher can.
    Unknown,
    /// The crate that the core depends on.
    Real,
}

/// A crate that calls the core that is in a workspace.
pub(super) struct Caller {
    folder: PathBuf,
}

impl Caller {
    /// Writes the crate to a folder below the target directory.
    pub(super) fn write(
        workspace: &Path,
        functions: &[Function],
        cipher: Cipher,
        name: &str,
    ) -> Result<Self, String> {
        let folder = workspace::scratch("no-panic").join(name);
        let mut code = String::from("#![no_std]\n\nmod effects;\n\nuse effects::*;\n");
        for (number, function) in functions.iter().enumerate() {
            for (call, Call { with, statement }) in function.calls.iter().enumerate() {
                let (entry, name) = (entry(number, call), &function.name);
                let _ = write!(
                    code,
                    "\n/// {name} {with}\n#[unsafe(no_mangle)]\nextern \"C\" fn {entry}() {{\n    {statement};\n}}\n"
                );
            }
        }
        workspace::write_if_changed(&folder.join("src/lib.rs"), code.as_bytes())?;
        let effects = workspace::read(&workspace::root().join(EFFECTS))?;
        workspace::write_if_changed(&folder.join("src/effects.rs"), effects.as_bytes())?;
        let mut manifest = manifest(workspace)?;
        if matches!(cipher, Cipher::Unknown) {
            manifest.push_str("\n[patch.crates-io]\nchacha20poly1305 = { path = \"cipher\" }\n");
            let code = workspace::read(&workspace::root().join(CIPHER))?;
            workspace::write_if_changed(&folder.join("cipher/src/lib.rs"), code.as_bytes())?;
            let version = version(workspace, "chacha20poly1305")?;
            let manifest = format!(
                "[package]\nname = \"chacha20poly1305\"\nversion = \"{version}\"\nedition = \"2024\"\n\n\
                 [features]\nzeroize = []\n"
            );
            workspace::write_if_changed(&folder.join("cipher/Cargo.toml"), manifest.as_bytes())?;
        }
        workspace::write_if_changed(&folder.join("Cargo.toml"), manifest.as_bytes())?;
        // The versions that the workspace is tested with.
        let lock = workspace::read(&workspace::root().join("Cargo.lock"))?;
        workspace::write(&folder.join("Cargo.lock"), lock.as_bytes())?;
        Ok(Caller { folder })
    }

    /// Builds the archive for a target.
    pub(super) fn build(&self, target: &str, opt_level: &str) -> Result<PathBuf, String> {
        let build = workspace::scratch("no-panic").join("build");
        let output = Command::new("bash")
            .args(["-ec", BUILD, "no-panic", target])
            .current_dir(&self.folder)
            .env("PAWL_TOOLCHAIN", workspace::root().join("on-target/toolchain.sh"))
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
            // Of the cargo that runs this.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .output()
            .map_err(|error| format!("cannot run bash: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let archive = self.folder.join(format!("{opt_level}.a"));
        std::fs::copy(build.join(target).join("release/libpawl_no_panic.a"), &archive)
            .map_err(|error| format!("cannot copy the archive: {error}"))?;
        Ok(archive)
    }
}

const BUILD: &str = r#"
source "$PAWL_TOOLCHAIN"
find_toolchain "$1"
"${target_cargo[@]}" build --release --quiet
"#;

fn manifest(workspace: &Path) -> Result<String, String> {
    let mut text = format!(
        "[package]\nname = \"pawl-no-panic\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [lib]\ncrate-type = [\"staticlib\"]\n\n\
         [profile.release]\ncodegen-units = 1\nlto = \"fat\"\npanic = \"abort\"\n\n\
         [dependencies]\npawl-core = {{ path = {:?} }}\n",
        workspace.join("core")
    );
    for name in SHARED {
        let version = version(workspace, name)?;
        let _ = writeln!(text, "{name} = {{ version = \"{version}\", default-features = false }}");
    }
    Ok(text)
}

/// The version of a crate that the core depends on.
fn version(workspace: &Path, name: &str) -> Result<String, String> {
    let table = |file: &str| -> Result<toml::Table, String> {
        let text = workspace::read(&workspace.join(file))?;
        toml::from_str(&text).map_err(|error| format!("{file}: {error}"))
    };
    let (core, root) = (table("core/Cargo.toml")?, table("Cargo.toml")?);
    let shared = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    [core.get("dependencies"), shared]
        .into_iter()
        .flatten()
        .filter_map(|dependencies| dependencies.get(name)?.get("version")?.as_str())
        .next()
        .map(str::to_owned)
        .ok_or_else(|| format!("the core does not depend on {name}"))
}
