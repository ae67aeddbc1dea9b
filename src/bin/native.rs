//! The engine without a browser: runs a recipe natively, or trains the zoo. The command line for people is
//! `bin/featherweight.mjs`, which runs the same WebAssembly as the page; this one exists to compare with it and to train
//! on all cores.

use featherweight::data::Library;
use featherweight::error::CoreError;
use featherweight::recipe::{Outcome, Recipe, run};
use featherweight::task::{Context, Task};
use featherweight::train::Checkpoint;
use featherweight::{fields, models};
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "usage: featherweight-native run RECIPE.json
       featherweight-native lines   (recipes from stdin, one a line; to stdout the report or refusal of each, one a line)
       featherweight-native train RECIPE.json OUT.safetensors REPORT.json   (a checkpoint is kept beside OUT)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["run", recipe] => execute(recipe, None).and_then(|outcome| print_report(&outcome)),
        ["lines"] => lines(),
        ["train", recipe, out, report] => train(recipe, Path::new(out), Path::new(report)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if error.is::<CoreError>() { 2 } else { 1 })
        }
    }
}

type Failure = Box<dyn std::error::Error>;

/// What the manifests name, nothing provided yet.
fn open_library() -> Result<Library, Failure> {
    let mut library = models::library()?;
    let local = "data/local/manifest.json";
    if let Ok(text) = std::fs::read_to_string(local) {
        library.add_manifest(local, &text)?;
    }
    Ok(library)
}

/// Runs recipes as they come, on one thread, with files from the working directory. Files and baselines are kept for the next
/// ones. A recipe that is refused, before it runs or while, gives `{"error": …}`; anything else ends the program.
fn lines() -> Result<(), Failure> {
    let library = Rc::new(RefCell::new(open_library()?));
    let baselines = Rc::default();
    for line in std::io::stdin().lines() {
        let line = line?;
        let parsed = fields::parse(&line).and_then(|value| Recipe::parse(value, &library.borrow()));
        let done = parsed.map_err(Failure::from).and_then(|recipe| {
            provide(&recipe, &mut library.borrow_mut())?;
            let (library, baselines) = (Rc::clone(&library), Rc::clone(&baselines));
            let task = Task::new(Rc::new(Context::new(1)), |ctx| run(ctx, recipe, library, baselines, None));
            Ok(task.finish()?)
        });
        match done.map_err(|error| error.downcast::<CoreError>()) {
            Ok(outcome) => print_report(&outcome)?,
            Err(Ok(refused)) => writeln!(std::io::stdout(), "{}", serde_json::json!({ "error": *refused }))?,
            Err(Err(failure)) => return Err(failure),
        }
    }
    Ok(())
}

/// Runs a recipe with files from the working directory. With `checkpoint`, goes on from that file and keeps it up to
/// date.
fn execute(recipe: &str, checkpoint: Option<&Path>) -> Result<Outcome, Failure> {
    let mut library = open_library()?;
    let text = std::fs::read_to_string(recipe).map_err(|error| format!("{recipe}: {error}"))?;
    let recipe = Recipe::parse(fields::parse(&text)?, &library)?;
    provide(&recipe, &mut library)?;
    let resume = checkpoint.and_then(|path| std::fs::read(path).ok()).map(Checkpoint);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let library = Rc::new(RefCell::new(library));
    let mut task = Task::new(Rc::new(Context::new(threads)), |ctx| run(ctx, recipe, library, Rc::default(), resume));
    let started = std::time::Instant::now();
    loop {
        if let Some(outcome) = task.advance(2_000_000_000) {
            eprintln!();
            return Ok(outcome?);
        }
        if let (Some(path), Some(bytes)) = (checkpoint, task.context().take_checkpoint()) {
            let new = path.with_extension("new");
            std::fs::write(&new, bytes)?;
            std::fs::rename(new, path)?;
        }
        let (done, total) = task.context().progress();
        let share = done as f64 / total.max(1) as f64;
        let left = started.elapsed().as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
        eprint!("\r{:?} {:5.1} %, about {left:.0} s left   ", task.context().phase(), 100.0 * share);
    }
}

fn provide(recipe: &Recipe, library: &mut Library) -> Result<(), Failure> {
    for asset in recipe.needs(library)? {
        let bytes = std::fs::read(&asset.path).map_err(|error| format!("{}: {error}", asset.path))?;
        library.provide(&asset.path, &bytes)?;
    }
    Ok(())
}

fn print_report(outcome: &Outcome) -> Result<(), Failure> {
    let report = serde_json::to_string(&outcome.report)?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Trains by a recipe; writes the weights and the report.
fn train(recipe: &str, out: &Path, report: &Path) -> Result<(), Failure> {
    let checkpoint = out.with_extension("checkpoint");
    let outcome = execute(recipe, Some(&checkpoint))?;
    std::fs::write(out, outcome.network.export(&outcome.recipe)?)?;
    if checkpoint.exists() {
        std::fs::remove_file(checkpoint)?;
    }
    std::fs::write(report, serde_json::to_string_pretty(&outcome.report)? + "\n")?;
    Ok(())
}
