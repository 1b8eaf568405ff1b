//! Which membership and history-visibility events end a session (E1, E3). Pure functions.

/// A membership of a room, as `m.room.member` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Membership {
    /// `invite`
    Invite,
    /// `join`
    Join,
    /// `knock`
    Knock,
    /// `leave`, or a membership that is not in the specification (E1).
    Leave,
    /// `ban`
    Ban,
}

impl Membership {
    /// Reads the `membership` of an `m.room.member` event.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "invite" => Membership::Invite,
            "join" => Membership::Join,
            "knock" => Membership::Knock,
            "ban" => Membership::Ban,
            _ => Membership::Leave,
        }
    }
}

/// What a user's membership was before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PreviousMembership {
    /// The device does not know.
    Unknown,
    /// The user had none in this room.
    None,
    /// This one.
    Known(Membership),
}

/// Whether a membership event is a departure: somebody who had the session's key, or could have been sent it, is no
/// longer in the room (E1). `limited` says that the sync which brought the event left some out before it; what the
/// device believes of the time before is then void.
#[must_use]
pub fn is_departure(previous: PreviousMembership, new: Membership, limited: bool) -> bool {
    if limited {
        return new != Membership::Join;
    }
    let could_have_the_key = match previous {
        PreviousMembership::Unknown => true,
        PreviousMembership::Known(Membership::Join | Membership::Invite) => true,
        PreviousMembership::Known(Membership::Leave | Membership::Ban | Membership::Knock)
        | PreviousMembership::None => false,
    };
    could_have_the_key && matches!(new, Membership::Leave | Membership::Ban)
}

/// Whether keys of a room with this `m.room.history_visibility` may be given to users who come later, which is what
/// the `shared_history` of a room key says (E3): for `shared` and `world_readable`. A value that is not in the
/// specification is taken as `joined`.
#[must_use]
pub fn shares_history(history_visibility: &str) -> bool {
    matches!(history_visibility, "shared" | "world_readable")
}
