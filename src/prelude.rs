//! Everything that an app needs, in one line: `use skitai::prelude::*;`.

pub use std::time::Duration;

// For `.map`, `.filter_map` and `.next` of a stream of outcomes.
pub use futures_util::StreamExt as _;
pub use skitai_actors::http::Part;
pub use skitai_actors::kit::Rule;
pub use skitai_actors::{Coverage, CoverageDetail, CoverageReport, Data, Outcome, Reason, Status};
pub use skitai_macros::route;
pub use skitai_wire::{Map, Value};

pub use crate::app::{
    All, AllFailed, App, Closing, Cookie, Either, Error, Event, Face, Failure, Fault, Form, HasStatus, Json, Merged,
    More, Package, Page, Protocol, Response, Result, Results, Rows, SameSite, Streaming, Task, Tasks, Upload, Was,
    Wasc, secs,
};
pub use crate::{routes, tasks};
