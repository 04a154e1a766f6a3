//! The access log: one line per request, appended to a file.
//!
//! Each thread has its own buffer and writes whole lines with one `write` to a file opened for appending, so that
//! threads and processes may share the file. A buffer is written when it is full and once per second: `tail -f` stays
//! current, and a crash loses at most one second. The site keeps every thread's log and writes the rest when the server
//! has stopped, because the process ends without waiting for its threads.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skitai_actors::kit::tasks;

use super::log_files::LogFiles;

/// The size at which a buffer is written, in bytes: a few hundred lines.
const FULL: usize = 32 * 1024;
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// What a line says of a request, beside its client.
pub(crate) struct AccessLine<'l> {
    pub(crate) method: &'l str,
    pub(crate) uri: &'l str,
    pub(crate) status: u16,
    /// Of the body; `None` for a stream.
    pub(crate) bytes: Option<u64>,
    pub(crate) since: Instant,
    /// `None` for what could not be read.
    pub(crate) id: Option<&'l str>,
}

/// The access log of one thread.
pub(crate) struct AccessLog {
    path: PathBuf,
    // Only its own thread locks it, except at the end and when the file is opened anew.
    open: Mutex<OpenLog>,
}

/// The file, and the lines that wait to be written to it.
struct OpenLog {
    file: File,
    buffer: Vec<u8>,
}

impl AccessLog {
    /// Opens the file and starts the writer of this thread, which ends when the log is dropped.
    pub(crate) fn open(path: &Path, files: &LogFiles) -> io::Result<Arc<AccessLog>> {
        let open = OpenLog { file: files.append(path)?, buffer: Vec::with_capacity(FULL + 1024) };
        let log = Arc::new(AccessLog { path: path.to_owned(), open: Mutex::new(open) });
        let weak = Arc::downgrade(&log);
        tasks::spawn("access log", async move {
            let mut tick = tokio::time::interval(FLUSH_EVERY);
            loop {
                tick.tick().await;
                let Some(log) = weak.upgrade() else { return };
                log.flush();
            }
        });
        Ok(log)
    }

    /// Appends a line: `1790000000.123 127.0.0.1:40000 GET /hello 200 11 0.21 7f3a…`. The fields are Unix time, client
    /// (without a port if a proxy gave none; `unix:` at a Unix socket), method, target, status, bytes of the body (`-`
    /// for a stream), milliseconds, and the id of the request
    /// (`-` for what could not be read).
    pub(crate) fn line(&self, client: Option<impl fmt::Display>, line: &AccessLine<'_>) {
        let AccessLine { method, uri, status, bytes, since, id } = *line;
        let open = &mut *self.lock();
        let buffer = &mut open.buffer;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Writing to a Vec cannot fail.
        let _ = write!(buffer, "{}.{:03} ", now.as_secs(), now.subsec_millis());
        let _ = match client {
            Some(client) => write!(buffer, "{client} "),
            None => write!(buffer, "- "),
        };
        let _ = write!(buffer, "{method} {uri} {status} ");
        let _ = match bytes {
            Some(bytes) => write!(buffer, "{bytes}"),
            None => write!(buffer, "-"),
        };
        let time = since.elapsed().as_secs_f64() * 1000.0;
        let _ = writeln!(buffer, " {time:.2} {}", id.unwrap_or("-"));
        if buffer.len() >= FULL {
            open.flush();
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenLog> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the buffer to the file.
    pub(crate) fn flush(&self) {
        self.lock().flush();
    }

    /// Goes on in the file that has the path now; lines so far go to the one before. After an error nothing changes.
    pub(crate) fn reopen(&self, files: &LogFiles) -> io::Result<()> {
        let file = files.append(&self.path)?;
        let open = &mut *self.lock();
        open.flush();
        open.file = file;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl OpenLog {
    fn flush(&mut self) {
        let OpenLog { file, buffer } = self;
        if buffer.is_empty() {
            return;
        }
        if let Err(error) = file.write_all(buffer) {
            tracing::error!("access log: {error}; {} bytes of it are lost", buffer.len());
        }
        buffer.clear();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_and_is_written_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        actix_rt::System::new().block_on(async {
            let log = AccessLog::open(&path, &LogFiles::default()).expect("opened");
            log.line(
                Some("127.0.0.1:40000"),
                &AccessLine {
                    method: "GET",
                    uri: "/hello?a=b",
                    status: 200,
                    bytes: Some(11),
                    since: Instant::now(),
                    id: None,
                },
            );
            log.line(
                Some("unix:"),
                &AccessLine { method: "GET", uri: "/", status: 200, bytes: Some(0), since: Instant::now(), id: None },
            );
            log.line(
                None::<&str>,
                &AccessLine {
                    method: "GET",
                    uri: "/stream",
                    status: 499,
                    bytes: None,
                    since: Instant::now(),
                    id: None,
                },
            );
            log.flush();
            let text = std::fs::read_to_string(&path).expect("read");
            let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
            assert_eq!(lines.len(), 3, "{text}");
            assert_eq!(lines[0][1..6], ["127.0.0.1:40000", "GET", "/hello?a=b", "200", "11"]);
            assert_eq!(lines[1][1], "unix:");
            assert_eq!(lines[2][1..6], ["-", "GET", "/stream", "499", "-"]);
            // A file that was renamed keeps what belongs to it, and the next line begins a new one.
            let aside = folder.path().join("access.log.1");
            std::fs::rename(&path, &aside).expect("renamed");
            log.line(
                None::<&str>,
                &AccessLine {
                    method: "GET",
                    uri: "/before",
                    status: 200,
                    bytes: None,
                    since: Instant::now(),
                    id: None,
                },
            );
            log.reopen(&LogFiles::default()).expect("reopened");
            log.line(
                None::<&str>,
                &AccessLine { method: "GET", uri: "/after", status: 200, bytes: None, since: Instant::now(), id: None },
            );
            log.flush();
            let read = |path| std::fs::read_to_string(path).expect("read").lines().count();
            assert_eq!((read(&aside), read(&path)), (4, 1));
        });
    }
}
