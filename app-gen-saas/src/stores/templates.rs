//! Templates that people made of versions, and files that they uploaded.

use crate::database::{Template, Upload};
use crate::stores::concern::concern;

concern! {
    /// Templates and their folders.
    Templates {
        /// Keeps a template; `false` when its tenant has `most` of them already.
        fn insert_template(template: &Template, most: i64) -> bool;
        /// The template of a tenant, if there is one with this id.
        fn template(tenant: &str, id: &str) -> Option<Template>;
        /// Up to `limit` templates of a tenant whose name or description has this text, newest first, older than the
        /// one with the id `before`.
        fn templates(tenant: &str, search: &str, before: Option<&str>, limit: i64) -> Vec<Template>;
        /// Writes what a template is now, if it is still as it was at `seen_at`; `false` otherwise.
        fn update_template(template: &Template, seen_at: i64) -> bool;
        /// Hides a template for good; `false` if there is none with this id. Its folder is idle from then on.
        fn delete_template(id: &str) -> bool;
        /// Writes down that a folder of a template will have something in it.
        fn begin_template_folder(id: &str, folder: &str) -> ();
        /// Up to `limit` folders, each after the id of its template, that no template has: because it was removed, or
        /// because the folder is from before this time and nobody can still be making it.
        fn idle_template_folders(millis: i64, limit: i64) -> Vec<(String, String)>;
        /// Forgets a folder that has nothing in it any more.
        fn forget_template_folder(folder: &str) -> ();
        /// Forgets templates that were removed and have no folder any more.
        fn forget_deleted_templates() -> ();
    }
}

concern! {
    /// Files that people uploaded, to be attached to jobs.
    Uploads {
        /// Keeps what is known of an upload; `false` when all of them together would have more than `max_bytes`.
        fn insert_upload(tenant: &str, upload: &Upload, max_bytes: u64) -> bool;
        /// The upload of a tenant, if there is one with this id.
        fn upload(tenant: &str, id: &str) -> Option<Upload>;
        /// Up to `limit` uploads from before this time, the earliest first.
        fn uploads_before(millis: i64, limit: i64) -> Vec<String>;
        /// Forgets an upload.
        fn remove_upload(id: &str) -> ();
    }
}
