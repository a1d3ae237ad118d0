//! Limits the work of one step, so that the screen reacts to keys in time.

/// A number of bytes to decode; each examined record costs [`RECORD`] bytes as well.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

const RECORD: u64 = 64;

impl Budget {
    pub fn bytes(bytes: u64) -> Self {
        Budget { left: bytes }
    }

    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
    }

    pub(crate) fn spend_record(&mut self) {
        self.spend(RECORD);
    }
}
