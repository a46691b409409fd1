use super::*;
use crate::actors::Scope;

const HOME: [u8; 32] = [7; 32];

fn ring() -> KeyRing {
    KeyRing::new(Arc::new(HOME), None)
}

fn key(rights: Rights) -> NewKey {
    mint(&KeySpec::new("laptop", rights), &HOME).unwrap()
}

async fn caller(ring: &KeyRing, key: &NewKey) -> Option<Caller> {
    ring.check(key.token.reveal()).await.unwrap()
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked() {
    let (ring, key) = (ring(), key(Rights::all()));
    assert!(ring.check(key.token.reveal()).await.is_err(), "the store was not read yet");
    ring.load(std::slice::from_ref(&key.record));
    let holder = caller(&ring, &key).await.unwrap();
    assert_eq!(holder.key_id, key.record.id);
    ring.load(&[KeyRecord { revoked_at: Some(1), ..key.record.clone() }]);
    assert!(holder.revoked.is_cancelled(), "its streams end");
    assert!(caller(&ring, &key).await.is_none());
    assert_eq!(ring.rights(&key.record.id), None);
}

#[tokio::test]
async fn the_right_id_with_a_wrong_secret_is_wrong_without_argon2() {
    let (ring, key) = (ring(), key(Rights::all()));
    // A broken hash would make argon2 fail; it is never asked.
    ring.load(&[KeyRecord { phc: "broken".to_owned(), ..key.record.clone() }]);
    assert!(ring.check(&format!("hk_{}_00000000", key.record.id)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_unknown_id_is_wrong_without_argon2() {
    let (ring, key) = (ring(), key(Rights::all()));
    ring.load(std::slice::from_ref(&key.record));
    // Who has it alone may ask argon2.
    let _permit = ring.permit.acquire().await.unwrap();
    let known = tokio::time::timeout(Duration::from_millis(50), ring.check(key.token.reveal())).await;
    assert!(known.is_err(), "a right key is not confirmed without the permit");
    for token in ["hk_ffffffff_00000000", "hk_zz", "sk-of-another-service", ""] {
        assert!(ring.check(token).await.unwrap().is_none(), "{token}");
    }
}

#[tokio::test]
async fn a_new_key_in_env_ends_the_streams_of_the_old_one() {
    let ring = KeyRing::new(Arc::new(HOME), Some(&Secret::new("first-key-first-key")));
    let caller = ring.check("first-key-first-key").await.unwrap().unwrap();
    ring.set_env(Some(&Secret::new("other-key-other-key")));
    assert!(caller.revoked.is_cancelled());
    assert!(ring.check("first-key-first-key").await.unwrap().is_none());
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_until_the_old_one_ends() {
    let (ring, old) = (ring(), key(Rights::of(&[Scope::Chat])));
    ring.load(std::slice::from_ref(&old.record));
    let stream = caller(&ring, &old).await.unwrap();
    let rotate =
        |overlap| rotated(old.record.clone(), Duration::from_millis(overlap), &Editor::Operator, &HOME);

    let new = rotate(60_000).unwrap();
    ring.load(std::slice::from_ref(&new.record));
    assert!(!stream.revoked.is_cancelled(), "the streams of the old secret go on");
    for key in [&old, &new] {
        assert_eq!(caller(&ring, key).await.unwrap().key_id, old.record.id);
    }
    let mut over = new.record.clone();
    over.former.as_mut().unwrap().until = 1;
    ring.load(&[over]);
    assert!(stream.revoked.is_cancelled() && caller(&ring, &old).await.is_none());
    assert!(caller(&ring, &new).await.is_some());

    let third = rotate(0).unwrap();
    ring.load(std::slice::from_ref(&third.record));
    assert!(caller(&ring, &new).await.is_none(), "without an overlap there is one secret");
}

#[tokio::test]
async fn a_key_ends_by_itself_and_takes_its_streams_along() {
    let (ring, key) = (ring(), key(Rights::all()));
    let mut record = KeyRecord { expires_at: Some(now() + 1_500), ..key.record.clone() };
    ring.load(std::slice::from_ref(&record));
    let stream = caller(&ring, &key).await.unwrap();
    // Longer before the end has come: the first end must not count.
    record.expires_at = Some(now() + 2_500);
    ring.load(&[record]);
    let at = now();
    tokio::time::timeout(Duration::from_secs(10), stream.revoked.cancelled()).await.unwrap();
    assert!(now() - at >= 2_000, "it ended with its first end");
    assert!(caller(&ring, &key).await.is_none());
}

#[tokio::test]
async fn a_key_that_loses_a_right_loses_its_streams() {
    let (ring, key) = (ring(), key(Rights::of(&[Scope::Chat])));
    ring.load(std::slice::from_ref(&key.record));
    let stream = caller(&ring, &key).await.unwrap();
    let change = |change| {
        let record = changed(key.record.clone(), change, &Editor::Operator).unwrap();
        ring.load(&[record]);
    };
    change(KeyChange { scopes: Some(vec![Scope::Chat, Scope::Runs]), ..KeyChange::default() });
    assert!(!stream.revoked.is_cancelled(), "more is no reason");
    let stream = caller(&ring, &key).await.unwrap();
    change(KeyChange { scopes: Some(vec![Scope::Chat]), ..KeyChange::default() });
    assert!(stream.revoked.is_cancelled());
    let stream = caller(&ring, &key).await.unwrap();
    assert!(!stream.revoked.is_cancelled(), "the next ones do not end with it");
    change(KeyChange { tools: Some(Some(vec!["read_file".to_owned()])), ..KeyChange::default() });
    assert!(stream.revoked.is_cancelled());
}

#[test]
fn a_key_is_found_by_its_id_or_by_a_name_of_its_own() {
    let record = |name: &str, revoked_at| {
        let NewKey { record, .. } = mint(&KeySpec::new(name, Rights::all()), &HOME).unwrap();
        KeyRecord { revoked_at, ..record }
    };
    let keys =
        [record("a", None), record("b", None), record("b", None), record("c", Some(1)), record("a", Some(1))];
    let found = |text: &str| find(&keys, text).map(|found| found.id).map_err(|error| error.code.wire());
    assert_eq!(found(keys[2].id.as_str()), Ok(keys[2].id.clone()));
    assert_eq!(found("a"), Ok(keys[0].id.clone()), "a revoked one of that name is not meant");
    assert_eq!(found("b"), Err("invalid_request"));
    assert_eq!(found("c"), Ok(keys[3].id.clone()));
    assert_eq!(found("d"), Err("key_not_found"));
}
