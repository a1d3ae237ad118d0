//! Histories in which the model found a fault, shortened.

use super::steps::History;

/// Fails with the histories that go wrong.
fn hold(histories: &[&str]) {
    let check = |text: &&str| {
        let history: History = text.parse().unwrap();
        super::run(&history).result.err().map(|failure| {
            format!("LOGWARDEN_STEPS='{history}'\n{:?}: {}", failure.kind, failure.text)
        })
    };
    let wrong: Vec<String> = histories.iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_lost_or_old_state_hides_and_repeats_nothing_where_positions_are_kept() {
    hold(&[
        "stamped.2.all.numbered.beside.prompt.stepped write.0.1 once copytruncate.0 write.0.1 lose",
        "stamped.1.ending.extension.beside.prompt.stepped half.0 start stop copytruncate.0 once lose write.0.1",
        "json.1.ending.extension.beside.prompt.stepped write.0.1 once copytruncate.0 lose",
        "header.1.star.dated.beside.prompt.stepped start write.0.3 look.6000 stop rename.0 lose compress.0.zst.move",
        "header.2.all.extension.beside.prompt.stepped write.1.1 start rename.1 look.3000 kill compress.1.gz.move lose",
        "header.2.star.numbered.beside.prompt.stepped start write.1.5 keep take.elastic.1000 look.6000 take.archive.5 write.1.12 stop copytruncate.1 rename.0 old compress.0.gz.move",
    ]);
}

#[test]
fn the_rest_of_a_rotated_file_is_found_beside_the_log_at_the_next_start() {
    hold(&[
        "json.2.ending.numbered.beside.late.stepped start away.archive write.1.2 look.1500 stop copytruncate.1",
        "header.1.ending.dated.beside.late.stepped start away.archive write.0.1 look.3000 kill copytruncate.0",
        "json.2.ending.numbered.beside.prompt.stepped start write.1.2 look.6000 kill write.1.12 copytruncate.1",
        "header.1.ending.numbered.beside.prompt.stepped start away.archive write.0.12 look.3000 kill copytruncate.0 write.0.300 compress.0.gz.move start",
    ]);
}

/// A pattern does not name the log to which the rotated files in its directory belong.
#[test]
fn files_rotated_twice_while_no_engine_ran_are_found_under_a_pattern_too() {
    hold(&[
        "json.1.ending.numbered.beside.prompt.stepped write.0.10 start look.1500 rename.0 write.0.5 kill rename.0 write.0.40",
    ]);
}

#[test]
fn an_editors_files_are_not_logs_and_its_save_is_not_another_log() {
    hold(&[
        "json.1.star.numbered.beside.prompt.stepped write.0.1 edit.0",
        "header.1.bare.numbered.beside.late.stepped write.0.1 edit.0 start delete.0",
        "header.1.ending.dated.beside.prompt.stepped start away.archive write.0.12 look.6000 edit.0 kill rename.0",
        "json.1.star.numbered.beside.prompt.stepped write.0.5 start look.3000 edit.0 look.3000 edit.0 tidy.0 look.3000 write.0.3",
    ]);
}

#[test]
fn a_copy_that_grows_on_its_own_takes_nothing_from_its_original() {
    hold(&[
        "json.1.bare.numbered.beside.prompt.stepped write.0.5 once copy.0 extend.0.1 reload.rotated.0 once reload.bare.0 once reload.rotated.0 once",
        "header.2.directory.extension.beside.late.stepped write.0.1 copy.0 write.0.1 reopen.0 start look.6000 compress.0.zst.move rename.0 compress.0.gz.move",
    ]);
}

#[test]
fn a_renamed_source_keeps_its_unread_bytes() {
    hold(&[
        "json.1.star.numbered.beside.prompt.stepped write.0.12 check write.0.5 stop reload.ending.2 rename.0",
        "json.1.star.numbered.beside.prompt.stepped start write.0.1 look.3000 write.0.3 rename.0 reload.ending.1",
        "json.1.ending.numbered.beside.late.stepped write.0.1 start look.1000 write.0.1 delete.0 reload.bare.1",
    ]);
}

#[test]
fn once_does_not_deliver_a_line_that_is_being_written() {
    hold(&[
        "json.1.bare.dated.beside.prompt.stepped half.0 once write.0.1",
        "header.1.star.numbered.beside.prompt.stepped write.0.2 half.0 once once finish.0 once",
    ]);
}

#[test]
fn a_file_deleted_just_before_the_stop_is_kept() {
    hold(&[
        "header.1.all.extension.beside.prompt.stepped start write.0.3 look.6000 write.0.1 delete.0 stop",
    ]);
}

/// An editor's backup holds the beginning of the log.
#[test]
fn an_editors_backup_is_not_taken_for_the_copy_that_rotation_made() {
    hold(&[
        "json.1.star.numbered.beside.prompt.stepped write.0.4 start look.3000 edit.0 look.3000 copytruncate.0",
        "header.1.all.extension.beside.prompt.stepped write.0.4 start edit.0 look.1000 copytruncate.0",
    ]);
}

/// The file is truncated after the start and before the consumer compares its position with it.
#[test]
fn a_position_stays_valid_after_an_unnoticed_truncation() {
    hold(&[
        "header.1.star.numbered.beside.prompt.stepped start write.0.5 look.1000 stop start copytruncate.0 take.archive.50",
        "json.1.ending.extension.beside.prompt.stepped write.0.20 start look.1500 stop write.0.5 start copytruncate.0 take.archive.5",
    ]);
}

/// The last line of a copy has no newline and was delivered; `--once` must not place the end before it.
#[test]
fn once_never_ends_a_rotated_file_before_its_delivered_bytes() {
    hold(&[
        "json.1.all.numbered.beside.prompt.stepped write.0.3 start half.0 copytruncate.0 look.6000 kill once",
        "header.1.star.dated.beside.prompt.stepped start half.0 look.1000 copytruncate.0 look.3000 stop once start",
    ]);
}

#[test]
fn unread_destroyed_bytes_are_counted_after_their_source_was_renamed() {
    hold(&[
        "json.1.all.numbered.beside.prompt.stepped start away.archive write.0.1 look.6000 kill reload.all.2 truncate.0",
        "json.1.star.numbered.beside.prompt.stepped start away.elastic write.0.1 look.1000 truncate.0 stop reload.bare.2",
    ]);
}

/// Lines are written and delivered between the copy and the truncation, so the copy ends before the cursors.
#[test]
fn a_copy_that_ends_before_the_cursors_is_not_read_again_after_a_restart() {
    hold(&[
        "json.1.bare.numbered.beside.prompt.stepped write.0.5 start look.3000 copy.0 write.0.3 look.300 truncate.0 look.3000 stop",
        "header.1.star.dated.beside.prompt.stepped write.0.5 start look.3000 copy.0 write.0.3 look.300 truncate.0 look.3000 kill",
        "json.1.all.extension.beside.prompt.stepped write.0.1 start edit.0 look.1000 truncate.0",
    ]);
}

/// Truncated and written again between two polls, then renamed while the log is closed.
#[test]
fn new_content_of_a_known_file_is_read_under_its_rotated_name() {
    hold(&[
        "json.1.bare.numbered.beside.prompt.stepped write.0.3 start look.1500 write.0.2 truncate.0 write.0.300 stop rename.0 write.0.300",
    ]);
}

/// The shorter of two copies holds no more than was read; the longer one is compressed.
#[test]
fn the_rest_is_read_from_the_longer_of_two_copies() {
    hold(&[
        "header.2.star.numbered.beside.late.stepped write.1.1 rename.0 check copy.1 write.1.1 copytruncate.1 compress.1.gz.move reload.bare.1",
    ]);
}

/// Bytes missing in the copy are counted once per run, for the consumer that has not read them.
#[test]
fn bytes_missing_in_a_copy_are_counted_in_each_run_that_reads_it() {
    hold(&[
        "header.1.all.extension.beside.late.stepped write.0.1 start copy.0 write.0.1 look.300 truncate.0",
        "header.2.all.numbered.beside.prompt.stepped write.1.1 start copy.1 write.1.1 look.300 truncate.1 away.archive look.3000 kill",
        "stamped.1.bare.dated.beside.prompt.stepped write.0.1 start kill edit.0 start truncate.0 away.elastic look.6000 kill",
    ]);
}

#[test]
fn positions_that_sinks_kept_beyond_a_lost_or_old_state_are_honoured() {
    hold(&[
        "header.1.all.extension.beside.prompt.stepped write.0.1 start keep copy.0 write.0.1 rename.0 look.3000 compress.0.gz.move kill old",
        "stamped.1.all.extension.beside.late.stepped write.0.10 start copy.0 write.0.5 look.300 truncate.0 look.6000 kill lose",
        "stamped.1.bare.numbered.beside.prompt.stepped write.0.3 start look.3000 keep write.0.3 look.300 copy.0 write.0.4 look.300 kill old truncate.0 start look.3000 stop",
        "json.1.bare.numbered.beside.prompt.stepped write.0.3 start look.3000 away.elastic away.archive half.0 copy.0 finish.0 write.0.2 look.300 truncate.0 look.500 stop once start look.3000 back.elastic back.archive look.3000 stop",
    ]);
}

/// A record cut by the timeout was wrongly ended by a line end of the file's next generation.
#[test]
fn a_record_is_not_cut_by_lines_written_after_a_truncation() {
    hold(&[
        "header.2.ending.dated.beside.prompt.stepped write.1.1 start reopen.1 look.3000 write.1.2 look.300 copytruncate.1 write.1.5",
    ]);
}

#[test]
fn a_copy_of_a_file_that_was_just_started_is_read() {
    hold(&[
        "header.1.bare+old.dated.olddir.prompt.free write.0.1 start copytruncate.0 write.0.1 edit.0",
    ]);
}

/// `--once` leaves the incomplete line, then its file is deleted.
#[test]
fn a_half_line_that_was_seen_and_is_destroyed_is_counted() {
    hold(&[
        "json.1.ending.numbered.beside.prompt.stepped write.0.1 half.0 start look.3000 kill once recreate.0.4",
        "stamped.1.all.extension.beside.prompt.stepped half.0 once copytruncate.0 write.0.12",
        "json.2.star.numbered.beside.prompt.stepped half.0 once carry.0",
    ]);
}

#[test]
fn a_file_moved_to_another_file_system_and_compressed_is_read_once() {
    hold(&[
        "json.1.all.numbered.beside.prompt.stepped write.0.3 start carry.0 look.300 compress.0.gz.move look.100",
        "json.1.all.numbered.beside.late.stepped write.0.3 start carry.0 reload.star.2 compress.0.gz.move look.100",
    ]);
}

#[test]
fn a_reload_keeps_a_file_that_was_just_deleted() {
    hold(&[
        "json.1.directory.extension.beside.prompt.stepped start write.0.1 look.3000 write.0.3 delete.0 reload.all.1 write.0.5",
    ]);
}

/// Truncated, written, copied and deleted between two polls.
#[test]
fn a_generation_created_and_moved_between_two_polls_is_read_once() {
    hold(&[
        "header.1.directory.numbered.beside.prompt.stepped start write.0.1 look.6000 copytruncate.0 write.0.40 carry.0",
    ]);
}

#[test]
fn a_log_whose_earlier_generations_are_read_in_copies_is_read_under_its_rotated_name() {
    hold(&[
        "stamped.2.star.numbered.beside.prompt.stepped write.0.1 start look.6000 reload.directory.1 expire.1 copytruncate.0 away.archive copytruncate.0 reload.star.1 write.0.3 half.1 look.1500 rename.1 rename.1 finish.1 write.0.5 copytruncate.0 compress.1.gz.move check look.3000 finish.0 kill once write.0.3 reload.bare.0 expire.0 reopen.1 copytruncate.0 start rename.1 look.300 write.1.12 half.0 copy.1 kill rename.0 start write.0.5",
    ]);
}

#[test]
fn a_file_that_contains_a_whole_log_and_more_is_not_a_copy_of_its_beginning() {
    hold(&[
        "json.2.directory.extension.beside.late.stepped write.0.1 start write.0.1 look.1000 write.1.1 look.6000 rename.1 away.elastic write.0.1 look.1000 commit take.elastic.50 rename.1 commit reopen.0 finish.0 tidy.0 write.1.3 copy.0 look.1000 write.0.40 recreate.1.1 stop start look.300 look.3000 check stop start half.0 write.0.1 copytruncate.1 expire.0 write.1.300 back.archive look.1000 take.elastic.2 copytruncate.0 write.1.300",
        "stamped.1.bare+old.numbered.olddir.late.free write.0.10 start look.100 reopen.0 copy.0 write.0.3 write.0.2 take.elastic.1000 look.6000 carry.0 look.6000 rename.0 look.100 look.6000 recreate.0.12 compress.0.zst.move write.0.40 compress.0.zst.move look.1000 rename.0 stop rename.0 write.0.300 copytruncate.0 once copy.0 write.0.5 look.300 truncate.0 compress.0.gz.move old rename.0 compress.0.gz.move start back.archive look.100 copytruncate.0 take.archive.1000 look.100 edit.0 kill write.0.1",
    ]);
}

#[test]
fn a_created_and_renamed_file_is_found_after_any_change_of_the_previous_log() {
    hold(&[
        "json.1.all.numbered.beside.prompt.stepped write.0.10 start look.1000 look.6000 look.6000 edit.0 write.0.1 reload.ending.0 edit.0 reload.ending.2 take.elastic.1 recreate.0.4 write.0.40 commit rename.0 away.elastic copy.0 write.0.5 look.300 truncate.0 write.0.40 copytruncate.0 finish.0 rename.0 keep take.elastic.2 away.elastic stop old start copytruncate.0 write.0.3 truncate.0",
        "header.2.ending.dated.beside.prompt.stepped half.0 stop start write.1.3 check kill carry.0 start write.1.3 rename.0 write.0.3 rename.0 look.3000 look.1500 write.0.3 look.3000 kill once",
    ]);
}

#[test]
fn an_older_state_reports_no_loss_of_delivered_bytes_of_a_deleted_file() {
    hold(&[
        "header.2.star+old.numbered.olddir.prompt.stepped write.1.3 start take.elastic.1000 kill edit.0 start look.1000 write.1.2 write.0.12 extend.1.5 recreate.0.12 look.1000 look.1500 copytruncate.1 kill write.0.40 start write.1.300 write.0.5 copytruncate.0 keep look.100 stop write.0.1 start write.0.12 expire.0 write.0.2 stop rename.1 lose rename.0 rename.0 half.0 reopen.1 old start rename.1 compress.0.zst.move take.elastic.1",
    ]);
}

#[test]
fn a_log_that_began_with_half_a_line_is_identified_by_it() {
    hold(&[
        "json.1.star+old.numbered.olddir.prompt.stepped half.0 once write.0.12 rename.0 compress.0.gz.move recreate.0.12",
        "stamped.1.ending.extension.beside.late.stepped look.100 look.6000 stop start extend.0.1 half.0 look.1000 look.6000 look.100 look.6000 look.6000 write.0.12 reload.ending.2 rename.0 look.1500 write.0.3 kill write.0.3 start stop lose recreate.0.4 lose copytruncate.0 start back.elastic reload.all.0 rename.0 away.archive",
    ]);
}

#[test]
fn growth_is_noticed_at_once_also_in_an_editors_replacement_of_a_log() {
    hold(&[
        "header.1.star.numbered.beside.prompt.stepped write.0.10 start look.1500 truncate.0 copytruncate.0 take.elastic.1 look.1500 write.0.2 look.6000 write.0.5 look.6000 copytruncate.0 write.0.1 write.0.5 keep look.100 expire.0 edit.0 look.1500 edit.0 look.6000 tidy.0 write.0.12 look.3000 look.300 write.0.1 copytruncate.0 copytruncate.0 expire.0 commit look.100 take.elastic.2 copytruncate.0",
    ]);
}
