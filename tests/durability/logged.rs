//! What the log says of trouble with a model.

use crate::support::Site;

#[actix_web::test]
async fn an_attempt_that_is_made_again_is_logged_with_its_run() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run("@@flaky 1 500").await;
    assert_eq!(alice.finished(&run).await["status"], "completed");
    process.kill().await;
    let log = std::fs::read_to_string(site.home.with_file_name("gateway.log")).unwrap();
    let line = log.lines().find(|line| line.contains("model call failed, trying again"));
    assert!(line.is_some_and(|line| line.contains(&run)), "{log}");
}
