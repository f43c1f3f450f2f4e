//! Databases for tests: a SQLite file of its own, or a database of its own on a real PostgreSQL server.
//!
//! The server is started from the machine's programs, else from the image `app-gen-postgres:17`. A shell
//! waits beside it for the end of the test process, however that comes, then stops it and cleans up.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app_gen_saas::config::TenantLimits;
use app_gen_saas::database::Admission;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::OnceCell;

pub const POSTGRES_IMAGE: &str = "app-gen-postgres:17";

/// Lets every job into the queue.
pub const ADMIT_ALL: Admission<'static> = Admission {
    queue: u32::MAX,
    usual: TenantLimits {
        jobs_at_once: 0,
        jobs_per_day: 0,
        micro_usd_per_month: 0,
        storage_bytes: 0,
    },
    once: None,
};

/// A database that nobody else uses.
pub struct TestDatabase {
    pub url: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}/test.db", folder.path().display()),
            _folder: Some(folder),
        }
    }

    pub async fn postgres() -> Self {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let server = SERVER.get_or_init(Server::start).await;
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        sqlx::any::install_default_drivers();
        // A connection of its own: a pool would die with the runtime of the test that made it.
        use sqlx::Connection as _;
        let mut connection = sqlx::AnyConnection::connect(&server.url("postgres"))
            .await
            .unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        Self {
            url: server.url(&name),
            _folder: None,
        }
    }
}

impl TestDatabase {
    /// The same database of a server, for another orchestrator.
    pub fn shared(&self) -> Self {
        assert!(self._folder.is_none(), "a file has one orchestrator");
        Self {
            url: self.url.clone(),
            _folder: None,
        }
    }

    /// Runs statements, as another program would.
    pub async fn execute(&self, statements: &str) {
        sqlx::any::install_default_drivers();
        use sqlx::Connection as _;
        let mut connection = sqlx::AnyConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// The number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        sqlx::any::install_default_drivers();
        use sqlx::Connection as _;
        let mut connection = sqlx::AnyConnection::connect(&self.url).await.unwrap();
        let number = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        number
    }
}

struct Server {
    host: String,
    options: String,
    // Its end is the sign for the shell to clean up.
    _alive: ChildStdin,
}

/// `$1` folder for everything, `$2...` a prefix that drops root.
const RUN_PROGRAMS: &str = r#"
folder=$1; bin=$2; shift 2
"$@" "$bin/initdb" -D "$folder/data" -U postgres --auth=trust --no-sync >"$folder/initdb.log" 2>&1 ||
  { cat "$folder/initdb.log" >&2; rm -rf "$folder"; exit 1; }
"$@" "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off \
  -c max_connections=300 >"$folder/postgres.log" 2>&1 &
server=$!
tries=0
until "$@" "$bin/pg_isready" -q -h "$folder" 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] && kill -0 $server 2>/dev/null || { cat "$folder/postgres.log" >&2; kill $server; exit 1; }
  sleep 0.1
done
echo ready
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$folder"
"#;

/// `$1` image.
const RUN_IMAGE: &str = r#"
container=$(docker run --detach --rm --publish 127.0.0.1::5432 "$1") || exit 1
tries=0
until docker exec "$container" pg_isready -q -U app 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || { docker logs "$container" >&2; docker rm -f -v "$container"; exit 1; }
  sleep 0.5
done
docker port "$container" 5432/tcp | head -n 1
cat >/dev/null
docker rm -f -v "$container" >/dev/null
"#;

impl Server {
    async fn start() -> Self {
        if let Some(programs) = find_programs() {
            return Self::from_programs(&programs).await;
        }
        Self::from_image().await.unwrap_or_else(|| {
            panic!(
                "these tests need a real PostgreSQL server: initdb and postgres on PATH or under \
                 /usr/lib/postgresql/*/bin, or a Docker Engine with the image {POSTGRES_IMAGE} \
                 (`cargo xtask setup` makes it)"
            )
        })
    }

    async fn from_programs(programs: &Path) -> Self {
        // Short, because the path of a socket is.
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        let mut prefix: Vec<&str> = Vec::new();
        if rustix::process::getuid().is_root() {
            // PostgreSQL refuses root.
            prefix.extend([
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ]);
            std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", RUN_PROGRAMS, "postgres"])
            .args([&folder, programs])
            .args(prefix);
        let (alive, line) = spawn(command).await;
        assert_eq!(line.as_deref(), Some("ready"), "PostgreSQL did not start");
        Self {
            host: "postgres@localhost".to_owned(),
            options: format!("?host={}", folder.display()),
            _alive: alive,
        }
    }

    async fn from_image() -> Option<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", RUN_IMAGE, "postgres", POSTGRES_IMAGE]);
        let (alive, line) = spawn(command).await;
        Some(Self {
            host: format!("app@{}", line?),
            options: String::new(),
            _alive: alive,
        })
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://{}/{name}{}", self.host, self.options)
    }
}

/// Starts the shell; gives its first line, if there is one in time.
async fn spawn(mut command: Command) -> (ChildStdin, Option<String>) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C ends the tests; the shell must outlive them to clean up.
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(90), lines.next_line()).await;
    let alive = child.stdin.take().unwrap();
    (alive, line.ok().and_then(Result::ok).flatten())
}

fn find_programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().find(|folder| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}
