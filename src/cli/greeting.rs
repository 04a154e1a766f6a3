//! What a site says on the console when it serves.

use super::program::print;
use crate::config::Loaded;
use crate::serve::keys::Keys;

/// Prints the address of the site and the pages to open.
pub(super) fn greet(loaded: &Loaded, keys: &Keys, hints: &[String], addresses: &[std::net::SocketAddr]) {
    let Some(address) = addresses.first() else { return };
    let server = &loaded.settings.server;
    let base = if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    };
    let reach = if address.ip().is_unspecified() { ", on all interfaces" } else { "" };
    let mode = if server.devel { ", devel mode" } else { "" };
    print(&format!("{} serves {base}/ with {} threads{reach}{mode}", server.name, server.threads));
    for hint in hints {
        print(&format!("  {base}{hint}"));
    }
    if let (Some(password), Some(file)) = (&keys.admin_password, &keys.password_file) {
        print(&format!("  {base}/status   user admin, password {} (kept in {})", password.0, file.display()));
    }
    print("Ctrl-C stops it.");
}
