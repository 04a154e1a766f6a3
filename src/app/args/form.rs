//! Everything a client sent that no other argument took.

use skitai_wire::{Map, Value};

use super::argument::{Argument, BindError, Kind};
use super::bind::{Bind, Values};
use super::upload::Upload;

/// Everything the client sent that no other argument took. A route whose only argument is a `Form` gets all of it.
///
/// ```
/// # use skitai::prelude::*;
/// #[route("/test/up")]
/// async fn up(form: Form) -> Result<Value> {
///     let name = form.get("submit-name").cloned().unwrap_or_default();
///     let sizes: Vec<u64> = form.all("file").map(Upload::size).collect();
///     Ok(Value::from_pairs([("name", name), ("bytes", Value::from(sizes.iter().sum::<u64>() as i64))]))
/// }
/// ```
#[derive(Debug, Default)]
pub struct Form {
    /// Values by name, in the order in which each name came first; a name given twice is a list.
    pub values: Map,
    /// Files with the names of their fields, in the order of arrival.
    pub files: Vec<(String, Upload)>,
}

impl Form {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The first file of this name.
    pub fn file(&self, name: &str) -> Option<&Upload> {
        self.all(name).next()
    }

    /// All files of this name, in the order of arrival.
    pub fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f Upload> {
        self.files.iter().filter(move |(known, _)| known == name).map(|(_, file)| file)
    }
}

impl Argument for Form {
    const KIND: Kind = Kind::Rest;
    const REQUIRED: bool = false;
    fn take(bind: &mut Bind, _: Values) -> Result<Self, BindError> {
        Ok(bind.take_rest())
    }
}
