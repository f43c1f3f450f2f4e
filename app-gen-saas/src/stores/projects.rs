//! Projects and their versions.

use crate::database::{Project, ProjectFilter, Version};
use crate::stores::concern::concern;

concern! {
    /// Projects, and the versions that their jobs made.
    Projects {
        /// The project, if there is one with this id.
        fn project(id: &str) -> Option<Project>;
        /// The project of a tenant, if there is one with this id.
        fn project_of(tenant: &str, id: &str) -> Option<Project>;
        /// Up to `limit` projects of a tenant, newest first.
        fn projects(filter: &ProjectFilter, limit: i64) -> Vec<Project>;
        /// Gives a project another name; `false` if there is none with this id.
        fn rename_project(id: &str, name: &str) -> bool;
        /// Puts a project aside, or takes it up again; `false` if there is none with this id.
        fn set_archived(id: &str, archived: bool) -> bool;
        /// Hides a project for good, unless a job of it has not ended; `false` then. What belongs to it is
        /// removed after that.
        fn delete_project(id: &str) -> bool;
        /// Up to `limit` projects that were deleted, and still have something that is to be removed. A job that was
        /// accepted in the moment of the deletion ends first.
        fn deleted_projects(limit: i64) -> Vec<String>;
        /// The ids of all jobs of a project.
        fn job_ids_of_project(id: &str) -> Vec<String>;
        /// Removes a deleted project with its versions; its jobs are gone already.
        fn remove_project(id: &str) -> ();
        /// Removes projects that were made before this time, never had a version, and whose jobs are gone.
        fn remove_empty_projects(millis: i64) -> ();
        /// A version of a project, if there is one with this number.
        fn version(project_id: &str, number: i64) -> Option<Version>;
        /// Up to `limit` versions of a project, newest first, from those whose number is less than `before`.
        fn versions(project_id: &str, before: i64, limit: i64) -> Vec<Version>;
        /// The folders of all versions of a project.
        fn version_folders(project_id: &str) -> Vec<String>;
        /// The numbers of the versions that jobs of a tenant have made, from `first` to `last` in the order of their
        /// ids: of one project, or of all.
        fn versions_of_jobs(
            tenant: &str,
            first: &str,
            last: &str,
            project_id: Option<&str>,
        ) -> Vec<(String, i64)>;
    }
}
