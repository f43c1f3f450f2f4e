//! What opens a tenant: invitations, keys of the API, and tickets for live streams. Of a secret only its hash is
//! kept; an item by the hash names what it opens.

use crate::clock::now_millis;
use crate::database::record::{FromColumns as _, Record};
use crate::database::{ApiKey, Invitation, Joined, USED_MILLIS};
use crate::stores::accounts::Entrances;
use crate::stores::dynamodb::key::{self, Key};
use crate::stores::dynamodb::table::List;
use crate::stores::dynamodb::{DynamoStore, tenants};
use crate::stores::error::StoreResult;

/// The longest list of keys or invitations.
const MOST: usize = 200;

/// Whether a key opens anything, as far as it says itself.
pub(super) fn opens(key: &Record) -> bool {
    !key.has("revoked_at")
}

fn can_be_taken(invitation: &Record, now: i64) -> bool {
    invitation.number("expires_at") >= now
}

impl DynamoStore {
    /// The items of a tenant's keys, the newest first.
    pub(super) async fn keys_of(&self, tenant: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), "KEY#").newest_first();
        self.table.list(&list).await
    }

    async fn invitations_into(&self, tenant: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), "INVITATION#").newest_first();
        self.table.list(&list).await
    }

    /// Revokes a key that opens something, if `may` says so.
    pub(super) async fn revoke(
        &self,
        key: &Key,
        may: impl Fn(&Record) -> bool + Send + Sync,
    ) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(key).await?;
            let Some(mut item) = item.filter(|item| opens(item) && may(item)) else {
                return Ok(false);
            };
            item.set("revoked_at", now_millis());
            round.put(item);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }
}

