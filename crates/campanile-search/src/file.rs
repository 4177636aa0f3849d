//! One file: what form it has, and from when to when it goes.

use crate::{
    folder::{self, Listed},
    line,
    packed::{self, Frame},
    read_at::read_at,
};
use memchr::memchr;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// So much is looked through for a first and a last moment.
const EDGE: usize = 64 << 10;

/// A file of lines.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) process: Option<u32>,
    /// Its bytes when it was opened.
    pub(crate) size: u64,
    pub(crate) form: Form,
    /// Kept open, so that its lines stay there when it is compressed or removed.
    kept: Option<Arc<File>>,
}

/// How its lines can be had.
#[derive(Debug)]
pub(crate) enum Form {
    /// From any place.
    Plain,
    /// From the begin of any frame.
    Frames(Vec<Frame>),
    /// From the begin.
    Stream,
}

impl LogFile {
    /// Opens it; if it was compressed since it was listed, its other form.
    pub(crate) fn open(listed: &Listed, keep: bool) -> io::Result<Self> {
        let (path, file) = match File::open(&listed.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = listed.compressed();
                let file = File::open(&path).map_err(|_| error)?;
                (path, file)
            }
            opened => (listed.path.clone(), opened?),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let size = metadata.len();
        let mut head = [0; 4];
        let read = read_at(&file, &mut head, 0)?;
        let form = match packed::is_packed(&head[..read]) {
            false => Form::Plain,
            true => match packed::frames(&file, size)? {
                Some(frames) => Form::Frames(frames),
                None => Form::Stream,
            },
        };
        Ok(Self {
            process: folder::process(&path),
            path,
            size,
            form,
            kept: keep.then(|| Arc::new(file)),
        })
    }

    /// A plain file that is open already, up to an end.
    pub(crate) fn of_open(path: &Path, file: Arc<File>, size: u64) -> Self {
        Self {
            path: path.to_owned(),
            process: folder::process(path),
            size,
            form: Form::Plain,
            kept: Some(file),
        }
    }

    pub(crate) fn handle(&self) -> io::Result<Arc<File>> {
        match &self.kept {
            Some(file) => Ok(file.clone()),
            None => File::open(&self.path).map(Arc::new),
        }
    }

    /// The first and the last moment, where they can be told without reading much.
    pub(crate) fn moments(&self) -> io::Result<(Option<i64>, Option<i64>)> {
        match &self.form {
            Form::Plain => {
                let file = self.handle()?;
                let first = first_moment(&read(&file, 0, EDGE)?);
                let from = self.size.saturating_sub(EDGE as u64);
                Ok((first, last_moment(&read(&file, from, EDGE)?)))
            }
            Form::Frames(frames) => {
                let known = || frames.iter().filter(|frame| frame.first <= frame.last);
                let first = known().map(|frame| frame.first).min();
                Ok((first, known().map(|frame| frame.last).max()))
            }
            Form::Stream => Ok((first_moment(&self.unpacked_head()?), None)),
        }
    }

    /// Some lines from its begin. What cannot be unpacked is told by who reads it all.
    fn unpacked_head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(EDGE);
        let file = File::open(&self.path)?;
        let decoder = zstd::Decoder::with_buffer(BufReader::new(file));
        let _ = decoder.and_then(|decoder| decoder.take(EDGE as u64).read_to_end(&mut head));
        Ok(head)
    }

    /// Some of its lines, to learn from.
    pub(crate) fn sample(&self) -> io::Result<Vec<u8>> {
        match &self.form {
            Form::Plain => read(&*self.handle()?, self.size / 2, 4 * EDGE),
            _ => self.unpacked_head(),
        }
    }

    /// The first moment that stands at `from` or behind it.
    pub(crate) fn moment_at(&self, from: u64) -> io::Result<Option<i64>> {
        let bytes = read(&*self.handle()?, from, EDGE)?;
        let begin = memchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1);
        Ok(first_moment(&bytes[begin..]))
    }
}

fn read(file: &File, from: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let read = read_at(file, &mut bytes, from)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn first_moment(lines: &[u8]) -> Option<i64> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    lines.find_map(line::moment).map(|at| at.0)
}

fn last_moment(lines: &[u8]) -> Option<i64> {
    let mut lines = lines.rsplit(|byte| *byte == b'\n');
    lines.find_map(line::moment).map(|at| at.0)
}

/// Where in a plain file the lines of `target` and later begin, as if all were in order: not far behind it.
pub(crate) fn bisect(file: &File, size: u64, target: i64) -> io::Result<u64> {
    let (mut low, mut high) = (0, size);
    while high - low > EDGE as u64 {
        let middle = low + (high - low) / 2;
        match probe(file, middle, high)? {
            Some((offset, at)) if at < target => low = offset,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first line behind `from` that says when it was, and where it begins.
fn probe(file: &File, from: u64, until: u64) -> io::Result<Option<(u64, i64)>> {
    let mut offset = from;
    let mut room = EDGE;
    // The rest of a line stands at the begin.
    let mut cut = true;
    while offset < until {
        let bytes = read(file, offset, room)?;
        let mut begin = 0;
        while let Some(len) = memchr(b'\n', &bytes[begin..]) {
            let text = &bytes[begin..begin + len];
            if !std::mem::take(&mut cut)
                && let Some(at) = line::moment(text)
            {
                return Ok(Some((offset + begin as u64, at.0)));
            }
            begin += len + 1;
        }
        if bytes.len() < room {
            return Ok(None); // The end.
        }
        if begin == 0 {
            // A line that is longer than this: its moment is not worth its bytes.
            begin = bytes.len();
            cut = true;
            room = (room * 2).min(4 << 20);
        }
        offset += begin as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Timestamp;
    use std::io::Write;

    #[test]
    fn a_moment_is_found_between_lines_that_have_none() {
        let mut file = tempfile::tempfile().unwrap();
        let (mut bytes, mut offsets) = (Vec::new(), Vec::new());
        for n in 0..20_000_i64 {
            offsets.push(bytes.len() as u64);
            writeln!(
                bytes,
                "{{\"ts\":\"{}\",\"n\":{n}}}",
                Timestamp(n * 1_000_000)
            )
            .unwrap();
            if n % 5_000 == 0 {
                bytes.extend(b"no moment here\n".repeat(10_000));
                bytes.extend(vec![b'x'; 300_000]);
                bytes.push(b'\n');
            }
        }
        file.write_all(&bytes).unwrap();

        for n in [0, 1, 4_999, 5_000, 5_001, 12_345, 19_999] {
            let at = bisect(&file, bytes.len() as u64, n * 1_000_000).unwrap();
            let (line, near) = (offsets[n as usize], 1 << 20);
            assert!(at <= line && line - at < near, "{n}: {at} for {line}");
        }
    }
}
