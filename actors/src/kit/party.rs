//! The calls that belong to one request.

/// All calls of one request: those of its handler, and those of a batch or multicall. While calls of other parties
/// wait, a party holds at most half of the places of a `fair_semaphore`.
///
/// A plain number, so that copying it is free. It must be unique among the requests of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party(u64);

impl Party {
    /// A call that belongs to no request. Two such calls are not one party.
    pub const ALONE: Party = Party(0);

    /// The party of the request with this number; numbers start at 1.
    pub fn of(number: u64) -> Party {
        Party(number)
    }
}
