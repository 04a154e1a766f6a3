//! `hash-password`: the hash of a password that is read from standard input, for `admin_password` of a conf.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::program::{fail, print};
use crate::config::PasswordHash;

/// What a start would warn of.
const SHORT: usize = 12;

pub(super) fn hash_password() -> ExitCode {
    if io::stdin().is_terminal() {
        fail("Type the password and press Enter; it is shown as you type.");
    }
    let mut line = String::new();
    if let Err(error) = io::stdin().read_line(&mut line) {
        return fail(&format!("error: standard input: {error}"));
    }
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return fail("error: no password came from standard input: type one, or give it by a pipe, as one line");
    }
    if password.chars().count() < SHORT {
        return fail(&format!("error: the password is shorter than {SHORT} characters"));
    }
    print(&PasswordHash::of(password).to_string());
    ExitCode::SUCCESS
}
