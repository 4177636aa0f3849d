//! File systems of a test's own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small file system that is taken away at the end.
pub(crate) struct Disk {
    mount: tempfile::TempDir,
    image: Option<tempfile::TempDir>,
}

/// Runs a program; says whether it came to a good end.
fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(path);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Disk {
    /// In memory. `None`: that is not allowed here.
    pub(crate) fn tmpfs(size: &str) -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "tmpfs"],
            mount.path(),
        );
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here");
        }
        mounted.then_some(Self { mount, image: None })
    }

    /// An ext4 in a file. `None`: that is not allowed here.
    pub(crate) fn ext4(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(bytes)
            .unwrap();
        let made = run(
            "mkfs.ext4",
            &["-q", "-F", "-E", "lazy_itable_init=0"],
            &image,
        );
        let disk = made.then(|| Self::mount_image(&image)).flatten();
        if disk.is_none() {
            println!("skipped: no ext4 image can be mounted here");
        }
        disk.map(|mut disk| {
            disk.image = Some(folder);
            disk
        })
    }

    /// The file system in an image, as it is there.
    pub(crate) fn mount_image(image: &Path) -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let image = image.to_str().unwrap();
        let mounted = run(
            "mount",
            &["-o", "loop,errors=remount-ro", image],
            mount.path(),
        );
        mounted.then_some(Self { mount, image: None })
    }

    pub(crate) fn path(&self) -> &Path {
        self.mount.path()
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.image.as_ref().unwrap().path().join("image")
    }

    pub(crate) fn remount(&self, how: &str) {
        assert!(run(
            "mount",
            &["-o", &format!("remount,{how}")],
            self.path()
        ));
    }

    /// Lets nothing be written until it is thawed: who writes waits.
    pub(crate) fn freeze(&self) -> bool {
        run("fsfreeze", &["-f"], self.path())
    }

    pub(crate) fn thaw(&self) {
        run("fsfreeze", &["-u"], self.path());
    }

    /// Takes it away, and mounts what reached its image in the same place, as a person would after a failure. (A copy: the
    /// kernel gives back the file system that has failed as long as somebody has a file of it open.)
    pub(crate) fn mount_again(&self) {
        run("umount", &["-l"], self.path());
        let copy = self.image().with_extension("copy");
        std::fs::copy(self.image(), &copy).unwrap();
        run("fsck.ext4", &["-f", "-y"], &copy);
        let copy = copy.to_str().unwrap();
        assert!(run("mount", &["-o", "loop", copy], self.path()));
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            match std::io::Write::write_all(&mut file, &vec![7; size]) {
                Ok(()) => {}
                Err(_) => size /= 2,
            }
        }
        let _ = file.sync_all();
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        run("umount", &["-l"], self.path());
    }
}

/// Makes an ext4 believe that its disk has failed: it is read-only from then on. `false`: it has no such switch.
pub(crate) fn fail(disk: &Disk) -> bool {
    let told = Command::new("findmnt")
        .args(["-n", "-o", "SOURCE"])
        .arg(disk.path())
        .output();
    let Ok(told) = told else { return false };
    let device = String::from_utf8_lossy(&told.stdout)
        .trim()
        .replace("/dev/", "");
    let switch = format!("/sys/fs/ext4/{device}/trigger_fs_error");
    std::fs::write(switch, "1").is_ok()
}
