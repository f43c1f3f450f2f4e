//! Tenants, who is in them, and what opens them.

use crate::database::{
    ApiKey, Invitation, Joined, Left, Member, Owned, Tenant, Transferred, Usage,
};
use crate::stores::concern::concern;

concern! {
    /// Tenants and their members.
    Tenants {
        /// Whether there is such a thing, and it belongs to this tenant.
        fn owns(tenant: &str, kind: Owned, id: &str) -> bool;
        /// Makes a tenant (id, name, kind) with its owner (user, address). One that is there already stays as it is.
        fn insert_tenant(tenant: (&str, &str, &str), owner: (&str, &str)) -> ();
        /// A tenant that the user is in, if there is one with this id.
        fn tenant_of(user_id: &str, id: &str) -> Option<Tenant>;
        /// The tenants that a user is in, the oldest first.
        fn tenants_of(user_id: &str) -> Vec<Tenant>;
        /// The members of a tenant, the first one first.
        fn members(tenant: &str) -> Vec<Member>;
        /// Takes a member out of a tenant, and revokes the keys that they made for it.
        fn leave(tenant: &str, user_id: &str) -> Left;
        /// Makes another member the owner; the owner stays as a member.
        fn transfer(tenant: &str, from: &str, to: &str) -> Transferred;
        /// What tenants use, up to `limit` of them in the order of their ids, after the one with the id `after`. What is
        /// from before there were tenants is that of `local`.
        fn usage(after: &str, limit: i64) -> Vec<Usage>;
    }
}

concern! {
    /// The end of a tenant.
    Removal {
        /// Shuts a tenant: nobody gets into it any more. `false` if it is shut already.
        fn delete_tenant(id: &str) -> bool;
        /// Up to `limit` tenants that were shut and are still here.
        fn deleted_tenants(limit: i64) -> Vec<String>;
        /// Marks everything of a shut tenant for removal: what removes deleted projects, templates and old uploads finds
        /// it, and previews end with their projects.
        fn delete_content(tenant: &str) -> ();
        /// Removes a shut tenant, once nothing else of it is left and nothing more can come; `false` before that. Its
        /// members, keys, invitations and tickets go with it.
        fn remove_tenant(id: &str) -> bool;
    }
}

concern! {
    /// What opens a tenant: invitations, keys of the API, and tickets for live streams.
    Entrances {
        /// Keeps an invitation into a shared tenant by its hash, unless there are `most` that can be taken; `false`
        /// then.
        fn invite(invitation: &Invitation, hash: &str, most: i64) -> bool;
        /// The invitations into a tenant that can still be taken.
        fn invitations(tenant: &str) -> Vec<Invitation>;
        /// Takes an invitation back; `false` if there is none with this id.
        fn remove_invitation(tenant: &str, id: &str) -> bool;
        /// Takes an invitation for a user (id, address in lower case). It can be taken once, and by nobody else.
        fn join(hash: &str, user: (&str, &str), most: i64) -> Joined;
        /// Keeps a key by its hash, unless the tenant has `most` that are not revoked; `false` then.
        fn insert_key(key: &ApiKey, hash: &str, most: i64) -> bool;
        /// The newest keys of a tenant, those that were revoked too.
        fn keys(tenant: &str) -> Vec<ApiKey>;
        /// Revokes a key of a tenant: of this user, or of anybody. `false` if there is none that opens anything.
        fn revoke_key(tenant: &str, id: &str, user_id: Option<&str>) -> bool;
        /// The key with this hash, if it opens anything; writes down that it was used.
        fn use_key(hash: &str) -> Option<ApiKey>;
        /// Keeps a ticket, and forgets those whose time is over.
        fn insert_ticket(hash: &str, tenant: &str, job_id: &str, expires_at: i64) -> ();
        /// Takes a ticket whose time is not over: its tenant and its job. Of two who show it, one gets it.
        fn take_ticket(hash: &str) -> Option<(String, String)>;
    }
}
