use std::time::Duration;

use super::*;
use crate::cluster::record::Held;
use crate::ledger::shard::LogStart;
use crate::measure::partial::{Partial, Sums};

/// A grid instant of 2026.
const T0: i64 = 1_793_491_200_000;
const STEP: i64 = 5_000;

fn definition() -> Definition {
    Definition::of(["of these tests"])
}

/// So many steps after the first instant.
fn at(steps: i64) -> Timestamp {
    Timestamp::from_millis(T0 + steps * STEP)
}

fn board(partitions: i32) -> Board {
    let grid = Grid::of(Duration::from_millis(STEP.unsigned_abs()));
    let mut board = Board::new("group", definition(), grid);
    board.know_partitions(partitions);
    board.catch_up();
    board
}

fn said(partition: i32, partitions: i32, steps: i64) -> Contribution {
    Contribution {
        partition,
        at: at(steps),
        partitions,
        keyed_by: partitions,
        offsets: vec![Some((10, 100)), None, Some((0, 5))],
        digest: 0,
        generation: 3,
        partial: Partial {
            instants: vec![Sums::default()],
            log_start: LogStart::Whole,
            prune_line: None,
            samples: Vec::new(),
        },
    }
}

/// Writes to a slot and hears it.
fn hear_in(board: &mut Board, said: Contribution, slot: u8) -> Result<(), Refused> {
    let partition = said.partition;
    let key = board.key(Subject::Partition { partition, slot });
    let recorded_at = said.at.plus_millis(1_000);
    let value = said.encode(definition()).unwrap();
    board.heard(key.to_string().as_bytes(), Some(&value), recorded_at)
}

/// Writes to the slot that the board chooses and hears it.
fn hear(board: &mut Board, said: Contribution) {
    let slot = board.place(said.partition, said.at);
    hear_in(board, said, slot).unwrap();
}

fn hear_all(board: &mut Board, partitions: i32, steps: i64) {
    for partition in 0..partitions {
        hear(board, said(partition, partitions, steps));
    }
}

/// An instance says what it owns, with generation and steps that were reached.
fn announce(
    board: &mut Board,
    instance: &str,
    shards: &[(i32, u64, Option<i64>)],
    recorded_at: Timestamp,
) {
    let held = |(partition, generation, reached): &(i32, u64, Option<i64>)| Held {
        partition: *partition,
        generation: *generation,
        reached: reached.map(at),
        degraded: *generation == 13,
    };
    let presence = Presence {
        instance: instance.to_owned(),
        address: format!("http://{instance}:1"),
        written_at: recorded_at,
        partitions: board.partitions().unwrap(),
        shards: shards.iter().map(held).collect(),
    };
    let key = board.key(Subject::Instance(instance.to_owned()));
    let value = presence.encode(definition()).unwrap();
    let heard = board.heard(key.to_string().as_bytes(), Some(&value), recorded_at);
    heard.unwrap();
}

fn complete(board: &Board) -> Option<i64> {
    let complete = board.complete()?;
    Some((complete.at.as_millis() - T0) / STEP)
}

#[test]
fn an_instant_is_complete_when_every_partition_has_said_its_part_of_it() {
    let mut board = board(3);
    hear(&mut board, said(0, 3, 1));
    hear(&mut board, said(1, 3, 1));
    hear(&mut board, said(2, 3, 2));
    assert_eq!(complete(&board), None);
    hear(&mut board, said(2, 3, 1));
    assert_eq!(complete(&board), Some(1));
    hear(&mut board, said(1, 3, 2));
    hear(&mut board, said(0, 3, 2));
    assert_eq!(complete(&board), Some(2));
    // A zombie goes on with what it knew.
    for partition in 0..3 {
        hear_in(&mut board, said(partition, 3, 1), 0).unwrap();
    }
    assert_eq!(complete(&board), Some(2));
    assert_eq!(board.instants(), BTreeSet::from([at(2)]));
}

#[test]
fn of_two_contributions_the_one_that_knows_more_holds_in_any_order() {
    let with = |first: i64, next: i64, generation: u64| Contribution {
        offsets: vec![Some((first, next)), None, Some((0, 5))],
        generation,
        ..said(0, 1, 1)
    };
    let ascending = [
        with(11, 200, 9),
        with(10, 100, 8),
        with(10, 101, 1),
        with(10, 101, 2),
        with(9, 50, 0),
    ];
    for (place, better) in ascending.iter().enumerate() {
        for worse in &ascending[..place] {
            for pair in [[worse, better], [better, worse]] {
                let mut board = board(1);
                for said in pair {
                    let _ = hear_in(&mut board, said.clone(), 0);
                }
                let complete = board.complete().unwrap();
                assert_eq!(*complete.contributions[0], *better);
            }
        }
    }
}

