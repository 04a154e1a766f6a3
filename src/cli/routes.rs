//! `routes`: lists every route of the site, with its path on the web and its RPC name.

use std::process::ExitCode;

use super::args::Which;
use super::program::{Program, fail, print};
use crate::app::routing::mount::Mount;
use crate::serve::mounting;

pub(super) fn routes(program: &Program, which: &Which) -> ExitCode {
    let loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    match mounting::mounts(&loaded, &program.apps, mounting::templates_of(&loaded).as_deref()) {
        Ok(mounts) => {
            for line in mounts.iter().flat_map(Mount::list) {
                print(&line);
            }
            ExitCode::SUCCESS
        }
        Err(unfit) => fail(&unfit.to_string()),
    }
}
