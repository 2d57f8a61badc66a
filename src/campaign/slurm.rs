//! Job scripts that make a campaign on a Slurm cluster: an array of tasks, and a merge behind it.
//!
//! Tasks share the shards by number; a task that is requeued finds what it made and goes on.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use humboldt_pipeline::store::write_atomically;

use super::Campaign;
use crate::error::{AtPath, Error};

/// Resources that the scripts ask of the cluster.
#[derive(Debug, Clone)]
pub struct Request {
    /// Tasks of the array.
    pub tasks: usize,
    /// Cores of a task.
    pub cpus: usize,
    /// Partition, the cluster's default without.
    pub partition: Option<String>,
    /// Time limit of a task, in Slurm's words.
    pub time: String,
    /// Memory of a task, in Slurm's words.
    pub memory: String,
    /// Environment modules to load.
    pub modules: Vec<String>,
    /// Further lines of `#SBATCH`, such as `--account=flavour`.
    pub options: Vec<String>,
}

/// The two scripts.
#[derive(Debug)]
pub struct Scripts {
    /// Of the array.
    pub array: PathBuf,
    /// Of the merge.
    pub merge: PathBuf,
}

/// Refuses tasks that would find no shard, and those that the cluster does not take in one array.
///
/// # Errors
/// When there are such.
pub fn check_tasks(tasks: usize, shards: usize) -> Result<(), Error> {
    if tasks > shards {
        return Err(Error::setting("tasks", tasks, format!("1 to {shards}, the shards of the campaign")));
    }
    match largest_array().filter(|size| tasks >= *size) {
        Some(size) => {
            let most = size.saturating_sub(1);
            let allowed = format!("1 to {most}, for MaxArraySize of this cluster is {size}");
            Err(Error::setting("tasks", tasks, allowed))
        }
        None => Ok(()),
    }
}

impl Campaign {
    /// Writes the scripts to `slurm/` in the campaign's folder.
    ///
    /// # Errors
    /// When a word or the folder's name holds a line break, or a file cannot be written.
    pub fn write_scripts(&self, request: &Request) -> Result<Scripts, Error> {
        let campaign = self.folder.canonicalize().at(&self.folder)?;
        let name = campaign.display().to_string();
        let words = [&request.time, &request.memory, &name].into_iter();
        for word in words.chain(&request.partition).chain(&request.modules).chain(&request.options) {
            if word.is_empty() || word.contains(char::is_control) {
                return Err(SlurmError::Word { word: word.clone() }.into());
            }
        }
        let folder = campaign.join("slurm");
        fs::create_dir_all(&folder).at(&folder)?;
        let program = std::env::current_exe().map_err(SlurmError::Program)?;
        let (program, campaign) = (quoted(&program), quoted(&campaign));
        let run = format!(
            "exec {program} campaign run --out {campaign} --threads \"${{SLURM_CPUS_PER_TASK:-1}}\" \
             --task \"${{SLURM_ARRAY_TASK_ID}}/{}\"",
            request.tasks
        );
        let array = self.script(request, &folder, "%A_%a", &[format!("--array=1-{}", request.tasks)], &run);
        // A merge whose array failed would wait for ever.
        let merge = self.script(
            request,
            &folder,
            "merge_%j",
            &["--kill-on-invalid-dep=yes".to_owned()],
            &format!("exec {program} campaign merge {campaign}"),
        );
        let scripts = Scripts { array: folder.join("array.sh"), merge: folder.join("merge.sh") };
        write_atomically(&scripts.array, array.as_bytes())?;
        write_atomically(&scripts.merge, merge.as_bytes())?;
        Ok(scripts)
    }

