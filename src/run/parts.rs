//! Parts of a comparison or an evaluation that are done, value by value: one that was killed goes on from it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{AtPath, Error};
use crate::infer::Interval;
use crate::infer::estimator::Estimate;
use crate::report;

/// Purpose of the samples of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Intervals are made from them.
    Calibration,
    /// Estimators are judged on them.
    Judgement,
}

impl Purpose {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::Judgement => "judgement",
        }
    }
}

/// For each estimator its estimates of the samples of one value, `None` where there is none.
pub type OfValue = Vec<Vec<Option<Estimate>>>;

/// A folder with a table for each value that is done.
pub struct Parts {
    folder: PathBuf,
}

/// Numbers that an estimate is kept in: value, whether it has an interval of its own, its two ends.
const COLUMNS: usize = 4;

impl Parts {
    /// The parts of a comparison that `key` stands for, in a folder that is made where it is missing; those of another one
    /// are removed.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, key: &str) -> Result<Self, Error> {
        let told = folder.join("key.txt");
        if fs::read_to_string(&told).ok().as_deref() != Some(key) {
            if folder.exists() {
                fs::remove_dir_all(folder).at(folder)?;
            }
            fs::create_dir_all(folder).at(folder)?;
            report::write(&told, key.as_bytes())?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The columns of a table of so many rows; a damaged table is none.
    pub fn table(&self, name: &str, columns: &[String], rows: usize) -> Option<Vec<Vec<f64>>> {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let table = report::read_columns_parquet(&self.path(name), &columns).ok()?;
        table.iter().all(|column| column.len() == rows).then_some(table)
    }

    /// Keeps a table by its columns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_table(&self, name: &str, columns: &[String], table: Vec<Vec<f64>>) -> Result<(), Error> {
        let columns = columns.iter().map(String::as_str).zip(table).collect();
        Ok(report::write_columns_parquet(&self.path(name), columns)?)
    }

    /// The estimates of a value that are there, of so many samples and estimators.
    pub fn read(
        &self,
        purpose: Purpose,
        truth: f64,
        (samples, estimators): (usize, usize),
    ) -> Option<OfValue> {
        let columns = self.table(&name(purpose, truth), &names(estimators), samples)?;
        let known = |x: f64| (!x.is_nan()).then_some(x);
        let one = |columns: &[Vec<f64>], i: usize| {
            let interval = Interval { minus: known(columns[2][i]), plus: known(columns[3][i]) };
            let interval = (columns[1][i] > 0.0).then_some(interval);
            known(columns[0][i]).map(|value| Estimate { value, interval })
        };
        Some(columns.chunks(COLUMNS).map(|columns| (0..samples).map(|i| one(columns, i)).collect()).collect())
    }

    /// Keeps the estimates of a value.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn keep(&self, purpose: Purpose, truth: f64, found: &OfValue) -> Result<(), Error> {
        let of = |estimates: &Vec<Option<Estimate>>| -> [Vec<f64>; COLUMNS] {
            let column = |number: fn(&Estimate) -> Option<f64>| {
                let number = |e: &Option<Estimate>| e.as_ref().and_then(number).unwrap_or(f64::NAN);
                estimates.iter().map(number).collect()
            };
            [
                column(|e| Some(e.value)),
                column(|e| Some(f64::from(u8::from(e.interval.is_some())))),
                column(|e| e.interval?.minus),
                column(|e| e.interval?.plus),
            ]
        };
        self.keep_table(&name(purpose, truth), &names(found.len()), found.iter().flat_map(of).collect())
    }

    /// Removes all of them, once the comparison is written.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        fs::remove_dir_all(&self.folder).at(&self.folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.parquet"))
    }
}

fn names(estimators: usize) -> Vec<String> {
    let of = |i: usize| ["value", "own", "minus", "plus"].map(|name| format!("{name}_{i}"));
    (0..estimators).flat_map(of).collect()
}

fn name(purpose: Purpose, truth: f64) -> String {
    format!("{}_{truth}", purpose.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue_13_26_estimates_come_back_to_the_bit_and_those_of_another_comparison_go() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("parts");
        let interval = |minus, plus| Some(Interval { minus, plus });
        let estimate = |value, interval| Some(Estimate { value, interval });
        let found = vec![
            vec![estimate(-0.1 - 1e-17, None), None, estimate(1.0 / 3.0, None)],
            vec![estimate(0.3, interval(Some(0.1), None)), estimate(0.2, interval(None, None)), None],
        ];
        let parts = Parts::open(&folder, "one").unwrap();
        assert_eq!(parts.read(Purpose::Calibration, -0.5, (3, 2)), None);
        parts.keep(Purpose::Calibration, -0.5, &found).unwrap();
        let parts = Parts::open(&folder, "one").unwrap();
        assert_eq!(parts.read(Purpose::Calibration, -0.5, (3, 2)), Some(found));
        assert_eq!(parts.read(Purpose::Judgement, -0.5, (3, 2)), None);
        assert_eq!(parts.read(Purpose::Calibration, -0.5, (4, 2)), None, "another number of samples");
        let parts = Parts::open(&folder, "two").unwrap();
        assert_eq!(parts.read(Purpose::Calibration, -0.5, (3, 2)), None);
        fs::write(folder.join("judgement_0.parquet"), b"PAR1").unwrap();
        assert_eq!(parts.read(Purpose::Judgement, 0.0, (3, 2)), None, "a damaged table");
        parts.remove().unwrap();
        assert!(!folder.exists());
    }
}
