//! Golden recipes: each folder of tests/golden holds a recipe and the report it must give, to the last bit.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes the reports anew; a change of any digest raises
//! `report::NUMERICS`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::evaluate::evaluate;
use featherweight::models;
use featherweight::recipe::{Recipe, load, run};
use featherweight::task::{Context, Task};
use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir("tests/golden").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn report(folder: &Path) -> Value {
    let mut library = models::library().unwrap();
    let text = fs::read_to_string(folder.join("recipe.json")).unwrap();
    let recipe = Recipe::parse(serde_json::from_str(&text).unwrap(), &library).unwrap();
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    let ctx = Rc::new(Context::new(1));
    let images = Rc::clone(&library);
    let outcome = Task::new(ctx, |ctx| run(ctx, recipe, library, Rc::default(), None)).finish().unwrap();
    let report = outcome.report.unwrap();
    let sizes = &report.size;
    assert_eq!(sizes.ledger.total(), sizes.bytes, "{}: the ledger does not add up", folder.display());
    let layers: u64 = report.layers.iter().map(|layer| layer.bytes).sum();
    assert_eq!(layers, sizes.bytes, "{}: the layers do not add up", folder.display());
    let file = outcome.network.export(&outcome.recipe).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap());
    assert_eq!(file.len() as u64 - 8 - header, sizes.bytes, "{}: the file is not the size it says", folder.display());
    let (recipe, network) = load("export", &file, &images.borrow()).unwrap();
    assert_eq!(network.export(&recipe.canonical()).unwrap(), file, "{}: read and written again", folder.display());
    assert_eq!(network.digest().unwrap(), report.digests.weights, "{}: weights read back", folder.display());
    let images = images.borrow().images(&recipe.data.set, &recipe.data.split, recipe.data.count).unwrap();
    let mut plan = network.plan(recipe.execution).unwrap();
    let ctx = Rc::new(Context::new(1));
    let again = Task::new(ctx, |ctx| async move { evaluate(&ctx, &mut plan, &images).await }).finish();
    assert_eq!(again.digest, report.digests.outputs, "{}: outputs of what was read back", folder.display());
    serde_json::to_value(&report).unwrap()
}

#[test]
fn every_golden_recipe_gives_its_report() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    assert!(folders().len() >= 10);
    for folder in folders() {
        let found = report(&folder);
        let path = folder.join("report.json");
        if update {
            fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
            continue;
        }
        let recorded: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(found, recorded, "{}", folder.display());
    }
}
