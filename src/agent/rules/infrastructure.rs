//! Databases, containers, clusters, clouds: what lies behind a client program.

use super::{Category, Rule, Seen, Severity::Ask};

const CATEGORY: Category = Category::Infrastructure;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "sql-destructive",
        category: CATEGORY,
        severity: Ask,
        description: "drops or empties tables of a database",
        finds: &[
            "psql -c \"DROP TABLE users\"",
            "psql -c 'delete  from users'",
            "psql -c \"TRUNCATE TABLE users\"",
            "sqlite3 a.db 'drop database x'",
            "redis-cli FLUSHALL",
            "mongo --eval 'db.dropDatabase()'",
            "DROP TABLE x",
            "psql <<EOF\ndrop schema public cascade;\nEOF",
            "dropdb prod",
        ],
        leaves: &[
            "psql -c \"DELETE FROM users WHERE id=1\"",
            "echo drop table x",
            "git commit -m 'drop table x'",
        ],
        test: |c| !c.only_speaks() && empties_database(c),
    },
    Rule {
        id: "containers",
        category: CATEGORY,
        severity: Ask,
        description: "stops, removes or enters containers, or hands them the machine's files",
        finds: &[
            "docker rm -f web",
            "docker stop web",
            "docker compose down",
            "docker exec web ls",
            "docker system prune -af",
            "docker run --rm -v /:/host alpine ls",
            "docker run --privileged x",
            "kubectl delete ns prod",
            "terraform destroy -auto-approve",
            "helm uninstall x",
        ],
        leaves: &["docker ps", "docker build .", "kubectl get pods", "terraform plan"],
        test: |c| {
            let engines = ["docker", "podman", "nerdctl", "docker-compose"];
            let mount =
                |word: &&str| word.starts_with("/:") || word.contains("=/:") || word.contains("source=/,");
            c.sub(&engines, &["stop", "kill", "rm", "rmi", "down", "prune", "restart", "exec"])
                || c.is(&engines) && (c.args().iter().any(mount) || c.has(&["--privileged", "--pid=host"]))
                || c.sub(&["kubectl", "oc"], &["delete", "drain", "exec", "cordon"])
                || c.sub(&["terraform", "tofu", "pulumi"], &["destroy"])
                || c.sub(&["helm"], &["uninstall", "delete"])
        },
    },
    Rule {
        id: "cloud",
        category: CATEGORY,
        severity: Ask,
        description: "deletes in a cloud account",
        finds: &[
            "aws s3 rm s3://b --recursive",
            "gcloud projects delete p",
            "aws ec2 terminate-instances --instance-ids i",
        ],
        leaves: &["aws s3 ls", "gcloud projects list"],
        test: |c| {
            let deletes = |word: &str| {
                matches!(word, "rm" | "rb" | "delete" | "destroy" | "purge")
                    || word.starts_with("delete-")
                    || word.starts_with("terminate-")
            };
            c.is(&["aws", "gcloud", "gsutil", "az", "doctl", "flyctl", "fly", "heroku"])
                && c.operands().any(deletes)
                || c.is(&["heroku"]) && c.operands().any(|word| word.ends_with(":destroy"))
        },
    },
];

fn empties_database(c: &Seen<'_>) -> bool {
    const DROPS: [&str; 8] = [
        "drop table",
        "drop database",
        "drop schema",
        "drop view",
        "drop keyspace",
        "truncate table",
        "dropdatabase",
        "flushall",
    ];
    let words = c.command.words.iter().map(|word| word.text.as_str()).chain(c.command.here.as_deref());
    let whole = c.command.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    c.is(&["dropdb", "dropuser"])
        || c.is(&["redis-cli"]) && c.operands().any(|word| word.to_ascii_lowercase().starts_with("flush"))
        || words.chain([whole.as_str()]).any(|text| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
            DROPS.iter().any(|drop| text.contains(drop))
                || text.split(';').any(|one| one.contains("delete from") && !one.contains("where"))
        })
}
