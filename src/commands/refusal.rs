//! Reasons that a command did not do what it was called for, for whoever runs commands in their own process.

use std::io::ErrorKind;

use crate::Error;
use crate::global::GlobalError;
use crate::infer::InferError;
use crate::learn::LearnError;

/// Reason that a command did not do what it was called for.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The reason in one line, as the program prints it.
    pub text: String,
    /// The kind of reason.
    pub kind: RefusalKind,
}

/// Kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Input that is not allowed.
    Input,
    /// A file or folder that the system does not give, and what it says.
    System(ErrorKind),
    /// Work that failed with allowed input.
    Work,
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        let of_system = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
        };
        let kind = match error.chain().find_map(of_system) {
            Some(kind) => RefusalKind::System(kind),
            None if is_failed_work(&error) => RefusalKind::Work,
            None => RefusalKind::Input,
        };
        Self { text: one_line(&format!("{error:#}")), kind }
    }
}

/// Whether the input was fine and the work failed (a full disk, a diverging training) or was stopped.
pub(super) fn is_failed_work(error: &anyhow::Error) -> bool {
    let failed = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return is_of_the_disk(error.kind());
        }
        let (infer, learn) = match cause.downcast_ref() {
            Some(Error::Infer(error)) => (Some(error), None),
            Some(Error::Learn(error)) => (None, Some(error)),
            _ => (cause.downcast_ref(), cause.downcast_ref()),
        };
        let global = cause.downcast_ref();
        matches!(learn, Some(LearnError::Diverged { .. } | LearnError::Compute { .. }))
            || matches!(infer, Some(InferError::NoMinimum { .. }))
            || matches!(global, Some(GlobalError::NoMinimum { .. } | GlobalError::Diverged { .. }))
    };
    is_stopped(error) || error.chain().any(failed)
}

/// Whether the user stopped the work.
pub(super) fn is_stopped(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Stopped))
}

const fn is_of_the_disk(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge | BrokenPipe)
}

/// Everything but clap's usage text, in one line.
pub(super) fn one_line(message: &str) -> String {
    let message = message.split("\n\nUsage:").next().unwrap_or(message);
    let message = message.split("\n\nFor more information").next().unwrap_or(message);
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