#[async_trait::async_trait]
impl Entrances for DynamoStore {
    async fn invite(&self, invitation: &Invitation, hash: &str, most: i64) -> StoreResult<bool> {
        let tenant = &invitation.tenant;
        let most = usize::try_from(most).unwrap_or(0);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            round.take_turn(&key::turn(tenant)).await?;
            let (kept, over): (Vec<Record>, Vec<Record>) = self
                .invitations_into(tenant)
                .await?
                .into_iter()
                .partition(|other| {
                    can_be_taken(other, now) && !other.is("email", &invitation.email)
                });
            for other in &over {
                round.hold(other);
                round.delete(Key::of(other));
                round.delete(key::invitation_of(other.text("hash").unwrap_or_default()));
            }
            let is_full = kept.len() >= most;
            if !is_full {
                let expires = invitation.expires_at / 1000;
                let mut item = key::invitation(tenant, &invitation.id).item();
                item.set("id", &invitation.id)
                    .set("tenant_id", tenant)
                    .set("email", &invitation.email)
                    .set("hash", hash)
                    .set("created_at", invitation.created_at)
                    .set("expires_at", invitation.expires_at)
                    .set("expires", expires);
                round.put(item);
                let mut pointer = key::invitation_of(hash).item();
                pointer
                    .set("tenant_id", tenant)
                    .set("id", &invitation.id)
                    .set("expires", expires);
                round.put(pointer);
            }
            if round.commit().await? {
                return Ok(!is_full);
            }
        }
    }

    async fn invitations(&self, tenant: &str) -> StoreResult<Vec<Invitation>> {
        let now = now_millis();
        let items = self.invitations_into(tenant).await?;
        let open = items
            .iter()
            .filter(|item| can_be_taken(item, now))
            .take(MOST);
        Ok(open
            .map(Invitation::from_columns)
            .collect::<Result<_, _>>()?)
    }

    async fn remove_invitation(&self, tenant: &str, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let key = key::invitation(tenant, id);
            let Some(item) = round.get(&key).await? else {
                return Ok(false);
            };
            round.delete(key);
            round.delete(key::invitation_of(item.text("hash").unwrap_or_default()));
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn join(&self, hash: &str, user: (&str, &str), most: i64) -> StoreResult<Joined> {
        let (user_id, email) = user;
        let most = usize::try_from(most).unwrap_or(0);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let pointer_key = key::invitation_of(hash);
            let Some(pointer) = round.get(&pointer_key).await? else {
                return Ok(Joined::Unknown);
            };
            let text = |column| pointer.text(column).unwrap_or_default();
            let tenant = text("tenant_id").to_owned();
            let invitation = key::invitation(&tenant, text("id"));
            let item = round.get(&invitation).await?;
            let is_theirs = |item: &Record| item.is("email", email) && can_be_taken(item, now);
            let shut = round.get(&key::tenant(&tenant)).await?;
            let is_open = shut.is_some_and(|tenant| !tenant.has("deleted_at"));
            if !is_open || !item.is_some_and(|item| is_theirs(&item)) {
                return Ok(Joined::Unknown);
            }
            round.take_turn(&key::turn(&tenant)).await?;
            if self.members_of(&tenant).await?.len() >= most {
                // The invitation waits until there is a place.
                return Ok(Joined::Full);
            }
            match round.get(&key::member(&tenant, user_id)).await? {
                Some(mut member) => {
                    member.set("email", email);
                    round.put(member);
                }
                None => tenants::add_member(&mut round, &tenant, user, "member", now),
            }
            round.delete(invitation);
            round.delete(pointer_key);
            if round.commit().await? {
                return Ok(Joined::Member(tenant));
            }
        }
    }

    async fn insert_key(&self, new: &ApiKey, hash: &str, most: i64) -> StoreResult<bool> {
        let most = usize::try_from(most).unwrap_or(0);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            round.take_turn(&key::turn(&new.tenant)).await?;
            let others = self.keys_of(&new.tenant).await?;
            if others.iter().filter(|other| opens(other)).count() >= most {
                return Ok(false);
            }
            let mut item = key::api_key(&new.tenant, &new.id).item();
            item.set("id", &new.id)
                .set("tenant_id", &new.tenant)
                .set("user_id", &new.user_id)
                .set("name", &new.name)
                .set("prefix", &new.prefix)
                .set("hash", hash)
                .set("scopes", &new.scopes)
                .set("created_at", new.created_at);
            round.put(item);
            let mut pointer = key::api_key_of(hash).item();
            pointer.set("tenant_id", &new.tenant).set("id", &new.id);
            round.put(pointer);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn keys(&self, tenant: &str) -> StoreResult<Vec<ApiKey>> {
        let items = self.keys_of(tenant).await?;
        let keys = items.iter().take(MOST);
        Ok(keys.map(ApiKey::from_columns).collect::<Result<_, _>>()?)
    }

    async fn revoke_key(&self, tenant: &str, id: &str, user_id: Option<&str>) -> StoreResult<bool> {
        let key = key::api_key(tenant, id);
        self.revoke(&key, |item| {
            user_id.is_none_or(|user| item.is("user_id", user))
        })
        .await
    }

    async fn use_key(&self, hash: &str) -> StoreResult<Option<ApiKey>> {
        let Some(pointer) = self.table.get(&key::api_key_of(hash)).await? else {
            return Ok(None);
        };
        let text = |column| pointer.text(column).unwrap_or_default();
        let api_key = key::api_key(text("tenant_id"), text("id"));
        let tenant = key::tenant(text("tenant_id"));
        let found = self
            .table
            .get_all(vec![api_key.clone(), tenant.clone()])
            .await?;
        let is_open = found
            .get(&tenant)
            .is_some_and(|tenant| !tenant.has("deleted_at"));
        let Some(item) = found.get(&api_key).filter(|item| is_open && opens(item)) else {
            return Ok(None);
        };
        let now = now_millis();
        if item.number("last_used_at") < now - USED_MILLIS {
            let mut round = self.table.rounds().next().await?;
            round.hold(item);
            let mut used = item.clone();
            used.set("last_used_at", now);
            round.put(used);
            // Another who uses it at the same time writes the same.
            round.commit().await?;
        }
        Ok(Some(ApiKey::from_columns(item)?))
    }

    async fn insert_ticket(
        &self,
        hash: &str,
        tenant: &str,
        job_id: &str,
        expires_at: i64,
    ) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let mut ticket = key::ticket(hash).item();
            // The table removes it after its time.
            ticket
                .set("tenant_id", tenant)
                .set("job_id", job_id)
                .set("expires_at", expires_at)
                .set("expires", expires_at / 1000);
            round.put(ticket);
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn take_ticket(&self, hash: &str) -> StoreResult<Option<(String, String)>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let key = key::ticket(hash);
            let Some(ticket) = round.get(&key).await? else {
                return Ok(None);
            };
            if ticket.number("expires_at") < now_millis() {
                return Ok(None);
            }
            round.delete(key);
            if round.commit().await? {
                let text = |column| ticket.text(column).unwrap_or_default().to_owned();
                return Ok(Some((text("tenant_id"), text("job_id"))));
            }
        }
    }
}
