//! What the system says of this process; on Linux only.

/// Memory and processor time.
#[derive(Debug)]
pub(super) struct Process {
    /// Bytes.
    pub(super) resident: i64,
    /// Seconds.
    pub(super) cpu: f64,
}

/// `None` where the system does not say.
pub(super) fn look() -> Option<Process> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = resident.trim().trim_end_matches("kB").trim().parse().ok()?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th after it, in hundredths.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: f64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(Process { resident: kilobytes * 1024, cpu: ticks / 100.0 })
}
