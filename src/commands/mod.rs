//! The subcommands, one file each: arguments as typed, what they mean, and `run`.

mod acceptance;
mod advice;
mod arguments;
mod background;
mod bench;
mod bound;
mod campaign;
mod check;
mod compare;
mod evaluate;
mod export;
mod fit;
mod generate;
mod global;
mod infer;
mod inputs;
mod layout;
mod learned_bound;
mod measured;
mod model;
mod moments;
mod observe;
mod plot;
mod predict;
pub mod refusal;
mod report;
mod reweight;
mod run;
mod sample;
mod schema;
mod smear;
mod sweights;
mod train;
mod view;
mod voxelize;

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::atomic::is_stdout;

use self::arguments::count;
use self::refusal::{Refusal, RefusalKind, is_failed_work, is_stopped, one_line};
use crate::learn::device::hide_caught_panics;
use crate::progress::{self, Style, note, out, say};
use crate::{Error, signals};

/// From Wilson coefficients to B -> K* l l events, to voxel images, and back by a neural network.
#[derive(Debug, Parser)]
#[command(name = "humboldt", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Worker threads (all cores by default); results do not depend on it
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true, value_parser = count::<usize>(1..=u64::MAX))]
    threads: Option<usize>,
    /// No notes and no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Form of long work's progress on a terminal; lines elsewhere
    #[arg(long, global = true, value_enum, value_name = "HOW", default_value_t = Shown::Auto)]
    progress: Shown,
}

/// Form of long work's progress on a terminal.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shown {
    /// A dashboard of a training if it fits, bars of other work
    Auto,
    /// Bars only
    Bar,
    /// Lines, as elsewhere
    Plain,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Generate(generate::GenerateArguments),
    Reweight(reweight::ReweightArguments),
    Smear(smear::SmearArguments),
    Acceptance(acceptance::AcceptanceArguments),
    Background(background::BackgroundArguments),
    Export(export::ExportArguments),
    Campaign(campaign::CampaignArguments),
    Voxelize(voxelize::VoxelizeArguments),
    Train(train::TrainArguments),
    Evaluate(evaluate::EvaluateArguments),
    Plot(plot::PlotArguments),
    Compare(compare::CompareArguments),
    Predict(predict::PredictArguments),
    Report(report::ReportArguments),
    View(view::ViewArguments),
    Observe(observe::ObserveArguments),
    Global(global::GlobalArguments),
    Check(check::CheckArguments),
    Fit(fit::FitArguments),
    Infer(infer::InferArguments),
    Inputs(inputs::InputsArguments),
    Model(model::ModelArguments),
    Moments(moments::MomentsArguments),
    Sweights(sweights::SWeightsArguments),
    Bound(bound::BoundArguments),
    Schema(schema::SchemaArguments),
    Bench(bench::BenchArguments),
}

/// Runs the command line of this process. Exit code 2 for input that is refused, 1 for work that failed or
/// was stopped.
pub fn main() -> ExitCode {
    ExitCode::from(main_of(env::args_os()))
}

/// The command line of another program's process, whose first argument is a name: its exit code.
pub fn main_of(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) if error.use_stderr() => {
            say(&one_line(&error.to_string()));
            return 2;
        }
        // Help and version, as clap prints them.
        Err(help) => help.exit(),
    };
    signals::watch();
    progress::set_quiet(line.quiet);
    hide_caught_panics();
    progress::set_style(match line.progress {
        Shown::Auto => Style::Dashboard,
        Shown::Bar => Style::Bar,
        Shown::Plain => Style::Lines,
    });
    match start(line) {
        Ok(()) => 0,
        Err(error) if is_unread(&error) => 0,
        Err(error) => {
            let word = if is_stopped(&error) { "" } else { "error: " };
            say(&format!("{word}{}", one_line(&format!("{error:#}"))));
            // Input that is refused, or work that failed or was stopped.
            if is_failed_work(&error) { 1 } else { 2 }
        }
    }
}

/// Does a command for a caller in this process, who hears what it prints ([`progress::Caller`]), on the threads that there are.
/// The arguments are those behind the program's name.
///
/// # Errors
/// Where the program would end with another exit code than 0.
pub fn call(arguments: &[String]) -> Result<(), Refusal> {
    let arguments = ["humboldt"].into_iter().chain(arguments.iter().map(String::as_str));
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => do_command(line.command).map_err(Refusal::from),
        Err(error) if error.use_stderr() => {
            let text = one_line(&error.to_string());
            Err(Refusal { text: text.trim_start_matches("error: ").to_owned(), kind: RefusalKind::Input })
        }
        Err(help) => {
            out!("{help}");
            Ok(())
        }
    }
}

fn start(line: CommandLine) -> Result<()> {
    set_threads(line.threads)?;
    do_command(line.command)
}

fn do_command(command: Command) -> Result<()> {
    let done = match command {
        Command::Run(arguments) => arguments.run(),
        Command::Generate(arguments) => arguments.run(),
        Command::Reweight(arguments) => arguments.run(),
        Command::Smear(arguments) => arguments.run(),
        Command::Acceptance(arguments) => arguments.run(),
        Command::Background(arguments) => arguments.run(),
        Command::Export(arguments) => arguments.run(),
        Command::Campaign(arguments) => arguments.run(),
        Command::Voxelize(arguments) => arguments.run(),
        Command::Train(arguments) => arguments.run(),
        Command::Evaluate(arguments) => arguments.run(),
        Command::Plot(arguments) => arguments.run(),
        Command::Compare(arguments) => arguments.run(),
        Command::Predict(arguments) => arguments.run(),
        Command::Report(arguments) => arguments.run(),
        Command::View(arguments) => arguments.run(),
        Command::Observe(arguments) => arguments.run(),
        Command::Global(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Fit(arguments) => arguments.run(),
        Command::Infer(arguments) => arguments.run(),
        Command::Inputs(arguments) => arguments.run(),
        Command::Model(arguments) => arguments.run(),
        Command::Moments(arguments) => arguments.run(),
        Command::Sweights(arguments) => arguments.run(),
        Command::Bound(arguments) => arguments.run(),
        Command::Schema(arguments) => arguments.run(),
        Command::Bench(arguments) => arguments.run(),
    };
    done.map_err(advice::advised)
}

/// Threads of one core that are allowed: they gain nothing and cost little.
const THREADS_OF_A_CORE: usize = 4;
/// Threads that are allowed on any machine.
const ALWAYS_ALLOWED: usize = 16;

/// Starts the worker threads, of which there may be no more than the machine has use for.
fn set_threads(asked: Option<usize>) -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let of_variable = || env::var(VARIABLE).ok()?.parse().ok().filter(|threads| *threads > 0);
    let name = if asked.is_some() { "--threads" } else { VARIABLE };
    let Some(threads) = asked.or_else(of_variable) else { return Ok(()) };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let most = ALWAYS_ALLOWED.max(THREADS_OF_A_CORE * cores);
    if threads > most {
        note(format!("{name} = {threads}: more threads than cores ({cores}) gain nothing; {most} are used"));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.min(most));
    pool.build_global().with_context(|| format!("{name} = {threads}"))
}

/// Whether what failed is that nobody reads standard output any more, as behind `| head`.
fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let of_pipeline = match cause.downcast_ref() {
            Some(Error::Pipeline(error)) => Some(error),
            _ => cause.downcast_ref(),
        };
        matches!(
            of_pipeline,
            Some(PipelineError::Io { path, source }) if source.kind() == ErrorKind::BrokenPipe && is_stdout(path)
        )
    })
}
