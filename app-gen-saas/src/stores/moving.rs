//! From one store into another.

use crate::database::record::Record;
use crate::database::{Exported, Kind};
use crate::stores::concern::concern;

concern! {
    /// Everything that is kept, row by row. No orchestrator may be at work meanwhile.
    Moving {
        /// The rows after a place, which is empty at first: each row once over all pages, in any order.
        fn export(place: &str) -> Exported;
        /// Keeps rows of one kind, which must not be there. Kinds come in the order of `KINDS`.
        fn import(kind: &'static Kind, rows: &[Record]) -> ();
    }
}
