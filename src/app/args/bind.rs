//! One argument binder for all faces. It matches values by name (path, query, form, JSON body) or by position or name
//! (RPC) with the route's table, and returns them one by one as the handler's types.

use std::borrow::Cow;
use std::collections::HashMap;

use skitai_wire::{Map, Value};
use smallvec::SmallVec;

use super::argument::{Argument, BindError, Kind, is_blank};
use super::form::Form;
use super::unread;
use super::upload::Upload;
use crate::app::routing::route::Param;
use crate::app::was::{Face, Was};

/// A value as the client sent it: untyped text (query, form, path), a typed value (JSON, RPC, `<int:>`), or a file.
#[derive(Debug)]
pub enum Given {
    /// Untyped text.
    Text(String),
    /// A typed value.
    Typed(Value),
    /// A part of a multipart form that has a file name.
    File(Upload),
}

/// The values given under one name, in order: almost always one.
pub type Values = SmallVec<[Given; 1]>;

impl Given {
    /// Converts to a value: text becomes a string. A file is returned as the error.
    pub(crate) fn into_value(self) -> Result<Value, Upload> {
        match self {
            Given::Text(text) => Ok(Value::String(text)),
            Given::Typed(value) => Ok(value),
            Given::File(file) => Err(file),
        }
    }
}

/// Everything that is wrong with the arguments of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// The arguments of one call, before the handler gets them.
#[derive(Debug)]
pub struct Bind {
    was: Was,
    params: &'static [Param],
    // One list per parameter: a name given twice is a list, in the order query, form, path.
    given: Vec<Values>,
    // Values whose name no parameter has; kept only if the handler has a catch-all.
    rest: Vec<(String, Given)>,
    wants_rest: bool,
    faults: Vec<String>,
    /// An argument was missing.
    is_short: bool,
}

impl Bind {
    /// Creates an empty binding for a route's table.
    pub fn new(was: Was, params: &'static [Param]) -> Bind {
        let given = if params.is_empty() { Vec::new() } else { params.iter().map(|_| Values::new()).collect() };
        let wants_rest = params.iter().any(|param| param.kind == Kind::Rest);
        Bind { was, params, given, rest: Vec::new(), wants_rest, faults: Vec::new(), is_short: false }
    }

    /// Adds a named value. An unknown name goes to the catch-all if the handler has one, else it is ignored.
    pub fn add(&mut self, name: Cow<'_, str>, value: Given) {
        match self.params.iter().position(|param| param.is_wire() && param.name == name) {
            Some(index) => self.given[index].push(value),
            None if self.wants_rest => self.rest.push((name.into_owned(), value)),
            None => {}
        }
    }

    /// Adds a named value of an RPC call. A name that the handler does not know is the caller's mistake there, unless
    /// the handler has a catch-all.
    pub fn add_known(&mut self, name: &str, value: Value) {
        // Ten faults are enough for such a caller; the answer must not be larger than the question.
        const SHOWN_UNKNOWN: usize = 10;
        let known = self.wants_rest || self.params.iter().any(|param| param.is_wire() && param.name == name);
        if known {
            self.add(Cow::Borrowed(name), Given::Typed(value));
        } else if self.faults.len() < SHOWN_UNKNOWN {
            let takes: Vec<&str> = self.params.iter().filter(|param| param.is_wire()).map(|param| param.name).collect();
            let takes = if takes.is_empty() { "no arguments".to_owned() } else { takes.join(", ") };
            self.faults.push(format!("there is no argument `{}`; the method takes {takes}", shortened(name)));
        }
    }

    /// Adds values in the order of the parameters that take one. A value beyond the last parameter is a fault.
    pub fn add_in_order(&mut self, values: Vec<Value>) {
        let count = values.len();
        let mut values = values.into_iter();
        let places = self.params.iter().zip(&mut self.given).filter(|(param, _)| param.is_wire());
        // `zip` asks the places first, so that no value is consumed when there is no place for it.
        for ((_, place), value) in places.zip(values.by_ref()) {
            place.push(Given::Typed(value));
        }
        let taken = count - values.len();
        if taken < count {
            self.fault(format!("{count} arguments were given and the method takes {taken}"));
        }
    }

