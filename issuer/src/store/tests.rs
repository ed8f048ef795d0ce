//! One list of promises, kept by both databases.
//!
//! A promise is a function over a [`Bed`]. On PostgreSQL it is ignored unless asked for (`--include-ignored`), with
//! `KEYTEST_POSTGRES` naming a directory that holds `initdb` and `postgres`.

mod accounts;
mod administration;
mod all_sessions;
mod bed;
pub(super) mod cluster;
mod declaration;
mod evidence;
mod feed;
mod keys;
mod migrations;
mod postgres_only;
mod revocation;
mod schema;
mod sessions;
mod setup;
mod sqlite_only;
mod statements;
mod world;

use bed::Bed;

macro_rules! promises {
    ($($room:ident: $($name:ident),+;)+) => {
        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$room::$name(&super::Bed::sqlite()).await;
                }
            )+)+
        }

        mod on_postgres {
            $($(
                #[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$room::$name(&super::Bed::postgres().await).await;
                }
            )+)+
        }
    };
}

promises! {
    statements:
        every_statement_can_be_prepared;
    schema:
        migrating_twice_changes_nothing,
        the_schema_is_the_documented_one,
        every_reference_has_its_constraint,
        what_no_row_may_say_is_refused,
        built_in_scopes_belong_to_the_administrator;
    sessions:
        a_login_opens_a_session_with_what_the_user_holds,
        no_session_opens_for_whom_was_disabled_or_changed_meanwhile,
        a_session_moves_one_generation_at_a_time,
        many_refreshes_of_one_token_have_one_successor,
        a_lost_answer_is_given_again_within_the_grace_window,
        a_predecessor_after_the_grace_window_ends_the_session,
        an_older_token_ends_the_session_at_once,
        a_generation_never_handed_out_revokes_nothing,
        another_clients_token_ends_the_session,
        an_unused_session_expires,
        a_used_session_expires_at_last,
        a_disabled_user_or_client_refreshes_nothing,
        a_refresh_holds_what_the_user_holds_now_and_never_more_than_at_the_login,
        a_scope_beyond_the_session_uses_nothing_up_and_hides_nothing,
        time_in_which_nobody_could_answer_does_not_count,
        a_scope_of_after_the_login_enters_no_session,
        an_unknown_session_is_unknown,
        a_call_runs_to_its_end_when_its_caller_gives_up;
    revocation:
        a_session_ends_once_with_its_event_and_its_audit_row,
        nobody_ends_what_is_not_theirs,
        a_token_without_a_session_is_revoked_by_its_own_id,
        a_users_token_stands_with_its_session_its_user_and_its_client,
        a_token_from_before_an_epoch_does_not_stand,
        a_clients_token_stands_with_its_client,
        live_sessions_are_those_that_have_not_ended_or_expired,
        the_oldest_session_ends_when_one_too_many_opens,
        logins_at_once_do_not_pass_the_limit,
        what_is_over_for_long_is_swept_and_nothing_else,
        many_sweeps_at_once_take_a_step_each;
    feed:
        pages_follow_each_other_without_a_gap,
        an_event_is_read_as_it_was_written,
        what_no_token_can_match_any_more_is_left_out,
        the_last_place_survives_every_sweep,
        a_place_of_another_history_is_unknown,
        a_row_that_cannot_be_said_holds_up_no_other,
        a_reader_misses_nothing_while_others_write;
    accounts:
        a_one_time_password_opens_one_session,
        a_one_time_password_expires,
        look_alike_names_collide,
        names_that_look_alike_collide,
        older_users_keep_their_names,
        one_of_many_creations_of_a_name_succeeds,
        a_user_with_an_unknown_role_is_not_made,
        a_password_change_ends_the_other_sessions,
        a_password_change_needs_the_expected_hash,
        stored_hashes_say_how_they_were_made,
        a_rehash_never_undoes_a_change,
        subjects_hold_what_they_were_given,
        a_nul_byte_names_nobody;
    administration:
        a_disabled_user_is_revoked_with_an_audit_row,
        a_change_of_names_keeps_what_it_does_not_name,
        one_of_many_changes_to_an_address_succeeds,
        lost_roles_are_revoked_and_gained_ones_are_not,
        one_administrator_survives_any_race,
        a_reset_ends_everything_and_opens_one_session,
        a_deleted_user_stays_revoked,
        what_a_role_or_scope_takes_away_is_revoked,
        a_new_scope_belongs_to_the_administrator,
        a_client_keeps_its_place_in_the_feed,
        a_replica_keeps_the_deadline_another_set,
        a_change_acts_though_its_caller_gave_up,
        a_busy_client_is_read_again_in_the_background,
        a_copy_ends_with_the_first_of_its_secrets,
        the_audit_log_is_read_from_its_end;
    all_sessions:
        sessions_of_all_are_found_by_user_and_client,
        only_live_sessions_are_found,
        an_administrator_ends_one_session_once,
        all_sessions_of_a_user_end_with_one_event;
    keys:
        a_decision_sees_every_key_and_is_carried_out,
        of_many_decisions_at_once_each_sees_the_one_before,
        an_emergency_is_one_step_for_everyone,
        a_refused_or_impossible_decision_changes_nothing,
        a_removed_key_is_known_no_more_and_cannot_be_opened,
        a_standby_that_never_signed_may_go,
        a_key_may_sign_until_what_is_planned_does,
        what_has_begun_in_a_keys_life_is_not_undone,
        a_key_that_was_not_seen_for_long_enough_signs_nothing,
        an_emergency_waits_for_no_look,
        everything_sealed_is_sealed_again_or_nothing;
    declaration:
        a_declaration_is_applied_once,
        a_declaration_changes_what_differs,
        what_a_declaration_takes_away_is_revoked,
        a_wrong_declaration_changes_nothing,
        a_rehearsal_says_what_would_be_done_and_does_nothing,
        what_a_whole_declaration_does_not_name_goes,
        a_whole_declaration_keeps_what_is_built_in,
        a_client_that_comes_back_stays_revoked,
        a_declaration_leaves_administrators_a_way_in,
        a_new_scope_is_the_administrators_unless_the_declaration_says_otherwise;
    evidence:
        a_database_says_what_it_is_and_who_was_there,
        everything_sealed_is_shown_sealed,
        administrators_are_counted_while_they_are_enabled,
        a_session_is_shown_as_it_is_even_when_it_has_ended,
        a_rotation_is_foretold_and_not_made,
        epochs_and_revoked_tokens_are_shown;
    setup:
        the_first_of_many_bootstraps_wins,
        a_bootstrap_is_done_for_ever,
        a_bootstrap_that_fails_can_be_repeated,
        a_client_is_read_as_it_was_declared,
        origins_are_those_of_enabled_clients,
        replicas_agree_on_the_first_keys,
        replicas_agree_on_a_server_secret,
        the_database_tells_the_time;
}
