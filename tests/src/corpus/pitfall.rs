//! What other readers are known to get wrong: each can be left out of a corpus.

/// One such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pitfall {
    /// Responses without a request id, in several lines.
    NoRequestId,
    /// Relays that give all responses one id.
    SharedId,
    /// Responses without any id, some of their lines twice.
    NoIds,
    /// Forks whose copies have lost their request ids.
    ForkWithoutRequestIds,
    /// Responses that begin before midnight and end after it.
    OverMidnight,
    /// `"speed":null`.
    NullSpeed,
    /// `"id":null` in the input of a tool.
    NullInToolInput,
    /// A split of cache writes that exceeds their total.
    SplitAboveTotal,
    /// OpenClaw's usage with only a total.
    BareTotal,
    /// Rows of OpenClaw's databases that a fork or a rewind copied.
    CopiedRows,
    /// Packed events in rows of OpenClaw's databases.
    PackedEvents,
    /// Packed transcripts of deleted sessions, in files and tables.
    PackedArchives,
    /// OpenClaw's transcripts that its migration moved aside.
    ArchiveTier,
}

impl Pitfall {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::NoRequestId,
        Self::SharedId,
        Self::NoIds,
        Self::ForkWithoutRequestIds,
        Self::OverMidnight,
        Self::NullSpeed,
        Self::NullInToolInput,
        Self::SplitAboveTotal,
        Self::BareTotal,
        Self::CopiedRows,
        Self::PackedEvents,
        Self::PackedArchives,
        Self::ArchiveTier,
    ];
}
