use super::*;

fn board(cap: usize, queue: usize) -> Arc<Board> {
    let board = Board::new(MachineSlots::new(0));
    board.configure(cap, queue);
    board
}

#[tokio::test]
async fn a_freed_slot_goes_to_the_first_that_still_waits() {
    let board = board(1, 2);
    let first = board.slot(false).unwrap().wait().await.unwrap();
    let gone = board.slot(false).unwrap();
    let next = board.slot(false).unwrap();
    assert!(board.slot(false).is_err(), "the queue has two places");
    drop(gone);
    drop(first);
    let next = next.wait().await.unwrap();
    drop(next);
    assert!(board.slot(false).unwrap().is_ready(), "all slots came back");
}

#[tokio::test]
async fn a_run_that_was_accepted_before_finds_a_place_in_a_full_queue() {
    let board = board(1, 0);
    let _first = board.slot(false).unwrap().wait().await.unwrap();
    assert!(board.slot(false).is_err());
    assert!(board.slot(true).is_ok());
}

#[tokio::test]
async fn turns_of_one_session_go_one_after_the_other() {
    let board = board(0, 0);
    let session = SessionId::parse("s").unwrap();
    let [one, two, three] = [RunId::new(), RunId::new(), RunId::new()];
    let first = board.turn(&session, Some(one)).wait().await.unwrap();
    let second = board.turn(&session, Some(two));
    let third = board.turn(&session, Some(three));
    assert!(board.is_busy(&session) && matches!(second, TurnWait::Queued(_)));
    assert_eq!(board.in_line(&session), [one, two, three]);
    drop(second);
    drop(first);
    assert_eq!(board.holder(&session), Some(three), "the one that gave up is passed over");
    drop(third.wait().await.unwrap());
    assert!(!board.is_busy(&session));
}
