//! Names for orchestrators, which show whether one of them is known to be dead.

use std::fs;

use uuid::Uuid;

/// A name that only this process ever has: boot, process id namespace, process id, start time, and a
/// random part.
pub(super) fn own() -> String {
    let pid = std::process::id().to_string();
    let start = start_time(&pid).unwrap_or_default();
    format!("{}/{pid}/{start}/{}", machine(), Uuid::now_v7().simple())
}

/// Whether this name's process has ended. Nothing is known about processes elsewhere.
pub(super) fn is_gone(owner: &str) -> bool {
    let Some(own) = owner.strip_prefix(&format!("{}/", machine())) else {
        return false;
    };
    let mut parts = own.split('/');
    let (Some(pid), Some(start)) = (parts.next(), parts.next()) else {
        return false;
    };
    start_time(pid).is_none_or(|now| now != start)
}

/// Where process ids mean the same: one boot of one machine, one namespace.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid")
        .map(|link| link.display().to_string())
        .unwrap_or_default();
    format!("{}/{namespace}", boot.trim())
}

/// Clock ticks from the boot to the start of a running process.
fn start_time(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; field 3 (state) begins after the last of them.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_lives_and_others_are_told_apart() {
        let own = own();
        assert!(!is_gone(&own));
        let pid = std::process::id().to_string();
        let start = start_time(&pid).unwrap();
        assert!(is_gone(&own.replace(&format!("/{start}/"), "/1/")));
        assert!(is_gone(&own.replace(&format!("/{pid}/"), "/999999999/")));
        assert!(!is_gone("another machine/pid:[1]/1/1/x"));
        assert!(!is_gone(""));
    }
}
