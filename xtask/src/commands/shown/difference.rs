//! The difference that a deploy would make, which `diff` and `deploy --dry-run` show.

use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::deploy::difference;
use xtask_operate::deploy::difference::Difference;

/// Finds the difference and prints it.
///
/// # Errors
/// As [`difference::find`].
pub(crate) fn show(context: &Context) -> anyhow::Result<()> {
    let difference = difference::find(context)?;
    context.report.result(&difference, &text(&difference))
}

fn text(difference: &Difference) -> String {
    let mut text = difference.changes.trim().to_owned();
    for image in &difference.unbuilt {
        text.push_str(&format!(
            "\nimage {image} would be built first, so its digest is not known yet"
        ));
    }
    let rows: Vec<Vec<String>> = difference
        .drift
        .iter()
        .map(|stack| {
            vec![
                stack.name.clone(),
                stack.status.clone(),
                stack.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n\n{}", table(&["stack", "drift", "why"], &rows)));
    }
    text.push_str(&format!(
        "\na month would cost {:.2} USD",
        difference.month_usd
    ));
    text
}
