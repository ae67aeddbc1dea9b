//! Imports run one way: a module may use only those that stand before it in `src/lib.rs`; the border to JavaScript is one
//! file; files stay readable.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in data-flow order, as `src/lib.rs` lists them.
fn order() -> Vec<String> {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_string)).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The first names after `crate::` in a file, test modules excepted (they may look anywhere).
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split("crate::").skip(1).map(name).collect::<Vec<_>>()).collect()
}

#[test]
fn imports_run_one_way() {
    let order = order();
    assert!(order.len() > 15, "the list in src/lib.rs was not read");
    let place = |module: &str| order.iter().position(|name| name == module);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in rust_files(Path::new("src")) {
        let relative = file.strip_prefix("src").unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        let Some(own) = place(&module) else { continue };
        // Test modules in files of their own.
        if file.ends_with("tests.rs") {
            continue;
        }
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            let Some(used) = place(&import) else { continue };
            seen += 1;
            if used > own {
                wrong.push(format!("{} uses {import}, which comes after {module}", file.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_import_would_be_seen() {
    assert_eq!(imports("use crate::recipe::Recipe;\nlet x = crate::web::y();"), ["recipe", "web"]);
    assert!(imports("// crate::web\n#[cfg(test)]\nuse crate::web;").is_empty());
}

#[test]
fn only_the_border_knows_javascript() {
    for file in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let knows = ["wasm_bindgen", "js_sys", "web_sys"].iter().any(|name| text.contains(name));
        assert_eq!(knows, file.starts_with("src/web"), "{}", file.display());
    }
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    for folder in ["src", "tests"] {
        for file in rust_files(Path::new(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", file.display());
        }
    }
}
