//! Files from a form.

use std::io::{BufRead, BufReader};

use skitai::prelude::*;

use crate::page;

/// The form.
#[route("/test/up", methods = ["GET"], name = "test.form")]
pub(crate) async fn form(was: Was) -> Page {
    page::of(&was, "upload.html")
}

/// The content of the form: every field, and a description of every file. The files are deleted after the answer.
#[route("/test/up", methods = ["POST"])]
pub(crate) async fn up(form: Form) -> Value {
    let mut told = form.values;
    for (name, file) in form.files {
        let about = Value::from_pairs([
            ("mimetype", Value::from(file.content_type())),
            ("remote", Value::from(file.name())),
            ("size", Value::from(i64::try_from(file.size()).unwrap_or(i64::MAX))),
        ]);
        told.0.push((name.into(), about));
    }
    Value::Map(told)
}

/// The number of lines of one file, as an argument of its own: `curl -F file=@study.sql
/// http://127.0.0.1:5000/test/lines`. Reading a file may wait for a disk, so this is a plain `fn`.
#[route("/test/lines", methods = ["POST"])]
pub(crate) fn lines(file: Upload) -> Result<usize> {
    Ok(BufReader::new(file.open()?).lines().map_while(Result::ok).count())
}
