//! The mask: while it is on, records are drawn, searched and filtered as the policy lets them be seen, with
//! `[sealed]` for what it hides. It keeps no secret from whoever sits at the keys and can take it off.

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

    /// `None`: records are shown as they are.
    pub fn policy(&self) -> Option<&Policy> {
        self.on.then_some(&self.policy)
    }

    pub fn turn(&mut self) {
        self.on = !self.on;
    }

    /// There is something that it hides.
    pub fn hides_anything(&self) -> bool {
        self.policy.hides_anything()
    }

    /// What was typed may be just what is hidden.
    pub fn typed<'t>(&self, text: &'t str) -> &'t str {
        if self.on { "***" } else { text }
    }
}
