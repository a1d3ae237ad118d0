//! The mask of the screen: while it is on, values that the policy seals are shown as `[sealed]`.
//!
//! Drawing, search and filters then see only the masked record. It is not an access control: the operator can turn it
//! off.

use std::sync::Arc;

use crate::privacy::Policy;

#[derive(Clone, Debug, Default)]
pub struct Mask {
    policy: Arc<Policy>,
    on: bool,
}

impl Mask {
    pub fn new(policy: Arc<Policy>, on: bool) -> Self {
        Mask { policy, on }
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// `None` while the mask is off.
    pub fn policy(&self) -> Option<&Policy> {
        self.on.then_some(&self.policy)
    }

    pub fn toggle(&mut self) {
        self.on = !self.on;
    }

    /// Whether the policy hides any value.
    pub fn hides_anything(&self) -> bool {
        self.policy.hides_anything()
    }

    /// The text that the operator has typed, hidden while the mask is on: it may contain a value to be sealed.
    pub fn typed<'t>(&self, text: &'t str) -> &'t str {
        if self.on { "***" } else { text }
    }
}
