//! One file per command, and the list of all of them. What several commands show is in `shown`,
//! what several of them read from the command line is in `one_of`, `selection` and `since`.

mod bases;
mod build;
mod cleanup;
mod cloud;
pub(crate) mod command;
mod cost;
mod deploy;
mod destroy;
mod dev;
mod diff;
mod doctor;
mod exec;
pub(crate) mod help;
mod inputs;
mod installing;
mod jobs;
mod logs;
mod one_of;
mod open;
mod outputs;
mod plan;
mod preflight;
mod product;
mod projects;
mod promote;
mod provider;
mod prune;
mod redrive;
mod releases;
mod restart;
mod rollback;
mod run;
mod scale;
mod secrets;
mod selection;
mod setup;
mod shown;
mod since;
mod status;
mod stop;
mod tasks;
mod templates;
mod test;
mod unlock;
mod validate;
mod why;

command::verbs! {
    Verb {
        "Build" {
            Plan(plan::Args),
            Build(build::Args),
            Why(why::Args),
            Inputs(inputs::Args),
            Bases(bases::Args),
            Validate(validate::Args),
            Test(test::Args),
        }
        "Deploy" {
            Deploy(deploy::Args),
            Diff(diff::Args),
            Outputs(outputs::Args),
            Releases(releases::Args),
            Rollback(rollback::Args),
            Promote(promote::Args),
            Cost(cost::Args),
            Unlock(unlock::Args),
            Destroy(destroy::Args),
        }
        "Operate" {
            Doctor(doctor::Args),
            Status(status::Args),
            Logs(logs::Args),
            Tasks(tasks::Args),
            Run(run::Args),
            Stop(stop::Args),
            Exec(exec::Args),
            Restart(restart::Args),
            Scale(scale::Args),
            Redrive(redrive::Args),
            #[command(subcommand)]
            Secrets(secrets::Verb),
            Prune(prune::Args),
            Open(open::Args),
        }
        "Use" {
            #[command(subcommand)]
            Projects(projects::Verb),
            #[command(subcommand)]
            Jobs(jobs::Verb),
            #[command(subcommand)]
            Templates(templates::Verb),
        }
        "This machine" {
            Setup(setup::Args),
            Preflight(preflight::Args),
            Dev(dev::Args),
            #[command(subcommand)]
            Cloud(cloud::Verb),
            Cleanup(cleanup::Args),
            Help(help::Args),
        }
    }
}
