//! Members that misbehave on command, in a process of their own, and what a server in front of them keeps: its answers,
//! its pace, its memory. The tests assert order and generous ceilings; `proof/chaos` prints the figures.
//!
//! - [`coverage`]: five ways to fail, one account of them; [`computing`]: work between call and wait;
//! - [`faults`]: members fail under load and the callers hardly notice; [`health`]: who is ejected, and who never;
//! - [`hedging`]: late answers cost a few more requests, failures no more than the budget; [`balance`]: who gets less;
//! - [`isolation`]: a hanging cluster harms no other; [`reading`]: nor does a client that stops reading;
//! - [`panics`]: no request waits for ever.

mod balance;
mod computing;
mod coverage;
mod faults;
mod health;
mod hedging;
mod isolation;
mod panics;
mod reading;
