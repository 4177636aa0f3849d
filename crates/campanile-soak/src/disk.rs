//! A small file system for logs and ledger, so that a full disk is a real one.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder for logs and ledger. Dropped, what was mounted there is copied out and unmounted.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    pub(crate) is_small: bool,
}

impl Disk {
    /// A folder; with `bytes`, a file system of that size where we may make one.
    pub(crate) fn new(folder: PathBuf, bytes: Option<u64>) -> std::io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let options = bytes.map(|bytes| CString::new(format!("size={bytes}")).unwrap_or_default());
        let is_small = options.is_some_and(|options| {
            mount(
                "soak",
                &folder,
                "tmpfs",
                MountFlags::empty(),
                options.as_c_str(),
            )
            .is_ok()
        });
        Ok(Self { folder, is_small })
    }

    /// Unmounts what an earlier run that was killed has left there.
    pub(crate) fn clear(folder: &Path) {
        let _ = unmount(folder, UnmountFlags::DETACH);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.is_small {
            return;
        }
        let kept = self.folder.with_extension("kept");
        let _ = fs::create_dir_all(&kept);
        copy(&self.folder, &kept);
        let _ = unmount(&self.folder, UnmountFlags::DETACH);
        // The place is the same as without a file system of its own.
        let _ = fs::remove_dir(&self.folder);
        let _ = fs::rename(&kept, &self.folder);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            let _ = fs::create_dir_all(&to);
            copy(&from, &to);
        } else {
            let _ = fs::copy(&from, &to);
        }
    }
}
