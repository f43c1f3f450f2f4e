//! What `doctor` answers.

use serde_json::Value;

/// The findings of a run that found something.
pub(crate) fn findings(code: i32, answer: &Value) -> Vec<Value> {
    assert_eq!(answer["ok"], code == 0, "{answer}");
    assert!(code == 0 || code == 12, "{code}: {answer}");
    let findings = answer["findings"].as_array().unwrap().clone();
    assert_eq!(findings.is_empty(), code == 0, "{answer}");
    for finding in &findings {
        assert!(!finding["next"].as_str().unwrap().is_empty(), "{finding}");
    }
    findings
}

pub(crate) fn rules(findings: &[Value]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect()
}
