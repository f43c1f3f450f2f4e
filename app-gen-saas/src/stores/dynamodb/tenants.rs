//! Tenants and their members.

use crate::clock::now_millis;
use crate::database::record::{FromColumns as _, Record};
use crate::database::{Left, Member, Owned, Tenant, Transferred, Usage};
use crate::stores::accounts::Tenants;
use crate::stores::dynamodb::key::{self, Key, named};
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::table::List;
use crate::stores::dynamodb::{DynamoStore, entrances};
use crate::stores::error::StoreResult;

/// The longest list of members or tenants.
const MOST: usize = 200;

/// Makes a user a member of a tenant.
pub(super) fn add_member(
    round: &mut Round<'_>,
    tenant: &str,
    (user_id, email): (&str, &str),
    role: &str,
    now: i64,
) {
    let mut item = key::member(tenant, user_id).item();
    item.set("tenant_id", tenant)
        .set("user_id", user_id)
        .set("email", email)
        .set("role", role)
        .set("joined_at", now);
    round.put(item);
    round.put(key::tenant_of(user_id, tenant).item());
}

/// A tenant as a member sees it.
fn seen(tenant: &Record, member: &Record) -> StoreResult<Tenant> {
    let mut item = tenant.clone();
    item.set_or_clear("role", member.text("role"));
    Ok(Tenant::from_columns(&item)?)
}

impl DynamoStore {
    /// The items of a tenant's members.
    pub(super) async fn members_of(&self, tenant: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), "MEMBER#");
        self.table.list(&list).await
    }

    /// What a tenant has of a kind, as its list names it: what is being removed, too.
    pub(super) async fn list_of(&self, tenant: &str, kind: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), &format!("{kind}#"));
        self.table.list(&list).await
    }

    async fn usage_of(&self, tenant: &str, open: &[Record]) -> StoreResult<Option<Usage>> {
        let kind = match tenant {
            "local" => "local".to_owned(),
            id => match self.table.get(&key::tenant(id)).await? {
                Some(item) => item.text("kind").unwrap_or_default().to_owned(),
                None => return Ok(None),
            },
        };
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let projects = self.list_of(tenant, "PROJECT").await?;
        let keys = projects.iter().map(|entry| key::project(named(entry)));
        let projects = self.table.get_all(keys.collect()).await?;
        let open: Vec<Key> = open
            .iter()
            .filter(|job| job.is("tenant_id", tenant))
            .map(Key::of)
            .collect();
        let open = self.table.get_all(open).await?;
        let items = || projects.values().chain(open.values());
        let previews = self.list_of(tenant, "PREVIEW").await?;
        let keys = previews.iter().map(|entry| key::preview(named(entry)));
        let previews = self.table.get_all(keys.collect()).await?;
        let shown = projects
            .values()
            .filter(|project| !project.has("deleted_at"));
        let running = previews.values().filter(|preview| !preview.has("gone_at"));
        Ok(Some(Usage {
            tenant: tenant.to_owned(),
            kind,
            members: number(self.members_of(tenant).await?.len()),
            projects: number(shown.count()),
            jobs: number(self.list_of(tenant, "JOB").await?.len()),
            unfinished_jobs: number(open.len()),
            previews: number(running.count()),
            micro_usd: items().map(|item| item.number("used_micro_usd")).sum(),
            task_micro_usd: items().map(|item| item.number("used_task_micro_usd")).sum(),
        }))
    }
}

#[async_trait::async_trait]
impl Tenants for DynamoStore {
    async fn owns(&self, tenant: &str, kind: Owned, id: &str) -> StoreResult<bool> {
        let key = match kind {
            Owned::Job => key::job(id),
            Owned::Project => key::project(id),
            Owned::Template => key::template(id),
        };
        let item = self.table.get(&key).await?;
        Ok(item.is_some_and(|item| item.is("tenant_id", tenant)))
    }