#[test]
fn who_stays_behind_a_later_owner_is_not_heard() {
    let mut board = board(1);
    hear(&mut board, said(0, 1, 1));
    let former = Contribution {
        generation: 2,
        ..said(0, 1, 1)
    };
    let refused = hear_in(&mut board, former.clone(), 1);
    assert_eq!(refused, Err(Refused::OldGeneration));
    // Of what nobody else has said it is true, whoever says it.
    let newer = Contribution {
        at: at(2),
        ..former
    };
    assert_eq!(hear_in(&mut board, newer, 1), Ok(()));
    assert_eq!(complete(&board), Some(2));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut board = board(2);
    let key = |subject| board.key(subject).to_string();
    let partition = key(Subject::Partition {
        partition: 0,
        slot: 0,
    });
    let instance = key(Subject::Instance("other".to_owned()));
    let other_group = partition.replace("group", "other");
    let value = said(0, 2, 1).encode(definition()).unwrap();
    let wrong_partition = said(1, 2, 1).encode(definition()).unwrap();
    let off_grid = Contribution {
        at: at(1).plus_millis(1),
        ..said(0, 2, 1)
    };
    let off_grid = off_grid.encode(definition()).unwrap();
    let mut check = |key: &str, value: &[u8], recorded_at, expected| {
        let heard = board.heard(key.as_bytes(), Some(value), recorded_at);
        assert_eq!(heard, expected, "{key}");
    };
    check(&partition, &value, at(1), Ok(()));
    check(&partition, &wrong_partition, at(1), Err(Refused::Decode));
    check(&partition, &off_grid, at(1), Err(Refused::Decode));
    check(&instance, &value, at(1), Err(Refused::Decode));
    check("nonsense", &value, at(1), Err(Refused::Decode));
    check(&other_group, b"whatever", at(1), Ok(()));
    // A clock that is a quarter of an hour ahead.
    let before = at(1).minus_millis(900_000);
    check(&partition, &value, before, Err(Refused::Future));
}

#[test]
fn owners_at_the_end_of_their_logs_contribute_without_waiting_for_others() {
    let mut board = board(3);
    let own = |steps: i64| [(0, Some(at(steps).plus_millis(4_999))), (2, None)];
    let wanted = |board: &Board, steps: i64| {
        let wanted = board.wanted(&own(steps)).into_iter();
        let wanted = wanted.map(|(partition, at)| (partition, (at.as_millis() - T0) / STEP));
        wanted.collect::<Vec<_>>()
    };
    // Nothing is complete, and partition 1 says nothing: whatever is there can be used.
    assert_eq!(wanted(&board, 7), [(0, 7)]);
    hear_all(&mut board, 3, 7);
    assert_eq!(wanted(&board, 7), []);
    for steps in 8..=10 {
        assert_eq!(wanted(&board, steps), [(0, steps)]);
        board.place(0, at(steps));
        assert_eq!(wanted(&board, steps), [], "it is on its way");
    }
    assert_eq!(wanted(&board, 11), [], "too far ahead of the others");
    hear_all(&mut board, 3, 8);
    assert_eq!(wanted(&board, 11), [(0, 11)]);
}

#[test]
fn all_follow_the_partition_that_is_behind() {
    let mut board = board(3);
    hear_all(&mut board, 3, 1);
    let own = [(0, Some(at(50))), (2, Some(at(40)))];
    announce(&mut board, "slow", &[(1, 3, Some(20))], at(50));
    assert_eq!(board.reached(&own), Some(at(20)));
    assert_eq!(board.wanted(&own), [(0, at(20)), (2, at(20))]);
    // It has come further since it said so.
    hear(&mut board, said(1, 3, 24));
    assert_eq!(board.wanted(&own), [(0, at(24)), (2, at(24))]);
    hear(&mut board, said(0, 3, 24));
    hear(&mut board, said(2, 3, 24));
    assert_eq!(complete(&board), Some(24));
    // A new owner of partition 1 begins with an old state.
    announce(&mut board, "new", &[(1, 4, Some(5))], at(51));
    assert_eq!(board.reached(&own), Some(at(5)));
    let before = [(0, Some(at(26))), (2, Some(at(40)))];
    assert_eq!(board.wanted(&before), [(0, at(26))]);
    // One that is not restored yet says nothing.
    announce(&mut board, "new", &[(1, 5, None)], at(52));
    assert_eq!(board.reached(&own), None);
}

#[test]
fn nothing_is_wanted_or_served_before_the_topic_was_read() {
    let grid = Grid::of(Duration::from_secs(5));
    let mut board = Board::new("group", definition(), grid);
    hear_all(&mut board, 1, 1);
    assert_eq!(complete(&board), None);
    assert_eq!(board.wanted(&[(0, Some(at(2)))]), []);
    assert_eq!(board.outdated("first", at(1_000_000)), []);
    board.catch_up();
    assert_eq!(complete(&board), Some(1));
    assert_eq!(board.wanted(&[(0, Some(at(2)))]), [(0, at(2))]);
}

