//! `cargo xtask cost`: estimates what an environment costs in a month. A cost above the ceiling
//! is an answer and not an error; `deploy` refuses it.

use crate::commands::command::{Answer, Changes, Command};
use std::path::PathBuf;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::cost;
use xtask_operate::cost::{Line, Month};

/// Estimate the monthly cost of an environment, and compare it with its ceiling
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Price the templates in this output folder of `cdk synth`
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"environment","prices_as_of",
        "lines":[{"part","quantity","unit","hours","unit_price_usd","usd"}],"total_usd",
        "ceiling_usd","left_usd"}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let month = cost::month(
            &context.platform,
            &context.environment,
            self.templates.as_deref(),
        )?;
        context.report.result(&month, &text(&month))?;
        Ok(ExitCode::SUCCESS)
    }
}

const HEADING: [&str; 6] = ["part", "quantity", "unit", "hours", "unit price", "    usd"];

fn text(month: &Month) -> String {
    if month.lines.is_empty() {
        return format!(
            "environment {} runs on this machine and costs nothing",
            month.environment
        );
    }
    let mut rows: Vec<Vec<String>> = month.lines.iter().map(row).collect();
    rows.push(Vec::new());
    rows.push(sum("total", month.total_usd));
    if let (Some(ceiling), Some(left)) = (month.ceiling_usd, month.left_usd) {
        rows.push(sum("ceiling", f64::from(ceiling)));
        let name = if left < 0.0 { "above ceiling" } else { "left" };
        rows.push(sum(name, left.abs()));
    }
    format!(
        "{}\nfor one month of environment {}, with the prices of {} and without free allowances",
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
