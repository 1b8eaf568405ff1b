//! The workspace's files, and a copy of them to plant mistakes in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The files that git knows or would take, relative to the root.
pub(crate) fn files() -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// Reads a text file of the workspace.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Writes a file, making its folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Writes a file unless that is what it holds, so that cargo builds only what has changed.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == bytes) { Ok(()) } else { write(path, bytes) }
}

/// Where cargo says in its messages, a JSON value a line, that it has put the program of a target.
pub(crate) fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let executable = message["executable"].as_str()?;
        (message["target"]["name"] == target).then(|| PathBuf::from(executable))
    })
}

/// A check's folder for what it makes.
pub(crate) fn scratch(check: &str) -> PathBuf {
    root().join("target").join(check)
}

/// Brings a copy of the workspace up to date in a folder. Files that have not changed are left alone, so that cargo builds
/// only what a mistake touches.
pub(crate) fn copy_to(copy: &Path) -> Result<(), String> {
    let root = root();
    for name in files()? {
        let Ok(bytes) = fs::read(root.join(&name)) else {
            continue; // listed by git and deleted in the work tree
        };
        write_if_changed(&copy.join(&name), &bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Path, executable};

    #[test]
    fn a_target_s_program_is_the_one_that_cargo_names() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"send\"},\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"pawl-sim\"},\"executable\":\"/target/pawl-sim\"}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"send\"},\"executable\":\"/target/send\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages, "send").as_deref(), Some(Path::new("/target/send")));
        assert_eq!(executable(messages, "record"), None);
        assert_eq!(executable("", "send"), None);
    }
}
