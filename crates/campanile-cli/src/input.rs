//! Standard input that ends when the program is told to.

use campanile::Stop;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd as _;

/// Reads stdin until its end, or until the first SIGTERM or SIGINT: then what was read is worked on to the end, and a
/// second signal ends the program at once.
///
/// Signals are listened to from the first read on: a command that reads nothing is ended by the first one, as any program.
pub(crate) struct Input {
    /// Without the buffer of the standard library: what waits in there could not be waited for. `None` where it was closed
    /// before the program began.
    stdin: Option<File>,
    /// Readable once there was a signal.
    told: Option<PipeReader>,
}

impl Input {
    pub(crate) fn stdin() -> Self {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        Self {
            stdin: stdin.ok().map(File::from),
            told: None,
        }
    }

    /// Waits until there is something to read. `false` once there was a signal.
    fn wait(stdin: &File, told: &PipeReader) -> io::Result<bool> {
        let mut ready = [
            PollFd::new(told, PollFlags::IN),
            PollFd::new(stdin, PollFlags::IN),
        ];
        while let Err(error) = poll(&mut ready, None) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(ready[0].revents().is_empty())
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.stdin else {
            return Ok(0);
        };
        let told = match &mut self.told {
            Some(told) => told,
            none => none.insert(listen()?),
        };
        match Self::wait(stdin, told)? {
            true => stdin.read(into),
            false => Ok(0),
        }
    }
}

/// A pipe that is closed at the first signal.
fn listen() -> io::Result<PipeReader> {
    let (told, tell) = io::pipe()?;
    let stop = Stop::listen()?;
    std::thread::Builder::new()
        .name("campanile-input".into())
        .spawn(move || {
            let _ = stop.wait();
            drop(tell);
        })?;
    Ok(told)
}
