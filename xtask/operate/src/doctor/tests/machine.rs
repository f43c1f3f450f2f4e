use super::*;

#[test]
fn everything_follows_from_a_stopped_engine() {
    let finding = only(|evidence| {
        evidence.parts = vec![
            found(Part::Engine, State::Stopped),
            found(Part::Registry, State::Ok),
            found(Part::Cloud, State::Stopped),
        ];
        down(evidence);
        evidence.database = Source::Known(Some(database("exited")));
    });
    assert_is(&finding, "engine-stopped", Broken, "docker engine");
    assert_eq!(finding.next, "cargo xtask setup");
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line.starts_with("consequence: local cloud:")),
        "{finding:#?}"
    );
}

#[test]
fn registry_and_local_cloud_are_causes_side_by_side() {
    let findings = examined(|evidence| {
        evidence.parts[1].state = State::Stopped;
        evidence.parts[2].state = State::Stopped;
        evidence.status = Source::Unasked;
        evidence.images[0].platform = failed("registry does not answer");
    });
    let [registry, cloud] = &findings[..] else {
        panic!("{findings:#?}");
    };
    assert_is(registry, "registry-stopped", Broken, "registry");
    assert_is(cloud, "cloud-stopped", Broken, "local cloud");
    assert_eq!(cloud.next, "cargo xtask cloud up");
}

#[test]
fn a_port_that_is_taken_names_its_own_next_step() {
    let finding = only(|evidence| {
        evidence.parts[2].state = State::Blocked;
        evidence.parts[2].fix = "stop it, or cargo xtask cloud on another port".to_owned();
    });
    assert_is(&finding, "cloud-stopped", Broken, "local cloud");
    assert!(finding.next.starts_with("stop it"), "{finding:#?}");
}

#[test]
fn a_disk_is_nearly_full_by_share_and_by_size() {
    let disk = |free: u64, total: u64| {
        examined(|evidence| {
            evidence.disks[0].free_bytes = free;
            evidence.disks[0].total_bytes = total;
        })
    };
    let severities = |findings: Vec<Finding>| -> Vec<Severity> {
        assert!(
            findings
                .iter()
                .all(|finding| finding.rule == Rule::DiskFull)
        );
        findings.iter().map(|finding| finding.severity).collect()
    };
    assert_eq!(severities(disk(5 << 30, 100 << 30)), []);
    assert_eq!(severities(disk((5 << 30) - 1, 100 << 30)), [Warning]);
    assert_eq!(severities(disk(2 << 30, 10 << 30)), []);
    assert_eq!(severities(disk((2 << 30) - 1, 10 << 30)), [Warning]);
    assert_eq!(severities(disk(1 << 20, 10 << 30)), [Broken]);
    assert_eq!(severities(disk(0, 0)), [Broken]);
}
