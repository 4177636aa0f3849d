//! The thread that mends and compresses closed files, and deletes old ones, so that the writer need not wait for it. (The
//! writer deletes old ones too, when it begins a file.)

use super::{
    Jsonl, files, mend,
    name::{FileName, Form},
    pack::{FRAME, Packer},
    retention,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The folder is looked through this often, also when nothing was closed.
const ROUND: Duration = Duration::from_secs(60);

enum Job {
    Closed(FileName),
    Stop,
}

/// Tells the housekeeper what was closed.
#[derive(Clone, Debug)]
pub(crate) struct Jobs(Sender<Job>);

impl Jobs {
    pub(crate) fn closed(&self, name: FileName) {
        // Without a housekeeper the file stays as it is, for the next process.
        let _ = self.0.send(Job::Closed(name));
    }
}

#[derive(Debug)]
pub(crate) struct Housekeeper {
    jobs: Jobs,
    stopping: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Housekeeper {
    pub(crate) fn start(options: Arc<Jsonl>) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let thread = std::thread::Builder::new()
            .name("campanile-files".to_owned())
            .spawn(move || {
                let keeper = Keeper {
                    options,
                    stopping: seen,
                };
                keeper.look_through();
                loop {
                    match inbox.recv_timeout(ROUND) {
                        Ok(Job::Closed(name)) => keeper.after_closing(&name),
                        Err(RecvTimeoutError::Timeout) => keeper.look_through(),
                        Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        Ok(Self {
            jobs: Jobs(jobs),
            stopping,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn jobs(&self) -> Jobs {
        self.jobs.clone()
    }

    /// Stops after the block in hand: what is not compressed yet is left to the next process.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        let _ = self.jobs.0.send(Job::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        // A disk that hangs may hold the thread: it is told to end, and not waited for.
        self.stopping.store(true, Relaxed);
        let _ = self.jobs.0.send(Job::Stop);
    }
}

struct Keeper {
    options: Arc<Jsonl>,
    stopping: Arc<AtomicBool>,
}

impl Keeper {
    fn after_closing(&self, name: &FileName) {
        self.mend(name);
        self.compress(name);
        self.options.retain(0);
    }

    /// Also what earlier processes left behind.
    fn look_through(&self) {
        self.options.retain(0);
        let found = retention::list(&self.options.folder);
        let plain = || found.iter().filter(|file| file.name.form == Form::Plain);
        plain().for_each(|file| self.mend(&file.name));
        plain().for_each(|file| self.compress(&file.name));
        for file in found.iter().filter(|file| file.name.form == Form::Partial) {
            self.remove_left_over(&file.name);
        }
    }

    /// Puts a line that tells of a loss in the place of half a line that a crash or a failing disk has left, and removes what
    /// stands in its compressed form already. Also when all is about to stop: it looks at the end of the file only.
    fn mend(&self, name: &FileName) {
        let path = self.options.folder.join(name.to_string());
        let Ok(file) = files::open_regular(&path) else {
            return;
        };
        if !files::claim(&path, &file) {
            return; // Somebody writes it.
        }
        let whole = name.in_form(Form::Compressed).to_string();
        if fs::symlink_metadata(self.options.folder.join(whole)).is_ok() {
            let _ = fs::remove_file(&path); // Renamed, and then the process died.
            return;
        }
        let told = match mend::mend(&path, &file, self.options.clock.now()) {
            Ok(false) => return,
            Ok(true) => {
                format!("a line of {name} was cut off in its middle; the rest of it is removed")
            }
            Err(error) => format!("cannot mend {name}: {error}"),
        };
        self.options.notices.trouble("jsonl mending", &told);
    }

    fn compress(&self, name: &FileName) {
        if !self.options.compress || self.stopping.load(Relaxed) {
            return;
        }
        if let Err(error) = compress(&self.options, name, &self.stopping) {
            let text = format!("cannot compress {name}: {error}; it stays as it is");
            self.options.notices.trouble("jsonl compression", &text);
        }
    }

    /// A compression that a process did not live to finish. The plain file's lock says whether one is at work.
    fn remove_left_over(&self, name: &FileName) {
        let folder = &self.options.folder;
        if let Some(_claim) = retention::claim(folder, name) {
            let _ = fs::remove_file(folder.join(name.to_string()));
        }
    }
}

/// Replaces a closed file by its compressed form. The plain one goes only when the other is whole on the disk.
fn compress(options: &Jsonl, name: &FileName, stopping: &AtomicBool) -> io::Result<()> {
    let folder = &options.folder;
    let plain = folder.join(name.to_string());
    let mut from = match files::open_regular(&plain) {
        Ok(file) => file,
        // Retention was faster, or it is not a file at all.
        Err(_) => return Ok(()),
    };
    if !files::claim(&plain, &from) {
        return Ok(()); // Somebody writes or compresses it.
    }
    let size = from.metadata()?.len();
    if size == 0 {
        return fs::remove_file(&plain);
    }
    // Room for the other form: text takes less than half of it.
    options.retain(size / 2);
    let whole = folder.join(name.in_form(Form::Compressed).to_string());
    let part = folder.join(name.in_form(Form::Partial).to_string());
    let finished = squeeze(&mut from, &part, stopping);
    match finished {
        Ok(true) => {
            fs::rename(&part, &whole)?;
            fs::remove_file(&plain)
        }
        Ok(false) => fs::remove_file(&part),
        Err(error) => {
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

/// `false` when it was stopped before the end.
fn squeeze(from: &mut File, part: &Path, stopping: &AtomicBool) -> io::Result<bool> {
    let _ = fs::remove_file(part);
    let mut packer = Packer::new(files::create(part)?)?;
    let mut block = vec![0; FRAME];
    loop {
        if stopping.load(Relaxed) {
            return Ok(false);
        }
        match from.read(&mut block)? {
            0 => break,
            bytes => packer.write(&block[..bytes])?,
        }
    }
    packer.finish()?.sync_all()?;
    Ok(true)
}
