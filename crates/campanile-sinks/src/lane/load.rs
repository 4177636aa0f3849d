//! What waits in a lane.

/// Items in order; those that are done with are taken out from the front.
pub(crate) trait Load: Default + Send + 'static {
    /// What is handed over.
    type Item: ?Sized;

    /// What an item takes of the budget.
    fn weigh(item: &Self::Item) -> usize;

    fn push(&mut self, item: &Self::Item);

    /// Bytes that are not done with.
    fn bytes(&self) -> usize;

    /// Items that are not done with.
    fn items(&self) -> u64;

    /// Takes out what a writer that has just panicked should not be given again; says how many items that were.
    fn give_up(&mut self) -> u64;

    /// Gives room back that only a flood needed.
    fn shrink(&mut self);
}

/// A buffer that a flood made larger than this is given back.
const KEPT_CAPACITY: usize = 1 << 20;

/// Whole lines, one behind the other.
#[derive(Default)]
pub(crate) struct Lines {
    text: Vec<u8>,
    /// Bytes at the front that are done with.
    done: usize,
    left: u64,
}

impl Lines {
    /// What is not done with.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.text[self.done..]
    }

    /// So many more bytes of whole lines are where they should be.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.text.len() - self.done);
        let whole = memchr::memchr_iter(b'\n', &self.rest()[..bytes]).count();
        self.left = self.left.saturating_sub(whole as u64);
        self.done += bytes;
        if self.done == self.text.len() {
            self.text.clear();
            self.done = 0;
        }
    }
}

impl Load for Lines {
    type Item = [u8];

    fn weigh(line: &[u8]) -> usize {
        line.len()
    }

    fn push(&mut self, line: &[u8]) {
        debug_assert!(line.ends_with(b"\n"), "a line ends with a line end");
        self.text.extend_from_slice(line);
        self.left += 1;
    }

    fn bytes(&self) -> usize {
        self.text.len() - self.done
    }

    fn items(&self) -> u64 {
        self.left
    }

    /// All of them: nobody knows which line did it, and trying them again could go on for ever.
    fn give_up(&mut self) -> u64 {
        let left = std::mem::take(&mut self.left);
        (self.text, self.done) = (Vec::new(), 0);
        left
    }

    fn shrink(&mut self) {
        self.text.shrink_to(KEPT_CAPACITY);
    }
}
