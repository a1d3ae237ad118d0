//! Moves the selection, and scrolls the screen with it.

use super::Stream;

impl Stream {
    /// Moves the selection; the screen scrolls with it. A move beyond the loaded rows is completed after loading.
    pub fn move_by(&mut self, rows: i64) {
        if rows < 0 {
            self.pause();
        }
        let target = self.selected as i64 + rows;
        let last = self.rows.len() as i64 - 1;
        self.pending_move = if target < 0 && !self.at_head {
            target
        } else if target > last && !self.at_tail {
            target - last.max(0)
        } else {
            0
        };
        self.selected = target.clamp(0, last.max(0)) as usize;
        self.scroll_to_selection();
    }

    /// Moves screen and selection together by as many rows as fill about this many lines; negative: up.
    pub fn page_by(&mut self, lines: i64) {
        let mut left = lines.unsigned_abs() as i64;
        let mut rows = 0;
        let mut index = self.selected as i64;
        while left > 0 {
            let inside = index >= 0 && index < self.rows.len() as i64;
            left -= i64::from(if inside { self.lines_of(index as usize) } else { 1 });
            index += lines.signum();
            rows += 1;
        }
        let moved = rows * lines.signum();
        if lines < 0 {
            self.pause();
        }
        let top = (self.top as i64 + moved).max(0) as usize;
        self.top = top.min(self.rows.len().saturating_sub(1));
        self.clip = 0;
        self.move_by(moved);
        self.fill_page();
    }

    /// Scrolls back if the lower part of the screen would be empty although rows exist above.
    pub fn fill_page(&mut self) {
        if !self.at_tail {
            return;
        }
        let (top, clip) = self.last_page();
        if self.top > top || (self.top == top && self.clip > clip) {
            (self.top, self.clip) = (top, clip);
        }
    }

    /// Scrolls so that the selection is visible; while following, so that the end is.
    pub fn scroll_to_selection(&mut self) {
        if self.rows.is_empty() {
            (self.top, self.clip, self.selected) = (0, 0, 0);
            return;
        }
        let last = self.rows.len() - 1;
        self.selected = self.selected.min(last);
        if self.is_following {
            self.selected = last;
            (self.top, self.clip) = self.last_page();
            return;
        }
        if self.selected <= self.top {
            (self.top, self.clip) = (self.selected, 0);
        }
        self.top = self.top.min(last);
        let mut lines: i64 =
            (self.top..=self.selected).map(|index| i64::from(self.lines_of(index))).sum::<i64>()
                - i64::from(self.clip);
        while lines > i64::from(self.height.max(1)) && self.top < self.selected {
            lines -= i64::from(self.lines_of(self.top)) - i64::from(self.clip);
            self.top += 1;
            self.clip = 0;
        }
    }

    /// The `top` and `clip` at which the last row ends on the last line of the screen.
    fn last_page(&self) -> (usize, u16) {
        let mut left = i64::from(self.height.max(1));
        for index in (0..self.rows.len()).rev() {
            let lines = i64::from(self.lines_of(index));
            if lines >= left {
                return (index, (lines - left) as u16);
            }
            left -= lines;
        }
        (0, 0)
    }
}
