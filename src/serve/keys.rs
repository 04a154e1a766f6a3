//! The secrets of a site. If the configuration gives none, the first start makes them and stores them under `var/`,
//! readable by the owner alone, so that sessions survive a restart.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use skitai_actors::session::Sealer;
use skitai_actors::spec::Secret;

use crate::config::ServerSettings;

/// The keys that seal sessions, and the password of the status page.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) securekey: Secret,
    /// Older keys, which still open what they sealed.
    pub(crate) previous_securekeys: Vec<Secret>,
    pub(crate) admin_password: Option<Secret>,
    /// The file of the password, if it is not in the configuration.
    pub(crate) password_file: Option<PathBuf>,
}

/// A secret could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}; the server keeps its keys there, so it must be able to write it (or set `{key}` in the configuration)", path.display())]
pub(crate) struct NoKey {
    path: PathBuf,
    key: &'static str,
    error: io::Error,
}

impl Keys {
    /// The configuration's secrets; missing ones come from the folder `var`.
    pub(crate) fn of(server: &ServerSettings, var: &Path) -> Result<Keys, NoKey> {
        let securekey = match &server.securekey {
            Some(key) => key.clone(),
            None => read_or_make(&var.join("securekey"), "securekey", 32)?,
        };
        let file = var.join("admin_password");
        let (admin_password, password_file) = match &server.admin_password {
            Some(password) => (password.clone(), None),
            None => (read_or_make(&file, "admin_password", 12)?, Some(file)),
        };
        let previous_securekeys = server.previous_securekeys.clone();
        Ok(Keys { securekey, previous_securekeys, admin_password: Some(admin_password), password_file })
    }

    /// The sealer of sessions, which also opens sessions sealed with a previous key.
    pub(crate) fn sealer(&self) -> Sealer {
        let previous: Vec<Vec<u8>> = self.previous_securekeys.iter().map(|key| key.0.clone().into_bytes()).collect();
        Sealer::new(self.securekey.0.as_bytes(), &previous)
    }

    /// Secrets for this process alone, and no status page.
    pub(crate) fn ephemeral() -> Keys {
        Keys { securekey: random(32), previous_securekeys: Vec::new(), admin_password: None, password_file: None }
    }

    /// The configuration's secrets; missing ones are made for this process alone, and nothing is written.
    pub(crate) fn passing_of(server: &ServerSettings) -> Keys {
        let securekey = server.securekey.clone().unwrap_or_else(|| random(32));
        let previous_securekeys = server.previous_securekeys.clone();
        Keys { securekey, previous_securekeys, admin_password: server.admin_password.clone(), password_file: None }
    }
}

/// Reads the secret in a file, or makes it if there is none.
fn read_or_make(path: &Path, key: &'static str, bytes: usize) -> Result<Secret, NoKey> {
    let failed = |error| NoKey { path: path.to_owned(), key, error };
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Secret(text.trim().to_owned())),
        Ok(_) => return Err(failed(io::Error::other("the file is empty; delete it to have a new one made"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // Written to a temporary file and linked into place: neither another instance that starts at the same moment nor
    // the next start after a crash can see an empty or partial key.
    let secret = random(bytes);
    let aside = path.with_extension(format!("{}.{}", std::process::id(), random(6).0));
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).and_then(|mut file| {
        writeln!(file, "{}", secret.0)?;
        file.sync_all()?;
        fs::hard_link(&aside, path)
    });
    let _ = fs::remove_file(&aside);
    match made {
        Ok(()) => Ok(secret),
        // Another instance was faster: use its secret.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map(|text| Secret(text.trim().to_owned())).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn random(bytes: usize) -> Secret {
    let mut buffer = vec![0; bytes];
    SystemRandom::new().fill(&mut buffer).expect("the operating system has random bytes");
    Secret(URL_SAFE_NO_PAD.encode(buffer))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_first_start_makes_keys_and_a_second_finds_them() {
        let var = tempfile::tempdir().expect("a folder");
        let first = Keys::of(&ServerSettings::default(), var.path()).expect("made");
        let second = Keys::of(&ServerSettings::default(), var.path()).expect("found");
        assert_eq!(first.securekey, second.securekey);
        assert_eq!(first.admin_password, second.admin_password);
        for name in ["securekey", "admin_password"] {
            let mode = fs::metadata(var.path().join(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn instances_that_start_together_have_one_key() {
        let var = tempfile::tempdir().expect("a folder");
        let start = || Keys::of(&ServerSettings::default(), var.path()).expect("made or found").securekey;
        let keys: Vec<Secret> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(!keys[0].0.is_empty());
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        let files = fs::read_dir(var.path()).expect("listed").count();
        assert_eq!(files, 2, "nothing else is left behind");
    }

    #[test]
    fn an_empty_key_is_an_error_that_names_the_file() {
        let var = tempfile::tempdir().expect("a folder");
        fs::write(var.path().join("securekey"), "\n").expect("written");
        let error = Keys::of(&ServerSettings::default(), var.path()).expect_err("refused").to_string();
        assert!(error.contains("securekey") && error.contains("empty"), "{error}");
    }
}
