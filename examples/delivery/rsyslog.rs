//! The same work for rsyslog: it follows a file, parses JSON, sends it in bulks and checks every answer.

use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "/usr/sbin/rsyslogd";
const SENDER: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so",
    "/usr/lib/aarch64-linux-gnu/rsyslog/omelasticsearch.so",
];

/// Name, options of the input, options of its queue: a kill loses pending events with the first variant only.
pub const VARIANTS: [(&str, &str, &str); 2] = [
    (
        "rsyslog, queue in memory",
        r#"persistStateInterval="10000""#,
        r#"queue.type="LinkedList" queue.size="50000""#,
    ),
    (
        "rsyslog, queue on disk",
        r#"persistStateInterval="1""#,
        r#"queue.type="Disk" queue.filename="ship" queue.checkpointInterval="1""#,
    ),
];

/// `apt-get install rsyslog rsyslog-elasticsearch`
pub fn is_installed() -> bool {
    Path::new(PROGRAM).exists() && SENDER.iter().any(|module| Path::new(module).exists())
}

/// Configured for delivery at least once, as its documentation describes: every event has an id and is retried without
/// limit, also after a rejection.
pub fn command(
    scratch: &Path,
    log: &Path,
    port: u16,
    options: (&str, &str),
) -> std::io::Result<Command> {
    fs::create_dir(scratch)?;
    let (input, queue) = options;
    let config = scratch.join("rsyslog.conf");
    let text = format!(
        r#"global(workDirectory="{directory}" maxMessageSize="64k")
module(load="imfile")
module(load="mmjsonparse")
module(load="omelasticsearch")
template(name="document" type="list") {{ property(name="$!all-json-plain") }}
template(name="id" type="list") {{ property(name="$.id") }}
input(type="imfile" file="{log}" tag="app" ruleset="ship" {input} addMetadata="off")
ruleset(name="ship" {queue} queue.dequeueBatchSize="5000") {{
  action(type="mmjsonparse" cookie="")
  set $.id = $uuid;
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" template="document"
         searchIndex="app" searchType="" bulkmode="on" maxbytes="5m" retryfailures="on" writeoperation="create" bulkid="id" dynbulkid="on"
         action.resumeRetryCount="-1")
}}
"#,
        directory = scratch.display(),
        log = log.display(),
    );
    fs::write(&config, text)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-n").arg("-f").arg(config).arg("-i").arg(scratch.join("pid"));
    Ok(command)
}
