//! A real Elasticsearch or OpenSearch on a free port, in a directory of its own; stopped and deleted when dropped.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use logwarden::client::SecretSource;
use logwarden::client::elasticsearch::{
    Client, Connection, LARGEST_REPLY, Login, Method, Reply, Request, Url,
};
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(180);
pub const USER: &str = "tester";
pub const PASSWORD: &str = "secret123";

pub const OPENSEARCH: &str = "opensearch-2.19.1";
/// Runs on Java 21 and newer.
pub const OPENSEARCH_3: &str = "opensearch-3.8.0";

pub struct Elasticsearch {
    /// The name of its directory, such as `elasticsearch-8.15.0`.
    name: &'static str,
    pub scratch: TempDir,
    http: u16,
    transport: u16,
    secure: bool,
    child: Option<Child>,
}

/// The directory of the servers that `.ci/servers` fetches.
fn servers() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/servers");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("bash");
    assert!(output.status.success(), "the servers cannot be fetched");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The home of the Java on the path, or of another installed Java, of at least this version.
pub fn java(least: u32) -> Option<PathBuf> {
    let on_path = Command::new("sh").args(["-c", "readlink -f \"$(command -v java)\""]).output();
    let on_path = PathBuf::from(String::from_utf8(on_path.unwrap().stdout).unwrap().trim());
    let others = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten();
    let others = others.map(|directory| directory.unwrap().path().join("bin/java"));
    let fits = |java: &PathBuf| {
        let output = Command::new(java).arg("-version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        // openjdk version "17.0.15" 2025-04-15
        let version =
            text.ok().and_then(|text| text.split('"').nth(1)?.split('.').next()?.parse().ok());
        version.is_some_and(|version: u32| version >= least)
    };
    let java = std::iter::once(on_path).chain(others).find(fits)?;
    java.ancestors().nth(2).map(Path::to_owned)
}

impl Elasticsearch {
    pub fn start(name: &'static str) -> Self {
        let mut server = Self::prepared(name, false);
        server.launch();
        server
    }

    /// Starts it with TLS, with a certificate of its own authority, and with a password.
    pub fn start_secure(name: &'static str) -> Self {
        let mut server = Self::prepared(name, true);
        server.launch();
        server
    }

    /// Not started yet: nothing listens at its address.
    pub fn prepared(name: &'static str, secure: bool) -> Self {
        let scratch = tempfile::Builder::new().prefix("es").tempdir_in("/tmp").unwrap();
        let (http, transport) = (free_port(), free_port());
        let server = Elasticsearch { name, scratch, http, transport, secure, child: None };
        if !server.is_opensearch() {
            server.configure();
        }
        server
    }

    /// OpenSearch contains all of its modules and runs as any user.
    pub fn is_opensearch(&self) -> bool {
        self.name.starts_with("opensearch-")
    }

    fn home(&self) -> PathBuf {
        servers().join(self.name)
    }

    fn config(&self) -> PathBuf {
        self.scratch.path().join("config")
    }

    fn configure(&self) {
        let (root, config) = (self.scratch.path(), self.config());
        run(Command::new("cp").arg("-r").arg(self.home().join("config")).arg(&config));
        // These options name directories in the home, which is shared and must not be written to.
        let options = std::fs::read_to_string(config.join("jvm.options")).unwrap();
        let outside = |line: &&str| !line.contains("logs/") && !line.contains("HeapDump");
        let options: Vec<&str> = options.lines().filter(outside).collect();
        std::fs::write(config.join("jvm.options"), options.join("\n") + "\n").unwrap();
        let mut settings = format!(
            "path.data: {0}/data\npath.logs: {0}/logs\nhttp.port: {1}\ntransport.port: {2}\n\
             discovery.type: single-node\nxpack.security.enabled: {3}\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n",
            root.display(),
            self.http,
            self.transport,
            self.secure
        );
        if self.secure {
            settings.push_str(
                "xpack.security.http.ssl.enabled: true\n\
                 xpack.security.http.ssl.key: certs/server.key\n\
                 xpack.security.http.ssl.certificate: certs/server.crt\n\
                 xpack.security.http.ssl.certificate_authorities: [ \"certs/ca.crt\" ]\n",
            );
            certificates(&config.join("certs"));
        }
        std::fs::write(config.join("elasticsearch.yml"), settings).unwrap();
        // In a directory of its own: version 9 allows no writes to a directory that contains its configuration.
        std::fs::create_dir(root.join("tmp")).unwrap();
        self.own();
        if self.secure {
            self.users(&["useradd", USER, "-p", PASSWORD, "-r", "superuser"]);
        }
    }

    /// Makes the user that runs the server the owner of the scratch directory.
    fn own(&self) {
        if is_root() {
            run(Command::new("chown").args(["-R", "nobody"]).arg(self.scratch.path()));
        }
    }

    fn command(&self, program: &str) -> Command {
        let program = self.home().join("bin").join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", "nobody", "--clear-groups", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let least = if self.name.starts_with("elasticsearch-9") { 21 } else { 17 };
        let java = java(least).expect("a Java that is new enough");
        command
            .env("ES_JAVA_HOME", java)
            .env("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
            .env("ES_PATH_CONF", self.config())
            .env("ES_TMPDIR", self.scratch.path().join("tmp"))
            .env("HOME", self.scratch.path())
            .current_dir(self.scratch.path());
        command
    }

    /// Starts its jars through a few lines of Java in the same directory.
    fn opensearch(&self) -> Command {
        let least = if self.name == OPENSEARCH_3 { 21 } else { 17 };
        let mut command = Command::new(java(least).expect("a Java").join("bin/java"));
        let class_path = self.home().join("lib/*");
        command.args(["-Xms512m", "-Xmx512m", "-cp"]).arg(class_path);
        command.arg(self.home().join("Run.java")).arg(self.scratch.path().join("data"));
        command.args([self.http.to_string(), self.transport.to_string()]);
        command.current_dir(self.scratch.path());
        command
    }

    /// Runs `bin/elasticsearch-users`; a running server applies the change within seconds.
    pub fn users(&self, arguments: &[&str]) {
        run(self.command("elasticsearch-users").args(arguments));
        self.own();
    }

    pub fn launch(&mut self) {
        let output = std::fs::File::create(self.scratch.path().join("output")).unwrap();
        let mut command = match self.is_opensearch() {
            true => self.opensearch(),
            false => self.command("elasticsearch"),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let started = Instant::now();
        while !self.answers() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < STARTS_WITHIN,
                "it does not start: {}",
                std::fs::read_to_string(self.scratch.path().join("output")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Ends it like a power cut.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait();
    }

    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.http)
    }

    /// Without TLS.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.http))
    }

    pub fn ca(&self) -> PathBuf {
        self.config().join("certs/ca.crt")
    }

    /// SHA-256 of the authority's certificate, with colons, as openssl prints it.
    pub fn fingerprint(&self) -> String {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(self.ca());
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        output.trim().split('=').nth(1).unwrap().to_owned()
    }

    fn answers(&self) -> bool {
        let query = [("wait_for_status", "yellow"), ("timeout", "1s")];
        let reply = self.try_ask(Method::Get, "_cluster/health", &query, "");
        reply.is_some_and(|reply| reply.status == 200)
    }

    fn try_ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let password = self.scratch.path().join("password");
        if self.secure && !password.exists() {
            std::fs::write(&password, PASSWORD).unwrap();
            run(Command::new("chmod").arg("600").arg(&password));
        }
        let login = match self.secure {
            true => Login::Password {
                username: USER.to_owned(),
                password: SecretSource::File(password),
            },
            false => Login::Anonymous,
        };
        let client = Client::new(Connection {
            urls: vec![Url::parse(&self.url()).unwrap()],
            login,
            ca_file: self.secure.then(|| self.ca()),
            ca_fingerprint: None,
        });
        let request = Request {
            method,
            path,
            query,
            body: (!body.is_empty()).then(|| Bytes::from(body.to_owned())),
            content_type: "application/json",
            gzip: false,
            time_out: Duration::from_secs(60),
            largest_reply: LARGEST_REPLY,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.send(&request)).ok()
    }

    pub fn ask(&self, method: Method, path: &str, body: &str) -> serde_json::Value {
        self.ask_with(method, path, &[], body)
    }

    pub fn ask_with(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> serde_json::Value {
        let reply = self.try_ask(method, path, query, body).expect("the server answers");
        serde_json::from_slice(&reply.body)
            .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&reply.body)))
    }

    /// All documents of these indexes: index and document, after a refresh.
    pub fn documents(&self, indexes: &str) -> Vec<(String, serde_json::Value)> {
        self.try_ask(Method::Post, &format!("{indexes}/_refresh"), &[], "");
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let body = format!(
                r#"{{"size":5000,"sort":[{{"log.offset":"asc"}},{{"event.id.keyword":"asc"}}]{after}}}"#
            );
            let reply = self.ask(Method::Post, &format!("{indexes}/_search"), &body);
            let Some(hits) = reply["hits"]["hits"].as_array() else { panic!("{reply}") };
            let Some(last) = hits.last() else { return found };
            after = format!(r#","search_after":{}"#, last["sort"]);
            found.extend(
                hits.iter().map(|hit| {
                    (hit["_index"].as_str().unwrap().to_owned(), hit["_source"].clone())
                }),
            );
        }
    }

    pub fn count(&self, indexes: &str) -> u64 {
        self.try_ask(Method::Post, &format!("{indexes}/_refresh"), &[], "");
        self.ask(Method::Get, &format!("{indexes}/_count"), "")["count"].as_u64().unwrap_or(0)
    }
}

impl Drop for Elasticsearch {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An authority and a server's certificate for localhost, by openssl.
pub fn certificates(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let openssl = |arguments: &str| {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(directory));
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.crt",
    );
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
    let extension = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
    std::fs::write(directory.join("san"), extension).unwrap();
    openssl(
        "x509 -req -days 30 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile san \
         -out server.crt",
    );
    // The server sends its authority's certificate too, as an automatically configured server does.
    let chain = ["server.crt", "ca.crt"].map(|name| std::fs::read(directory.join(name)).unwrap());
    std::fs::write(directory.join("server.crt"), chain.concat()).unwrap();
}