#[test]
fn slots_of_the_complete_instant_and_of_those_after_it_are_kept() {
    let mut board = board(2);
    hear_all(&mut board, 2, 1);
    let slots: Vec<u8> = (2..=4).map(|steps| board.place(0, at(steps))).collect();
    let first = 0;
    let mut all = slots.clone();
    all.push(first);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    assert_eq!(board.place(0, at(3)), slots[1], "the same once more");
    // None is free, and the complete one stays.
    assert_eq!(board.place(0, at(5)), slots[0]);
    // Somebody is behind: what is furthest ahead will not be needed soon.
    assert_eq!(board.place(0, at(2)), slots[0]);
    board.give_up(0, slots[0]);
    assert_eq!(board.place(0, at(6)), slots[0]);
}

#[test]
fn after_more_partitions_came_only_what_counts_them_is_complete() {
    let mut board = board(2);
    hear_all(&mut board, 2, 4);
    assert_eq!(complete(&board), Some(4));
    board.know_partitions(3);
    assert_eq!(complete(&board), None);
    board.know_partitions(2);
    assert_eq!(board.partitions(), Some(3));
    hear_all(&mut board, 2, 5);
    assert_eq!(complete(&board), None);
    for partition in 0..2 {
        hear(&mut board, said(partition, 3, 5));
    }
    hear(&mut board, said(2, 3, 3));
    assert_eq!(complete(&board), None);
    hear(&mut board, said(2, 3, 5));
    assert_eq!(complete(&board), Some(5));
}

#[test]
fn the_owner_is_who_came_last_of_those_that_are_there() {
    let mut board = board(3);
    announce(&mut board, "a", &[(0, 5, None), (1, 5, None)], at(100));
    announce(&mut board, "b", &[(1, 6, None), (2, 13, None)], at(101));
    announce(&mut board, "a", &[(0, 5, None), (1, 5, None)], at(102));
    announce(&mut board, "c", &[(0, 5, None)], at(102));
    let owners = |now: Timestamp| {
        let owners = board.owners(now).into_iter();
        let owners = owners.map(|(partition, owner)| (partition, owner.instance));
        owners.collect::<Vec<_>>()
    };
    let of = |named: [(i32, &str); 3]| named.map(|(p, name)| (p, name.to_owned())).to_vec();
    assert_eq!(owners(at(103)), of([(0, "c"), (1, "b"), (2, "b")]));
    assert_eq!(board.degraded(at(103)), [2]);
    // Nothing was heard of b for half a minute.
    assert_eq!(owners(at(108)), of([(0, "c"), (1, "a"), (2, "")])[..2]);
    assert!(board.degraded(at(108)).is_empty());
}

#[test]
fn coverage_is_the_share_of_partitions_with_something_new() {
    let mut board = board(4);
    assert_eq!(board.coverage(at(0)), 0.0);
    for (partition, steps) in [(0, 9), (1, 5), (2, 4)] {
        hear(&mut board, said(partition, 4, steps));
    }
    assert_eq!(board.coverage(at(5)), 0.5);
    assert_eq!(board.coverage(at(0)), 0.75);
    let as_of: Vec<_> = board.as_of().collect();
    assert_eq!(as_of, [(0, at(9)), (1, at(5)), (2, at(4))]);
}

#[test]
fn one_of_the_instances_takes_out_what_nobody_needs() {
    let mut board = board(1);
    hear(&mut board, said(0, 1, 1));
    hear(&mut board, said(0, 1, 2));
    let gone = at(2);
    announce(&mut board, "gone", &[], gone);
    let day = at(2).plus_millis(86_400_000 + 10_000);
    announce(&mut board, "a", &[], day);
    announce(&mut board, "b", &[], day);
    assert_eq!(board.outdated("b", day), []);
    let outdated = board.outdated("a", day);
    let names: Vec<String> = outdated.iter().map(ToString::to_string).collect();
    let definition = definition();
    let expected = [
        format!("c/group/{definition}/00000/0"),
        format!("p/group/{definition}/gone"),
    ];
    assert_eq!(names, expected, "the complete instant stays");
    for key in outdated {
        board.heard(key.to_string().as_bytes(), None, day).unwrap();
    }
    assert_eq!(board.outdated("a", day), []);
    assert_eq!(complete(&board), Some(2));
}

#[test]
fn what_is_remembered_is_bounded_and_the_partition_that_is_behind_can_still_be_followed() {
    let mut board = board(2);
    for steps in 100..200 {
        hear(&mut board, said(0, 2, steps));
    }
    assert_eq!(board.instants().len(), MOST_INSTANTS);
    assert_eq!(board.instants().last(), Some(&at(199)));
    for steps in 50..60 {
        hear(&mut board, said(0, 2, steps));
        hear(&mut board, said(1, 2, steps));
        assert_eq!(complete(&board), Some(steps));
    }
    assert!(board.instants().len() <= MOST_INSTANTS);
}
