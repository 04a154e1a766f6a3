//! actix-files' `NamedFile` and nothing else: what a file costs. `bare-files THREADS PORT`, in the folder of the files.

use std::io;
use std::path::Path;

use actix_files::NamedFile;
use actix_web::{App, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let (threads, [port]) = benches::arguments()?;
    actix_rt::System::new().block_on(async move {
        let app = || App::new().route("/{name}", web::get().to(file));
        HttpServer::new(app).workers(threads).bind(("127.0.0.1", port))?.run().await
    })
}

async fn file(name: web::Path<String>) -> io::Result<NamedFile> {
    let name = Path::new(name.as_str()).file_name().ok_or(io::ErrorKind::NotFound)?;
    NamedFile::open(name)
}
