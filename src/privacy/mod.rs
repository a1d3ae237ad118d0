//! What may leave the machine. [`Outgoing`] is the only form that a sink, a mail or an export can take, and
//! [`protect`] the only way to make one.
//!
//! Until there are keys, sealed fields leave as `[sealed]`.

pub mod outgoing;
