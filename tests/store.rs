//! One suite for all engines behind the store's traits, races between threads and processes included; then what is SQLite's
//! own: files, keys, backups.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "store/site.rs"]
mod site;

#[path = "store/administer.rs"]
mod administer;
#[path = "store/limits.rs"]
mod limits;
#[path = "store/model.rs"]
mod model;
#[path = "store/pending.rs"]
mod pending;
#[path = "store/race.rs"]
mod race;
#[path = "store/settle.rs"]
mod settle;
#[path = "store/single.rs"]
mod single;

#[path = "store/backup.rs"]
mod backup;
#[path = "store/files.rs"]
mod files;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/sync.rs"]
mod sync;

/// Runs every rule on an engine; another engine needs another `Site` and one more line.
macro_rules! suite {
    ($engine:ident, $site:ty, $($module:ident: $($rule:ident)*;)*) => {
        mod $engine {
            $($(
                #[test]
                fn $rule() {
                    super::$module::$rule(&<$site as super::site::Site>::new());
                }
            )*)*
        }
    };
}

suite! { sqlite, crate::site::Sqlite,
    settle:
        right_code_is_accepted_once
        older_step_than_the_last_is_refused
        spent_step_is_refused_after_restart
        recovery_code_is_accepted_once
        code_behind_a_wrong_password_is_spent_and_lets_nobody_in
        second_of_two_codes_resynchronises
        wrong_codes_slow_the_source_down
        another_source_is_not_slowed_down
        wrong_codes_after_the_password_lock_the_user
        the_lock_ends_by_itself_and_by_unlocking
        retransmitted_wrong_code_counts_once
        unknown_user_is_slowed_down_like_a_known_one
        not_enrolled_counts_like_a_wrong_code
        spent_code_does_not_count
        question_for_a_passcode_tells_nothing_and_counts_nothing
        accept_forgets_failures
        drifted_code_is_remembered_until_an_accept
        exempt_and_malformed_pass_the_gate
        what_changed_since_find_refuses
        token_of_another_user_cannot_be_spent
        clock_set_back_opens_nothing
        dropped_future_still_spends
        every_attempt_is_recorded
        one_bad_operation_does_not_spoil_the_others;
    limits:
        beyond_the_budget_a_second_code_is_needed_and_enough
        who_has_proven_the_password_is_not_held_back
        codes_over_many_names_are_counted_by_client
        recovery_code_is_long_enough_for_itself
        locks_grow_and_are_remembered
        answer_that_was_asked_for_is_not_slowed_down
        code_that_was_sent_is_not_ended_by_others;
    single:
        user_without_a_token_is_let_in_so_often
        no_number_of_simultaneous_logins_gets_in_once_more
        who_has_enrolled_meanwhile_is_not_let_in_without_his_token
        locked_user_is_not_let_in_by_the_password_alone
        link_to_enrol_is_sent_now_and_then
        login_is_remembered_from_there_with_that_password_for_a_while
        login_that_is_remembered_once_is_good_for_one
        datagram_that_comes_again_spends_nothing_and_ends_with_its_user
        remembered_login_that_comes_again_ends_with_what_was_remembered
        nothing_but_a_second_factor_is_remembered
        remembered_login_is_forgotten
        mailbox_is_kept;
    pending:
        passcode_of_an_unchecked_password_is_spent_and_a_failure
        failure_is_taken_back_by_the_accept
        passcode_is_confirmed_once_and_by_its_user_only
        one_of_many_who_confirm_at_once_gets_it
        what_ends_remembered_logins_ends_a_pending_passcode
        lock_of_its_own_failure_goes_with_it_and_another_stays
        nobody_is_let_in_before_the_password_was_checked;
    administer:
        password_is_set_renamed_and_taken_away
        users_are_added_listed_and_deleted
        renamed_user_keeps_his_secrets
        tokens_are_added_listed_and_deleted
        serials_are_not_given_twice
        secret_is_not_given_twice
        who_had_a_token_is_known_for_good
        missing_and_taken_names_are_told
        last_accept_is_remembered
        administrator_spends_a_code
        many_users_are_imported
        audit_is_filtered;
    race:
        one_of_a_thousand_gets_in
        one_of_two_processes_gets_in
        nothing_accepted_before_kill_is_accepted_again
        simultaneous_guesses_get_no_further_than_single_ones;
    model:
        store_does_what_the_model_does;
}
