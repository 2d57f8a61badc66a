//! Errors of the library with the options and commands that mend them, of which it knows nothing.

use anyhow::anyhow;

use crate::Error;
use crate::campaign::slurm::SlurmError;
use crate::error::Work;

/// An error that a command ends with, as the user is told it.
pub(super) fn advised(error: anyhow::Error) -> anyhow::Error {
    let is_of_library = error.chain().next().is_some_and(<dyn std::error::Error>::is::<Error>);
    if !is_of_library {
        return error;
    }
    error.downcast::<Error>().map_or_else(|error| error, of_library)
}

fn of_library(error: Error) -> anyhow::Error {
    match error {
        Error::At { place, source } => of_library(*source).context(place),
        Error::OtherCard { folder, work: Work::Experiment, .. } => anyhow!(
            "--out = {} holds an experiment of another card; allowed: a new folder, or one of the same card",
            folder.display()
        ),
        Error::OtherCard { .. } => anyhow!("{error}; give another --out, or the same card"),
        Error::NotEmpty { folder, work: work @ Work::Experiment } => anyhow!(
            "--out = {} is not empty and not {work}'s folder; allowed: a new folder",
            folder.display()
        ),
        Error::NotEmpty { .. } => anyhow!("{error}; give a new --out"),
        Error::NoWork { work, .. } => {
            let commands = match work {
                Work::Campaign => "`humboldt campaign run CARD --out CAMPAIGN`",
                Work::Run => "`humboldt run CARD --out RUN`",
                Work::Experiment => "`humboldt global nn` or `gan`",
            };
            anyhow!("{error}; make one with {commands}")
        }
        Error::Shard(source) => anyhow::Error::new(source)
            .context("`humboldt campaign verify --remove` has damaged shards made again"),
        Error::Slurm(SlurmError::NotStarted { script, source }) => {
            anyhow::Error::new(source).context(format!(
                "sbatch could not be started; --dry-run only writes the scripts; submit {} yourself",
                script.display()
            ))
        }
        Error::Ratio => anyhow!(
            "network.preset = ratio is not allowed here; allowed: `run CARD --out RUN`, `infer DATA --model RUN/model`, \
             `bound --model RUN/model`, `compare RUN`, `plot RUN` and `report RUN`, which make no images"
        ),
        Error::Windows { .. } => anyhow!("{error} (`humboldt voxelize --q2` selects them)"),
        Error::Weighted { .. } => anyhow!("{error} (reweight --unweight makes them), or fit and moments"),
        Error::Outside { .. } => anyhow!("{}", error.to_string().replace("or select to", "or --select to")),
        Error::Flat { .. } => anyhow!("{error} (--estimators)"),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_kinds_of_errors_stay_below_the_advice() {
        let windows = || Error::Windows { got: "1:6".to_owned(), allowed: "1:8".to_owned() };
        let at = Error::At { place: "images.h5".to_owned(), source: Box::new(windows()) };
        assert_eq!(
            format!("{:#}", advised(at.into())),
            "images.h5: windows in q2 = 1:6 are not allowed; allowed: 1:8, of which the network's images were \
             (`humboldt voxelize --q2` selects them)"
        );
        // A command's own words about an error stay.
        let own = anyhow::Error::new(windows()).context("own words");
        assert!(format!("{:#}", advised(own)).starts_with("own words: windows"));
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let advised = advised(Error::Io { path: "here".into(), source: missing }.into());
        assert!(advised.chain().any(<dyn std::error::Error>::is::<std::io::Error>));
    }
}
