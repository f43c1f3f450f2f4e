//! Previews: which there are, where they are, and who looks after each.

use crate::database::{Begun, Lease, NewPreview, Preview};
use crate::stores::concern::concern;

concern! {
    /// Previews, as everybody sees them.
    Previews {
        /// Begins a preview of a version, unless it has one or there are `max` already.
        fn begin_preview(new: &NewPreview, max: u32) -> Begun;
        /// The newest preview of a version.
        fn preview_of(project_id: &str, version: i64) -> Option<Preview>;
        /// The preview with this id.
        fn preview(id: &str) -> Option<Preview>;
        /// The preview whose host begins with this label.
        fn preview_by_label(label: &str) -> Option<Preview>;
        /// All previews of a tenant that have not ended, newest first.
        fn previews(tenant: &str) -> Vec<Preview>;
        /// Whether there is anything to look after.
        fn has_previews() -> bool;
        /// Ends the preview of a version; false if it has none.
        fn end_preview_of(project_id: &str, version: i64, reason: &str) -> bool;
        /// Ends previews whose time is over, or whose project was deleted, and forgets those that were gone before
        /// `forgotten_before`.
        fn end_due_previews(forgotten_before: i64) -> ();
    }
}

concern! {
    /// What those do who look after a preview. Every write names its owner, so that one that took too long changes
    /// nothing.
    PreviewSteps {
        /// Takes the previews that somebody is to look at now, and that nobody else looks at.
        fn claim_previews(lease: &Lease) -> Vec<Preview>;
        /// Gives a preview back until somebody is to look again. What happened to it meanwhile (its end) is looked
        /// at at once.
        fn release_preview(lease: &Lease, preview: &Preview, pause_millis: i64) -> ();
        /// Counts a try to start its task before it is made, and returns its number; nothing if the preview is not
        /// ours any more, or has ended.
        fn begin_preview_try(lease: &Lease, id: &str) -> Option<i64>;
        /// Keeps that there is no task, and why.
        fn clear_preview_task(lease: &Lease, id: &str, reason: &str) -> ();
        /// Keeps its task, also of a preview that has ended meanwhile: somebody has to stop it.
        fn set_preview_task(lease: &Lease, id: &str, name: &str, handle: &str) -> ();
        /// Keeps how far its start is.
        fn set_preview_phase(lease: &Lease, id: &str, phase: &str) -> ();
        /// Keeps where its application is, from now on.
        fn set_preview_ready(lease: &Lease, id: &str, address: &str) -> ();
        /// Ends a preview that its owner found to have ended.
        fn end_preview(lease: &Lease, id: &str, reason: &str) -> ();
        /// Keeps that nothing of a preview that has ended runs any more.
        fn set_preview_gone(lease: &Lease, id: &str) -> ();
        /// Gives back what this owner looks at, for another one to take it at once.
        fn release_previews(owner: &str) -> ();
    }
}