    fn script(&self, request: &Request, folder: &Path, log: &str, own: &[String], line: &str) -> String {
        let mut options = vec![
            format!("--job-name={}", self.job_name()),
            format!("--cpus-per-task={}", request.cpus),
            format!("--time={}", request.time),
            format!("--mem={}", request.memory),
            "--requeue".to_owned(),
            // A task that is requeued does not wipe the log of its first attempt.
            "--open-mode=append".to_owned(),
            format!("--output={}/{log}.log", folder.display().to_string().replace('%', "%%")),
        ];
        options.extend(request.partition.as_ref().map(|p| format!("--partition={p}")));
        options.extend(request.options.iter().chain(own).cloned());
        let mut text = "#!/bin/bash\n".to_owned();
        for option in options {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "#SBATCH {}", directive(&option));
        }
        // Not -u: `module` is a shell function that uses what is not set.
        text.push_str("set -eo pipefail\n");
        for module in &request.modules {
            let _ = writeln!(text, "module load {module}");
        }
        text + line + "\n"
    }

    /// Name of its jobs: the folder's, with what tells it from others of that name.
    pub fn job_name(&self) -> String {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let place = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
        format!("humboldt-{}-{}", name.chars().map(plain).collect::<String>(), &place[..6])
    }

    /// Its jobs in the queue, one line each; `None` where there is no `squeue`.
    pub fn queue(&self) -> Option<String> {
        let name = format!("--name={}", self.job_name());
        let output =
            Command::new("squeue").args(["--noheader", "--format=%i %T %M %R", &name]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Scripts {
    /// Submits the array, and the merge to begin when all of it succeeded; returns the numbers of both jobs.
    ///
    /// # Errors
    /// When there is no `sbatch`, or it refuses; where it refuses the merge only, the array is in the queue.
    pub fn submit(&self) -> Result<(String, String), Error> {
        let array = sbatch(&self.array, &[])?;
        let dependency = format!("--dependency=afterok:{array}");
        match sbatch(&self.merge, std::slice::from_ref(&dependency)) {
            Ok(merge) => Ok((array, merge)),
            Err(source) => {
                let (script, source) = (self.merge.clone(), Box::new(source));
                Err(SlurmError::NoMerge { array, dependency, script, source }.into())
            }
        }
    }
}

fn sbatch(script: &Path, options: &[String]) -> Result<String, SlurmError> {
    let output = Command::new("sbatch").arg("--parsable").args(options).arg(script).output();
    let script = script.to_owned();
    let output = match output {
        Ok(output) => output,
        Err(source) => return Err(SlurmError::NotStarted { script, source }),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        return Err(SlurmError::Refused { script, said: text(&output.stderr) });
    }
    let said = text(&output.stdout);
    job_number(&said).map(str::to_owned).ok_or_else(|| SlurmError::NoNumber { script, said: said.clone() })
}

/// Jobs that Slurm does not take.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A word that no job script can hold.
    #[error("a word for Slurm = {word:?} is not allowed; allowed: one line of text")]
    Word {
        /// The word.
        word: String,
    },
    /// A program that does not know where it lies.
    #[error("the program's own path")]
    Program(#[source] io::Error),
    /// No `sbatch`.
    #[error("sbatch could not be started; submit {} yourself", script.display())]
    NotStarted {
        /// Script that was to be submitted.
        script: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A script that `sbatch` refused.
    #[error("sbatch refused {}: {said}", script.display())]
    Refused {
        /// The script.
        script: PathBuf,
        /// Its words.
        said: String,
    },
    /// A job without a number.
    #[error("sbatch took {}, but says no number of a job: {said:?}", script.display())]
    NoNumber {
        /// The script.
        script: PathBuf,
        /// Its words.
        said: String,
    },
    /// An array in the queue whose merge is not.
    #[error(
        "array {array} is in the queue, its merge is not; submit that by `sbatch {dependency} {}`, or take the array back by \
         `scancel {array}`",
        script.display()
    )]
    NoMerge {
        /// Number of the array.
        array: String,
        /// Option of `sbatch` by which the merge waits for it.
        dependency: String,
        /// Script of the merge.
        script: PathBuf,
        /// Reason that it is not there.
        source: Box<SlurmError>,
    },
}

/// The number in what `sbatch --parsable` prints, `number` or `number;cluster`, perhaps behind and before lines of the
/// site.
fn job_number(text: &str) -> Option<&str> {
    text.lines().rev().find_map(|line| {
        let number = line.trim().split(';').next().unwrap_or_default();
        (!number.is_empty() && number.bytes().all(|c| c.is_ascii_digit())).then_some(number)
    })
}

/// `MaxArraySize` of the cluster, where it says so: the indices of an array stay below it.
fn largest_array() -> Option<usize> {
    let output = Command::new("scontrol").args(["show", "config"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"))?;
    line.trim_start_matches([' ', '=']).trim().parse().ok()
}

/// An option as one word behind `#SBATCH`, which knows double quotes and backslashes.
fn directive(option: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:;=/%+@[]".contains(c);
    if option.chars().all(plain) {
        return option.to_owned();
    }
    format!("\"{}\"", option.replace('\\', r"\\").replace('"', "\\\""))
}

/// A path as one word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue_13_the_number_of_a_job_is_found_among_lines_of_the_site() {
        assert_eq!(job_number("123\n"), Some("123"));
        assert_eq!(job_number("123;cluster"), Some("123"));
        let site = "Welcome to cluster 7\nYour 2 projects have 1000 hours left.\n  4711;alpha \nGood luck!\n";
        assert_eq!(job_number(site), Some("4711"));
        assert_eq!(job_number("sbatch: job held\n"), None);
    }

    #[test]
    fn directives_are_one_word_of_sbatch() {
        assert_eq!(directive("--array=1-5%2"), "--array=1-5%2");
        assert_eq!(directive("--output=/my campaign/%j.log"), "\"--output=/my campaign/%j.log\"");
        assert_eq!(directive(r#"--comment=a "b" \"#), r#""--comment=a \"b\" \\""#);
    }
}
