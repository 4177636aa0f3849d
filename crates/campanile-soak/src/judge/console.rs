//! Reads what a worker prints, and can stop doing so for a while.

use super::logs::Seen;
use crate::canary::Watcher;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The consoles of all workers, by life.
#[derive(Debug, Default)]
pub(crate) struct Consoles(HashMap<u32, Seen>);

impl Consoles {
    pub(crate) fn of_life(&self, life: u32) -> Seen {
        self.0.get(&life).cloned().unwrap_or_default()
    }

    pub(crate) fn enter(&mut self, life: u32, seen: Seen) {
        self.0.insert(life, seen);
    }
}

/// Reads one stream of one worker to its end.
#[derive(Debug)]
pub(crate) struct Console {
    reader: JoinHandle<()>,
    read: Arc<Mutex<Progress>>,
    /// Nobody reads while this is set.
    pub(crate) stalled: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Progress {
    seen: Seen,
    canaries: Vec<String>,
    bytes: u64,
}

impl Console {
    /// Starts reading; a copy goes into the file at `copy`.
    pub(crate) fn read(stream: impl Read + Send + 'static, copy: &Path) -> Self {
        let read = Arc::<Mutex<Progress>>::default();
        let stalled = Arc::new(AtomicBool::new(false));
        let (into, wait, copy) = (Arc::clone(&read), Arc::clone(&stalled), copy.to_owned());
        let reader = std::thread::spawn(move || {
            let watcher = Watcher::new();
            let mut copy = File::options().create(true).append(true).open(copy).ok();
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            loop {
                while wait.load(Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                line.clear();
                match stream.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                if let Some(copy) = &mut copy {
                    let _ = copy.write_all(&line);
                }
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .line(&line, &watcher);
            }
        });
        Self {
            reader,
            read,
            stalled,
        }
    }

    /// Lines until now.
    pub(crate) fn lines(&self) -> u64 {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .seen
            .lines
    }

    /// Waits for the end of the stream: what was seen, canaries, bytes.
    pub(crate) fn end(self) -> (Seen, Vec<String>, u64) {
        self.stalled.store(false, Relaxed);
        let _ = self.reader.join();
        let read = std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner));
        (read.seen, read.canaries, read.bytes)
    }
}

impl Progress {
    fn line(&mut self, line: &[u8], watcher: &Watcher) {
        self.bytes += line.len() as u64;
        self.canaries
            .extend(watcher.find(line).map(|place| format!("console: {place}")));
        let text = String::from_utf8_lossy(line);
        match lost(&text) {
            Some(lost) => self.seen.told += lost,
            None => self.seen.lines += 1,
        }
    }
}

/// How many lines of its own a line tells as lost: `… loss     12 lines lost by console: full`.
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(" loss ")?;
    let (count, _) = rest.split_once(" lines lost by console")?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::lost;

    #[test]
    fn a_loss_of_its_own_is_told_apart_from_lines_and_from_others() {
        let loss = "01:50:29.123 warn  -            loss     12 lines lost by console: full";
        assert_eq!(lost(loss), Some(12));
        assert_eq!(lost(&loss.replace("console", "recorder")), None);
        assert_eq!(
            lost("01:50:29.123 debug 09b18563#1   llm      completed"),
            None
        );
    }
}