    async fn insert_tenant(
        &self,
        tenant: (&str, &str, &str),
        owner: (&str, &str),
    ) -> StoreResult<()> {
        let (id, name, kind) = tenant;
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let key = key::tenant(id);
            if round.get(&key).await?.is_some() {
                return Ok(());
            }
            let now = now_millis();
            let mut item = key.item();
            item.set("id", id)
                .set("name", name)
                .set("kind", kind)
                .set("created_at", now);
            round.put(item);
            round.put(key::one_of_all(id).item());
            add_member(&mut round, id, owner, "owner", now);
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn tenant_of(&self, user_id: &str, id: &str) -> StoreResult<Option<Tenant>> {
        let (tenant, member) = (key::tenant(id), key::member(id, user_id));
        let found = self
            .table
            .get_all(vec![tenant.clone(), member.clone()])
            .await?;
        match (found.get(&tenant), found.get(&member)) {
            (Some(tenant), Some(member)) if !tenant.has("deleted_at") => {
                seen(tenant, member).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn tenants_of(&self, user_id: &str) -> StoreResult<Vec<Tenant>> {
        let list = List::of(key::user_partition(user_id), "TENANT#");
        let entries = self.table.list(&list).await?;
        let keys = entries.iter().flat_map(|entry| {
            let id = named(entry);
            [key::tenant(id), key::member(id, user_id)]
        });
        let found = self.table.get_all(keys.collect()).await?;
        let mut tenants = Vec::with_capacity(entries.len());
        for entry in &entries {
            let id = named(entry);
            if let (Some(tenant), Some(member)) = (
                found.get(&key::tenant(id)),
                found.get(&key::member(id, user_id)),
            ) && !tenant.has("deleted_at")
            {
                tenants.push(seen(tenant, member)?);
            }
        }
        tenants.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        tenants.truncate(MOST);
        Ok(tenants)
    }

    async fn members(&self, tenant: &str) -> StoreResult<Vec<Member>> {
        let items = self.members_of(tenant).await?;
        let members = items.iter().map(Member::from_columns);
        let mut members: Vec<Member> = members.collect::<Result<_, _>>()?;
        members.sort_by(|one, other| {
            (one.joined_at, &one.user_id).cmp(&(other.joined_at, &other.user_id))
        });
        members.truncate(MOST);
        Ok(members)
    }

    async fn leave(&self, tenant: &str, user_id: &str) -> StoreResult<Left> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let member = key::member(tenant, user_id);
            match round.get(&member).await? {
                None => return Ok(Left::NoMember),
                Some(item) if item.is("role", "owner") => return Ok(Left::Owner),
                Some(_) => {}
            }
            round.delete(member);
            round.delete(key::tenant_of(user_id, tenant));
            // A key that is being made meanwhile takes a turn as well.
            round.take_turn(&key::turn(tenant)).await?;
            let now = now_millis();
            for mut opens in self.keys_of(tenant).await? {
                if opens.is("user_id", user_id) && entrances::opens(&opens) {
                    round.hold(&opens);
                    opens.set("revoked_at", now);
                    round.put(opens);
                }
            }
            if round.commit().await? {
                return Ok(Left::Out);
            }
        }
    }

    async fn transfer(&self, tenant: &str, from: &str, to: &str) -> StoreResult<Transferred> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let owner = round.get(&key::member(tenant, from)).await?;
            let other = round.get(&key::member(tenant, to)).await?;
            let (Some(mut owner), Some(mut other)) = (
                owner.filter(|item| item.is("role", "owner")),
                other.filter(|item| item.is("role", "member")),
            ) else {
                return Ok(Transferred::NoMember);
            };
            owner.set("role", "member");
            other.set("role", "owner");
            round.put(owner);
            round.put(other);
            if round.commit().await? {
                return Ok(Transferred::Done);
            }
        }
    }

    async fn usage(&self, after: &str, limit: i64) -> StoreResult<Vec<Usage>> {
        let limit = usize::try_from(limit).unwrap_or(0);
        let list = List::of("TENANTS", "TENANT#").from(format!("TENANT#{after}"));
        // One more, because the list begins with the one that it comes after.
        let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let entries = self.table.list(&list.limit(most)).await?;
        let mut ids: Vec<&str> = entries.iter().map(named).chain(["local"]).collect();
        ids.retain(|id| *id > after);
        ids.sort_unstable();
        ids.truncate(limit);
        let open = self.open_jobs().await?;
        let mut usage = Vec::with_capacity(ids.len());
        for id in ids {
            usage.extend(self.usage_of(id, &open).await?);
        }
        Ok(usage)
    }
}
