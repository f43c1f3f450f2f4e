//! `cargo xtask cost`: what a month of an environment costs, and what is left of its ceiling.

use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::cost;
use xtask_operate::cost::{Line, Month};

/// Arguments of `cost`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Count what this output folder of `cdk synth` makes
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
}

/// Runs the command. A broken ceiling is an answer, not an error: `deploy` refuses it.
///
/// # Errors
/// As [`cost::month`].
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let month = cost::month(
        &context.platform,
        &context.environment,
        args.templates.as_deref(),
    )?;
    context.report.result(&month, &text(&month))
}

const HEADING: [&str; 6] = ["part", "quantity", "unit", "hours", "unit price", "    usd"];

fn text(month: &Month) -> String {
    if month.lines.is_empty() {
        return format!(
            "{} runs on this machine and costs nothing",
            month.environment
        );
    }
    let mut rows: Vec<Vec<String>> = month.lines.iter().map(row).collect();
    rows.push(Vec::new());
    rows.push(sum("total", month.total_usd));
    if let (Some(ceiling), Some(left)) = (month.ceiling_usd, month.left_usd) {
        rows.push(sum("ceiling", f64::from(ceiling)));
        let name = if left < 0.0 { "too much" } else { "left" };
        rows.push(sum(name, left.abs()));
    }
    format!(
        "{}\na month of {}, prices of {}, no free allowance counted",
        table(&HEADING, &rows),
        month.environment,
        month.prices_as_of
    )
}

fn row(line: &Line) -> Vec<String> {
    let hours = line.hours.map(|hours| hours.to_string());
    vec![
        line.part.clone(),
        format!("{:>8}", (line.quantity * 100.0).round() / 100.0),
        line.unit.to_owned(),
        format!("{:>5}", hours.unwrap_or_default()),
        format!("{:>10}", line.unit_price_usd),
        format!("{:>7.2}", line.usd),
    ]
}

fn sum(name: &str, usd: f64) -> Vec<String> {
    let mut row = vec![String::new(); HEADING.len()];
    row[0] = name.to_owned();
    row[HEADING.len() - 1] = format!("{usd:>7.2}");
    row
}
