//! Whose calls belong together.

/// The calls of one request, wherever they go: all that a handler asks, and all calls of a batch or a multicall. Of
/// what there is little of, a party has at most half while others wait for it: see `places`.
///
/// A number and no more, so that carrying it costs nothing. It has to be one of its own among the requests of one
/// thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party(u64);

impl Party {
    /// A call that belongs to no request. Two of them are two.
    pub const ALONE: Party = Party(0);

    /// The party of the request that is counted so, from 1.
    pub fn of(number: u64) -> Party {
        Party(number)
    }
}
