//! What an instance is made of before it reads its configuration.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::{ConfFile, Loaded};

/// Reads a configuration from its file, or from the text that was read there before. An error is the whole report.
pub(crate) type LoadConf = dyn Fn(Option<&ConfFile>) -> Result<Loaded, String>;

/// What does not change while the instance runs, upgrades excepted.
pub(crate) struct Blueprint {
    /// The file of the program, by its path at the start: an upgrade runs what is there then.
    pub(crate) program: PathBuf,
    /// The arguments that lead a process to the same configuration.
    pub(crate) arguments: Vec<OsString>,
    /// Whether it was started in the background, with its log in a file.
    pub(crate) is_detached: bool,
    /// Reads the configuration.
    pub(crate) load: Box<LoadConf>,
}

impl std::fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blueprint").field("program", &self.program).finish_non_exhaustive()
    }
}
