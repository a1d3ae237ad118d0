//! Limits the reading that the screen does in one step, so that it reacts to keys in time.

/// The number of bytes that may still be decoded in this step; each examined record costs [`RECORD`] bytes more.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

/// The cost of examining one record, in bytes.
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
