//! What a figure was measured on: without it a figure says nothing.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// The first line of what a program prints, or a word that says that there is none.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().map_or("unknown".to_owned(), str::to_owned)
}

/// The compiler.
pub fn rustc() -> String {
    said("rustc", &["--version"])
}

/// What the compiler makes programs for.
pub fn target() -> String {
    let output = Command::new("rustc").arg("-vV").output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown").to_owned()
}

/// The commit, as far as there is one; `+` if it was changed since.
pub fn commit() -> String {
    let changed = !matches!(said("git", &["status", "--porcelain", "--untracked-files=no", "--", "*.rs", "*.toml"]).as_str(), "unknown");
    format!("{}{}", said("git", &["rev-parse", "--short=10", "HEAD"]), if changed { "+" } else { "" })
}

/// Processor, cores and compiler in one line.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let cores = available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {}, {}", std::env::consts::OS, rustc())
}

/// Bytes that this process gave to the system to write so far; `None` where nobody counts them.
pub fn written() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// Processor time of this thread so far, in nanoseconds: its own and the system's for it.
pub fn thread_ns() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Far below 2^53 ns, of which a float holds each.
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
