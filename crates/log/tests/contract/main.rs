//! One suite that every store passes.
//!
//! A store is added by one line in `stores!` and a way to open it in `place.rs`.

#![allow(clippy::unwrap_used, reason = "test code outside test functions")]

mod ending;
mod place;
mod reading;
mod writing;

/// Each case for each store.
macro_rules! stores {
    ($($module:ident::{$($case:ident),* $(,)?})*) => {
        mod memory { $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { crate::$module::$case(&crate::place::Place::memory()).await }
        )*)* }
        mod process { $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { crate::$module::$case(&crate::place::Place::disk(false)).await }
        )*)* }
        mod always { $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { crate::$module::$case(&crate::place::Place::disk(true)).await }
        )*)* }
    };
}

stores! {
    writing::{
        a_stream_is_what_was_written,
        a_name_is_taken_once,
        a_false_fence_writes_nothing,
        a_bad_batch_writes_nothing,
        one_of_many_writers_wins_each_record,
        taking_over_fences_the_writer_before,
        one_of_many_takes_over,
        a_stream_ends_once,
        a_dropped_append_leaves_no_doubt,
        appends_in_flight_keep_their_order,
        nothing_follows_an_end_in_flight,
    }
    reading::{
        resuming_anywhere_gives_the_rest,
        a_waiting_reader_is_woken,
        a_polled_reader_misses_nothing,
        a_thousand_readers_see_the_same,
        a_slow_reader_misses_nothing,
        another_history_is_told_apart,
        a_read_is_bounded,
        a_reader_may_attach_before_each_record,
    }
    ending::{
        what_is_deleted_is_gone,
        expiry_is_absolute,
        a_stream_may_expire_sooner,
        only_a_fresh_name_makes_a_stream,
        streams_are_listed_newest_first,
        a_closed_log_says_so,
        what_was_written_survives_reopening,
        what_was_left_open_is_found,
    }
}
