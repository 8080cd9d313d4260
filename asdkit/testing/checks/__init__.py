"""All checks, in the order of reports."""

from asdkit.plugins import Kind
from asdkit.testing.checks import features, io, layouts, learning, options, scoring
from asdkit.testing.contract import Check

_DETECTOR: tuple[Kind, ...] = ("detector",)
_FEATURIZER: tuple[Kind, ...] = ("featurizer",)
_AUGMENTER: tuple[Kind, ...] = ("augmenter",)
_FUSER: tuple[Kind, ...] = ("fuser",)
_LAYOUT: tuple[Kind, ...] = ("layout",)
_LEARNERS: tuple[Kind, ...] = ("detector", "fuser")

CHECKS: tuple[Check, ...] = (
    # Registration and options.
    Check(options.registering_is_light, about_options=True),
    Check(options.defaults_construct, method="__init__"),
    Check(options.options_are_documented, about_options=True),
    Check(options.options_are_validated, about_options=True),
    Check(options.files_are_read_by_their_options),
    # Arrays in and out.
    Check(io.keeps_its_contract),
    Check(io.inputs_are_unchanged),
    # Learning.
    Check(learning.unfitted_use_raises_not_fitted, _LEARNERS, "state"),
    Check(learning.fit_changes_what_is_learnt, _DETECTOR, "fit"),
    Check(learning.scores_are_not_constant, _DETECTOR),
    Check(learning.faults_score_higher, _DETECTOR),
    Check(learning.training_pays, _DETECTOR),
    Check(learning.same_seed_same_result),
    Check(learning.refit_forgets, _LEARNERS, "fit"),
    Check(learning.stops_within_a_batch, _DETECTOR, "fit"),
    # Scores of clips.
    Check(scoring.a_clip_is_scored_on_its_own, _DETECTOR),
    Check(scoring.unknown_ids_get_the_best, _DETECTOR),
    Check(scoring.why_no_weight_is_a_sentence, _DETECTOR),
    Check(scoring.accepted_scales_are_scored, _DETECTOR),
    # Fused scores.
    Check(scoring.a_clip_is_fused_on_its_own, _FUSER),
    Check(scoring.fused_scores_are_not_constant, _FUSER),
    Check(scoring.what_all_members_find_scores_higher, _FUSER),
    Check(scoring.fit_changes_what_is_learnt, _FUSER, "fit"),
    Check(scoring.an_unknown_id_is_fused, _FUSER),
    # Frames.
    Check(features.frames_follow_the_sound, _FEATURIZER),
    Check(features.whole_numbers_are_scaled, _FEATURIZER),
    Check(features.frequencies_are_those_of_the_bands, _FEATURIZER, "frequencies"),
    Check(features.parts_have_the_frames_of_the_whole, _FEATURIZER),
    Check(features.threads_do_not_disturb_each_other, _FEATURIZER),
    Check(features.an_unfitted_featurizer_is_described, _FEATURIZER),
    Check(features.a_fitted_featurizer_is_restored, _FEATURIZER),
    # Augmented waves and windows.
    Check(features.it_changes_something, _AUGMENTER),
    Check(features.variants_have_names, _AUGMENTER, about_options=True),
    Check(features.targets_say_what_is_in_a_window, _AUGMENTER),
    Check(features.randomness_comes_from_rng, _AUGMENTER),
    # Clips of a folder.
    Check(layouts.recordings_of_its_examples_are_clips, _LAYOUT),
    Check(layouts.an_empty_folder_has_no_machine, _LAYOUT),
    Check(layouts.foreign_files_are_no_clips, _LAYOUT),
    Check(layouts.labels_are_no_attributes, _LAYOUT),
    # Another process.
    Check(learning.state_survives_a_new_process, _LEARNERS, "load"),
    Check(learning.runs_without_cuda),
    # Unusual recordings and invalid numbers.
    Check(io.silence, _DETECTOR),
    Check(io.shortest_clip, _DETECTOR),
    Check(io.ragged_lengths, _DETECTOR),
    Check(io.one_id, _DETECTOR),
    Check(io.one_clip, _DETECTOR),
    Check(io.silent_waves, _FEATURIZER),
    Check(io.shortest_waves, _FEATURIZER, "rows"),
    Check(io.unusual_inputs, _AUGMENTER),
    Check(io.unusual_scores, _FUSER),
    # Side effects.
    Check(io.generators_and_threads_are_untouched),
    Check(io.no_file_is_written),
    Check(io.nothing_is_printed),
)


def checks_of(kind: Kind) -> list[Check]:
    """Return the checks for plugins of a kind, in order."""
    return [check for check in CHECKS if kind in check.kinds]
