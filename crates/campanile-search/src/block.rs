//! Room that is filled again and again, and cleared once.

/// Bytes that were read, and room behind them.
#[derive(Debug, Default)]
pub(crate) struct Block {
    room: Vec<u8>,
    len: usize,
}

impl Block {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    /// Room for `bytes` more; what is put there counts once [`grow`](Self::grow) is called.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len + bytes;
        if self.room.len() < end {
            self.room.resize(end, 0);
        }
        &mut self.room[self.len..end]
    }

    pub(crate) fn grow(&mut self, bytes: usize) {
        self.len = (self.len + bytes).min(self.room.len());
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.grow(bytes.len());
    }

    /// Takes `count` bytes out, from `at` on.
    pub(crate) fn remove(&mut self, at: usize, count: usize) {
        self.room.copy_within(at + count..self.len, at);
        self.len -= count;
    }

    /// Gives back room that one long line has needed.
    pub(crate) fn shrink(&mut self, to: usize) {
        if self.room.len() > to && self.len < to {
            self.room.truncate(to);
            self.room.shrink_to(to);
        }
    }
}
