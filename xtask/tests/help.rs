//! The help of every command, as a person reads it.

mod common;

use common::Checkout;

#[test]
fn every_command_explains_itself() {
    let checkout = Checkout::new();
    let mut text = String::new();
    for command in [
        "",
        "setup",
        "preflight",
        "build",
        "plan",
        "why",
        "inputs",
        "bases",
        "validate",
        "status",
        "logs",
        "tasks",
        "run",
        "exec",
        "restart",
        "scale",
        "stop",
        "dev",
        "secrets",
        "cloud",
        "cost",
        "cleanup",
        "test",
    ] {
        let arguments: Vec<&str> = [command, "-h"]
            .into_iter()
            .filter(|argument| !argument.is_empty())
            .collect();
        let ran = checkout.run(&arguments).expect_success();
        text.push_str(&format!(
            "$ cargo xtask {}\n{}\n",
            arguments.join(" "),
            ran.stdout
        ));
    }
    insta::assert_snapshot!(text);
}
