//! The parent's handle to the child: commands go in, points come out, and some are answered with SIGKILL.

use super::{CHILD, Trouble, stopped};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The child process.
pub struct Carol {
    folder: PathBuf,
    running: Option<Process>,
    /// How often it was killed.
    pub crashes: usize,
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // An end that comes early must not leave a process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Carol {
    /// Starts the child on a profile folder; it makes the account if there is none.
    pub fn start(folder: &Path) -> Result<Carol, Trouble> {
        let mut carol = Carol { folder: folder.join("carol"), running: None, crashes: 0 };
        carol.restart()?;
        Ok(carol)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the process again, from its journal.
    pub fn restart(&mut self) -> Result<(), Trouble> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(CHILD)
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(stopped("the child has no pipes"));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        self.running = Some(Process { child, stdin, lines });
        self.until(|line| line.starts_with("ready ").then_some(()))
    }

    fn process(&mut self) -> Result<&mut Process, Trouble> {
        self.running.as_mut().ok_or(stopped("the child is not running"))
    }

    pub fn tell(&mut self, command: &str) -> Result<(), Trouble> {
        let process = self.process()?;
        Ok(writeln!(process.stdin, "{command}").and_then(|()| process.stdin.flush())?)
    }

    /// Lets the child go on from point to point until a line is the one wanted. `at` lines are offered before they are answered.
    fn until<T>(&mut self, mut wanted: impl FnMut(&str) -> Option<T>) -> Result<T, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.process()?.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Err(stopped("waited in vain for the child")),
                Err(RecvTimeoutError::Disconnected) => return Err(stopped("the child ended")),
            };
            if let Some(words) = line.strip_prefix("trouble ") {
                return Err(stopped(format!("the child says: {words}")));
            }
            if let Some(found) = wanted(&line) {
                return Ok(found);
            }
            if line.starts_with("at ") {
                self.tell("go")?;
            }
        }
    }

    /// Waits for the answer to a command.
    pub fn answer(&mut self, to: &str) -> Result<(), Trouble> {
        let wanted = format!("answer {to} ");
        self.until(|line| line.starts_with(&wanted).then_some(()))
    }

    /// Lets the child go on for as long as a condition does not hold.
    pub fn go_while(&mut self, mut waiting: impl FnMut() -> Result<bool, Trouble>) -> Result<(), Trouble> {
        let deadline = Instant::now() + PATIENCE;
        while waiting()? {
            if Instant::now() > deadline {
                return Err(stopped("waited in vain while the child went on"));
            }
            match self.process()?.lines.recv_timeout(Duration::from_millis(10)) {
                Ok(line) if line.starts_with("at ") => self.tell("go")?,
                Ok(line) if line.starts_with("trouble ") => return Err(stopped(format!("the child says: {line}"))),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(stopped("the child ended")),
            }
        }
        Ok(())
    }

    /// Waits for a point and leaves the child standing there, without a go.
    pub fn hold_at(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<String, Trouble> {
        self.until(|line| {
            let at = line.strip_prefix("at ")?;
            wanted(at).then(|| at.to_owned())
        })
    }

    /// SIGKILL: the process gets no chance to put anything in order.
    pub fn kill(&mut self) -> Result<(), Trouble> {
        let mut process = self.running.take().ok_or(stopped("the child is not running"))?;
        process.child.kill()?;
        process.child.wait()?;
        self.crashes += 1;
        Ok(())
    }

    /// Has the child close its profile and end.
    pub fn close(&mut self) -> Result<(), Trouble> {
        self.tell("close")?;
        self.until(|line| (line == "done").then_some(()))?;
        let mut process = self.running.take().ok_or(stopped("the child is not running"))?;
        let status = process.child.wait()?;
        if status.success() { Ok(()) } else { Err(stopped(format!("the child ended with {status}"))) }
    }
}
