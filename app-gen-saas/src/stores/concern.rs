//! What is asked of a store, told once: a concern is a trait, and SQL's part of it.

/// Makes the trait of a concern, and has `Database` keep it with its methods of the same names, which are
/// beside their statements in `database`. Every method fails with `StoreError` when the store does not answer
/// or cannot.
macro_rules! concern {
    ($(#[$about:meta])* $name:ident {
        $($(#[$doc:meta])* fn $method:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty;)+
    }) => {
        $(#[$about])*
        #[async_trait::async_trait]
        pub trait $name: std::fmt::Debug + Send + Sync {
            $($(#[$doc])*
            ///
            /// # Errors
            /// When the store does not answer, or cannot do it.
            async fn $method(&self, $($argument: $kind),*) -> $crate::stores::StoreResult<$result>;)+
        }

        #[async_trait::async_trait]
        impl $name for $crate::database::Database {
            $(async fn $method(&self, $($argument: $kind),*) -> $crate::stores::StoreResult<$result> {
                Ok($crate::database::Database::$method(self, $($argument),*).await?)
            })+
        }
    };
}
pub(super) use concern;
