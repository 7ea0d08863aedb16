//! Lists the files of `rules/` for `src/rule/source.rs`, so that a new rule needs no Rust.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("rules");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let mut list = String::from(
        "/// Name and text of every built-in rule file, sorted.\n\
         static BUILTIN_RULES: &[(&str, &str)] = &[\n",
    );
    for file in &files {
        let parts: Vec<_> = file
            .strip_prefix(&root)
            .unwrap_or(file)
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(list, "    ({:?}, include_str!({file:?})),", parts.join("/"));
    }
    list.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("builtin_rules.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}
