//! Whole lines into files: rotation by size and by day, and what happens when a file fails.

use super::{
    Jsonl,
    encode::Encoder,
    files,
    housekeeper::Jobs,
    name::{self, FileName, Names},
};
use crate::lane::{Lines, Load, Writer};
use campanile_core::{Event, LossEvent, Timestamp};
use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

pub(crate) struct FileWriter {
    options: Arc<Jsonl>,
    names: Arc<Names>,
    jobs: Jobs,
    current: Option<Current>,
}

/// The file that is written.
struct Current {
    file: File,
    path: PathBuf,
    name: FileName,
    /// Bytes of whole lines.
    size: u64,
    /// When it was begun, as its name says.
    begun: Timestamp,
}

impl FileWriter {
    pub(crate) fn new(options: Arc<Jsonl>, names: Arc<Names>, jobs: Jobs) -> Self {
        Self {
            options,
            names,
            jobs,
            current: None,
        }
    }

    /// Begins a file. A name that is taken (by a process of another container, with our number) is passed over.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        // Here and not by the housekeeper alone: files may be closed faster than it looks after them.
        self.options.retain(0);
        loop {
            let (name, begun) = self.names.next(self.options.clock.now());
            let path = self.options.folder.join(name.to_string());
            let file = match files::create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            if !files::claim(&path, &file) {
                continue; // A housekeeper was faster, and takes it for a leaving.
            }
            self.current = Some(Current {
                file,
                path,
                name,
                size: 0,
                begun,
            });
            return Ok(());
        }
    }

    /// Lets go of the file and has it compressed; an empty one is removed.
    fn close_current(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        if current.size == 0 && files::is_still_there(&current.path, &current.file) {
            let _ = std::fs::remove_file(&current.path);
            return;
        }
        // The lock goes with the file: before anybody else may compress it.
        drop(current.file);
        self.jobs.closed(current.name);
    }

    /// The file for the next `bytes`: the current one, or a new one when it is full, of another day, or gone.
    fn ready(&mut self, next: u64) -> io::Result<&mut Current> {
        let now = self.options.clock.now();
        let max = self.options.max_file;
        match &self.current {
            Some(current) if !files::is_still_there(&current.path, &current.file) => {
                self.options.notices.trouble(
                    "jsonl folder",
                    "the file was moved or removed; a new one is begun",
                );
                self.current = None;
            }
            Some(current)
                if current.size > 0
                    && (current.is_of_another_day(now) || current.size + next > max) =>
            {
                self.close_current();
            }
            _ => {}
        }
        if self.current.is_none() {
            std::fs::create_dir_all(&self.options.folder)?;
            self.open()?;
        }
        self.current
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How many bytes of whole lines fit into the current file; at least one line.
    fn fitting(&self, lines: &[u8]) -> usize {
        let size = self.current.as_ref().map_or(0, |current| current.size);
        let room =
            usize::try_from(self.options.max_file.saturating_sub(size)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        let last = memchr::memrchr(b'\n', &lines[..room]);
        let last = last.or_else(|| memchr::memchr(b'\n', lines));
        last.map_or(lines.len(), |end| end + 1)
    }
}

impl Current {
    /// A clock that was put back a little does not begin another file; one that had been wrong by more than a day does.
    fn is_of_another_day(&self, now: Timestamp) -> bool {
        day(now) > day(self.begun) || name::is_put_back(self.begun, now)
    }

    /// Writes whole lines; after an error, only whole ones are left in the file.
    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let result = loop {
            match self.file.write(&lines[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if written == lines.len() {
                break Ok(());
            }
        };
        let whole = memchr::memrchr(b'\n', &lines[..written]).map_or(0, |end| end + 1);
        self.size += whole as u64;
        (whole, result)
    }

    /// Cuts off what is not a whole line.
    fn mend(&self) -> io::Result<()> {
        self.file.set_len(self.size)
    }
}

/// The UTC day of a moment.
fn day(moment: Timestamp) -> (i64, u8, u8) {
    let (year, month, day, _) = moment.civil();
    (year, month, day)
}

impl Writer<Lines> for FileWriter {
    fn write(&mut self, lines: &mut Lines) -> io::Result<()> {
        while !lines.rest().is_empty() {
            let rest = lines.rest();
            let first = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.ready(first as u64)?;
            let fitting = self.fitting(rest);
            let current = self.ready(first as u64)?;
            let (whole, result) = current.append(&rest[..fitting]);
            lines.advance(whole);
            if let Err(error) = result {
                if current.mend().is_err() {
                    // It may end in half a line: nothing more is written after that.
                    self.close_current();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, lines: &mut Lines) {
        let mut encoder = Encoder::new(false);
        if let Ok(text) = encoder.line(&Event::Loss(*loss)) {
            lines.push(text);
        }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        // A last file stays as it is: the next process compresses it. An empty one tells nothing.
        if current.size == 0 && files::is_still_there(&current.path, &current.file) {
            let _ = std::fs::remove_file(&current.path);
        }
    }
}