    /// What was given for the parameter of this name: the one value that the handler will take.
    pub(crate) fn value_of(&self, name: &str) -> Option<Value> {
        let index = self.params.iter().position(|param| param.is_wire() && param.name == name)?;
        match self.given.get(index)?.first()? {
            Given::Typed(value) => Some(value.clone()),
            Given::Text(text) => Some(Value::String(text.clone())),
            Given::File(_) => None,
        }
    }

    /// True if a value of this name would go to an argument.
    pub(crate) fn has_place_for(&self, name: &str) -> bool {
        self.wants_rest || self.params.iter().any(|param| param.is_wire() && param.name == name)
    }

    /// Records a fault found before any argument is taken.
    pub fn fault(&mut self, message: String) {
        self.faults.push(message);
    }

    /// Whether faults have been recorded so far.
    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Takes argument `index`. If it does not fit, records the fault and returns `None`.
    pub fn take<T: Argument>(&mut self, index: usize) -> Option<T> {
        let values = std::mem::take(self.given.get_mut(index)?);
        self.convert::<T>(index, values)
    }

    /// Takes argument `index`, or its default if no value was given, or a blank one for a number.
    pub fn take_or<T: Argument>(&mut self, index: usize, default: impl FnOnce() -> T) -> Option<T> {
        let values = std::mem::take(self.given.get_mut(index)?);
        let is_absent = values.is_empty() || is_blank::<T>(&values);
        if is_absent { Some(default()) } else { self.convert::<T>(index, values) }
    }

    fn convert<T: Argument>(&mut self, index: usize, values: Values) -> Option<T> {
        match T::take(self, values) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.is_short |= matches!(problem, BindError::Missing);
                self.faults.push(format!("argument `{}` {problem}", self.params[index].name));
                None
            }
        }
    }

    /// The given values by name, as devel mode shows them.
    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        let text = |given: &Given| match given {
            Given::Text(text) => text.clone(),
            Given::File(file) => format!("{}, {} bytes of {}", file.name(), file.size(), file.content_type()),
            Given::Typed(value) => {
                String::from_utf8(skitai_wire::json::to_vec(value).unwrap_or_default()).unwrap_or_default()
            }
        };
        let known = self.params.iter().zip(&self.given);
        let known = known.flat_map(|(param, given)| given.iter().map(|given| (param.name.to_owned(), text(given))));
        known.chain(self.rest.iter().map(|(name, given)| (name.clone(), text(given)))).collect()
    }

    /// All faults of this call. Where an argument is missing and a body came in which nobody looked for it, the last
    /// one says so.
    pub fn faults(&mut self) -> Faults {
        if self.is_short && self.was.face() == Face::Web {
            self.faults.extend(unread::note(&self.was.request));
        }
        Faults(std::mem::take(&mut self.faults))
    }

    /// The request's handle.
    pub fn was(&self) -> &Was {
        &self.was
    }

    /// Everything no parameter took, in the order it came.
    pub fn take_rest(&mut self) -> Form {
        let mut names: Vec<(String, Vec<Value>)> = Vec::new();
        // Indexed by name, so that a form with many names costs time in proportion to its length.
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut files = Vec::new();
        for (name, given) in std::mem::take(&mut self.rest) {
            let value = match given.into_value() {
                Ok(value) => value,
                Err(file) => {
                    files.push((name, file));
                    continue;
                }
            };
            let place = *places.entry(name.clone()).or_insert_with(|| {
                names.push((name, Vec::new()));
                names.len() - 1
            });
            names[place].1.push(value);
        }
        let value = |mut values: Vec<Value>| if values.len() == 1 { values.remove(0) } else { Value::List(values) };
        let values = Map(names.into_iter().map(|(name, values)| (name.into(), value(values))).collect());
        Form { values, files }
    }
}

/// Shortens a name that the client chose: it goes into a reply and a log line.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
