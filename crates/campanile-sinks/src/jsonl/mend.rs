//! What a crash, or a disk that failed, has left of a line.

use super::{encode::Encoder, files};
use campanile_core::{Event, LossEvent, Timestamp};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// How much of the end is looked at in one go.
const BLOCK: u64 = 64 << 10;

/// Puts a line that tells of a loss in the place of half a line at the end of a file that nobody writes any more. `false`
/// where its last line is whole.
pub(super) fn mend(path: &Path, claimed: &File, now: Timestamp) -> io::Result<bool> {
    let mut file = files::open_to_mend(path, claimed)?;
    let length = file.metadata()?.len();
    let whole = whole_lines(&mut file, length)?;
    if whole == length {
        return Ok(false);
    }
    let mut encoder = Encoder::new(false);
    let loss = Event::Loss(LossEvent::new(now, "jsonl", "torn", 1));
    let line = encoder.line(&loss).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(whole))?;
    file.write_all(line)?;
    // Last: a crash before this leaves half a line again, and that is mended again.
    file.set_len(whole + line.len() as u64)?;
    file.sync_all()?;
    Ok(true)
}

/// How many bytes the whole lines of a file take.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        block.clear();
        file.seek(SeekFrom::Start(begin))?;
        Read::by_ref(file)
            .take(end - begin)
            .read_to_end(&mut block)?;
        if let Some(last) = memchr::memrchr(b'\n', &block) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_becomes_a_line_that_tells_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let long = format!("{{\"n\":1}}\n{}", "x".repeat(100_000));
        let zeros = "{\"n\":1}\n\0\0\0\0";
        for (text, kept, torn) in [
            ("", 0, false),
            ("{\"n\":1}\n", 1, false),
            ("{\"n\":1}\n{\"n\"", 1, true),
            ("{\"n\"", 0, true),
            (&*long, 1, true),
            (zeros, 1, true),
        ] {
            std::fs::write(&path, text).unwrap();
            let claimed = files::open_regular(&path).unwrap();

            let mended = mend(&path, &claimed, Timestamp(0)).unwrap();

            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(mended, torn, "{text}");
            assert!(text.is_empty() || text.ends_with('\n'), "{text}");
            let told: Vec<serde_json::Value> = text
                .lines()
                .skip(kept)
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(told.len(), usize::from(torn));
            assert!(told.iter().all(|line| line["reason"] == "torn"));
            assert!(!mend(&path, &claimed, Timestamp(0)).unwrap());
        }
    }
}
