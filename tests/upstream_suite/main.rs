//! Tests of the target `upstream`: a small suite in the shape of QEMU's, whose tests pass, fail and
//! break in every way, is run as a user would run QEMU's. Ignored where what runs them is missing.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bless;
mod cleanup;
mod missing;
#[path = "../support/script.rs"]
mod script;
mod selection;
mod suite;
#[path = "../support/target.rs"]
mod target;
mod verdicts;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let python = missing::python();
    let mounts = python.or_else(missing::mounts);
    let mut all = trials();
    for (trials, missing) in [(trials_of_python(), python), (trials_of_mounts(), mounts)] {
        if let Some(missing) = missing {
            eprintln!("{missing}: {} tests are ignored", trials.len());
        }
        all.extend(trials.into_iter().map(|trial| trial.with_ignored_flag(missing.is_some())));
    }
    libtest_mimic::run(&Arguments::from_args(), all).exit_code()
}

macro_rules! trials {
    ($($list:ident: $($module:ident::$name:ident),*;)*) => {$(
        fn $list() -> Vec<Trial> {
            vec![$(Trial::test(
                concat!(stringify!($module), "::", stringify!($name)),
                || { $module::$name(); Ok(()) },
            )),*]
        }
    )*};
}

trials! {
    trials:
        missing::no_test_is_left_out,
        selection::without_a_suite_it_says_how_to_get_one_and_passes,
        selection::a_directory_that_is_no_suite_is_an_error,
        selection::a_suite_at_a_path_that_cannot_be_printed_is_an_error,
        selection::the_format_is_not_for_options_to_name,
        selection::nextest_sees_what_runs_and_what_is_skipped,
        selection::listing_starts_nothing,
        selection::listing_asks_qemu_once_where_its_accelerators_decide,
        selection::groups_can_be_listed;
    // They run tests of the suite, which nothing does without a Python.
    trials_of_python:
        bless::blessing_writes_the_reference_that_was_compared,
        bless::the_variable_of_check_blesses_too,
        bless::a_test_that_failed_otherwise_is_not_blessed,
        bless::nothing_is_blessed_in_continuous_integration,
        bless::formats_that_print_different_things_do_not_overwrite_one_reference,
        bless::nothing_is_blessed_that_only_the_clock_of_qtest_would_show,
        bless::a_reference_that_another_format_keeps_to_is_not_overwritten,
        cleanup::a_test_that_hangs_is_ended_and_reported_with_all_it_started,
        cleanup::a_time_out_is_reported_however_long_it_takes_to_clean_up,
        cleanup::a_process_left_behind_is_named_and_killed,
        cleanup::time_spent_waiting_for_others_is_not_the_tests_own,
        cleanup::nothing_lives_on_when_the_run_is_killed,
        cleanup::nothing_is_left_when_the_run_is_interrupted,
        selection::a_reference_of_the_project_is_not_for_the_suite,
        selection::the_source_tree_stands_for_its_suite,
        selection::groups_choose,
        selection::what_is_remembered_of_one_suite_is_not_taken_for_another,
        selection::what_one_suite_left_stays_when_another_passes,
        selection::what_is_left_of_a_test_goes_with_it,
        selection::one_trial_is_found_without_a_look_at_the_others,
        selection::a_name_that_is_given_twice_is_one_trial,
        selection::another_version_of_the_binaries_is_mentioned,
        selection::the_environment_of_a_test_can_be_had_in_a_shell,
        selection::no_run_starts_in_the_environment_of_a_test,
        selection::a_shell_gets_nothing_to_execute_where_there_is_no_environment,
        verdicts::every_test_gets_its_verdict,
        verdicts::a_difference_is_shown_with_its_sides_and_what_to_do,
        verdicts::what_was_chosen_by_chance_is_shown_to_those_who_reproduce_it,
        verdicts::a_bad_exit_status_fails_whatever_was_printed,
        verdicts::bytes_that_are_no_text_can_be_compared_and_shown,
        verdicts::a_failed_unit_test_shows_its_traceback,
        verdicts::a_step_of_the_clock_without_qtest_is_a_skip,
        verdicts::files_of_a_failed_test_are_kept_and_those_of_a_passed_one_are_not,
        verdicts::output_without_measure_is_not_compared,
        verdicts::the_environment_follows_the_settings,
        verdicts::directories_too_long_for_sockets_are_refused,
        verdicts::a_missing_python_module_is_one_error,
        verdicts::reports_hold_the_trials,
        verdicts::side_by_side_the_verdicts_are_the_same,
        verdicts::a_run_goes_on_when_its_program_is_built_anew;
    // They mount something too.
    trials_of_mounts:
        cleanup::what_is_left_mounted_is_unmounted,
        cleanup::what_cannot_be_unmounted_is_reported;
}
