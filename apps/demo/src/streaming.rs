//! A large file, sent piece by piece: one piece is in memory, and when the client disconnects the file is closed.

use std::fs::File;
use std::io::Read;

use skitai::app::path_in;
use skitai::prelude::*;

/// The folder whose files may be downloaded.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// A file being sent.
struct Film {
    file: Option<File>,
}

impl More for Film {
    fn more(&mut self) -> Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(4096);
        if let Some(file) = &mut self.file {
            file.take(4096).read_to_end(&mut piece)?;
        }
        Ok(piece)
    }

    fn close(&mut self) {
        // Sent to its end, or the client has disconnected: close the file.
        self.file = None;
    }
}

/// A file of the folder: `/streaming?filename=cities.csv`.
#[route("/streaming")]
pub(crate) fn streaming(was: Was, filename: String) -> Result<Streaming> {
    let file = File::open(path_in(FOLDER, &filename)?).map_err(|_| Error::new(404, "there is no such file"))?;
    was.response.set("Content-Type", "text/csv; charset=utf-8");
    was.response.set("Cache-Control", "max-age=3600");
    Ok(Streaming::blocking(Film { file: Some(file) }))
}

/// The same with the server's own support for files: ranges, `304 Not Modified`, a content type by name.
#[route("/download")]
pub(crate) async fn download(filename: String) -> Result<Response> {
    Response::file_in(FOLDER, &filename)
}
