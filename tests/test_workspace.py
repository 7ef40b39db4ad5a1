"""The Python door, with third-party modalities."""

from __future__ import annotations

import inspect

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoreddata import texts

import siamkit as sk
from siamkit.cli import cli
from siamkit.errors import BadInput
from siamkit.flows.forget import forget
from siamkit.stats import calibration, snorm
from siamkit.stats.scoring import mean_score
from siamkit.store import samples


def test_enrol_query_verify_in_five_lines(workspace):
    workspace.enrol("letters", "greeting", "hello there my friend")
    workspace.enrol("letters", "sums", "one and one is two")
    (answer,) = workspace.query("letters", "hello there my freind", k=2)
    assert answer.identity == "greeting"
    assert [m.identity for m in answer.matches] == ["greeting", "sums"]
    assert workspace.verify("letters", "hello", "hello!").verdict.decision == "same"
    assert workspace.verify_identity("letters", "sums", "hello").verdict.decision == "different"


def test_a_stranger_is_unknown(workspace):
    workspace.enrol("letters", "greeting", "hello there my friend")
    (answer,) = workspace.query("letters", "quite another thing")
    assert answer.identity is None
    assert answer.matches[0].identity == "greeting"
    assert answer.threshold.fmr == 0.01


def test_a_threshold_of_the_call_beats_the_gallerys(workspace):
    workspace.enrol("letters", "greeting", "hello there my friend")
    loose, strict = sk.DecisionRule(threshold=0.1), sk.DecisionRule(threshold=0.999)
    assert workspace.query("letters", "hello there", rule=loose)[0].identity == "greeting"
    assert workspace.query("letters", "hello there", rule=strict)[0].identity is None


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"threshold": 7.0}, "not a cosine"),
        ({"threshold": np.nan}, "not a cosine"),
        ({"threshold": 0.5, "fmr": 0.1}, "give only one of"),
        ({"fmr": 0.1, "fpir": 0.1}, "give only one of"),
        ({"fmr": 1.0}, "false match rate 1 is out of range"),
        ({"fpir": 0.0}, "FPIR 0 is out of range"),
        ({"fpir": 0.1, "reranker": "words"}, "cannot be combined with a reranker"),
    ],
)
def test_a_rule_is_one_limit_within_its_range(limits, message):
    with pytest.raises(BadInput, match=message):
        sk.DecisionRule(**limits)


def test_a_verb_refuses_a_rule_that_it_cannot_decide_by(workspace):
    workspace.enrol("letters", "greeting", "hello")
    search, rerank = sk.DecisionRule(fpir=0.1), sk.DecisionRule(reranker="words")
    for ask in (
        lambda: workspace.verify("letters", "a", "b", rule=search),
        lambda: workspace.verify_identity("letters", "greeting", "a", rule=rerank),
        lambda: workspace.verify_fused("greeting", [("letters", "a")], rule=search),
        lambda: workspace.classify("letters", "a", rule=rerank),
        lambda: workspace.dedupe(["a", "b"], modality="letters", rule=search),
    ):
        with pytest.raises(BadInput, match="cannot use"):
            ask()


def test_an_open_workspace_sees_what_others_enrol_and_forget(workspace):
    workspace.enrol("letters", "greeting", "hello there")
    assert workspace.query("letters", "bonjour")[0].matches[0].identity == "greeting"
    with sk.Workspace(workspace.root) as second:
        second.enrol("letters", "french", "bonjour")
        assert workspace.query("letters", "bonjour")[0].identity == "french"
        second.forget("french")
    assert workspace.query("letters", "bonjour")[0].matches[0].identity == "greeting"


def test_an_open_workspace_decides_by_a_calibration_that_came_later(workspace):
    for label, text in texts(40, 3):
        workspace.enrol("letters", label, text)
    probe = texts(40, 3)[0][1]
    assert workspace.query("letters", probe)[0].matches[0].probability is None
    with sk.Workspace(workspace.root) as second:
        second.calibrate("letters")
    (answer,) = workspace.query("letters", probe)
    assert answer.threshold.fpir
    assert answer.matches[0].probability > 0.5


def test_each_way_of_scoring_uses_its_own_calibration(workspace):
    for label, text in texts(40, 6):
        workspace.enrol("letters", label, text)
    calibrated = workspace.calibrate("letters", targets=sk.CalibrationTargets(fmr=0.01))
    left, right = (text for _, text in texts(40, 6)[:2])
    rule = sk.DecisionRule(fmr=0.01)
    pair = workspace.verify("letters", left, right, rule=rule).verdict
    best = workspace.verify_identity("letters", "id000", left, rule=rule).verdict
    assert pair.threshold.value == calibration.threshold_for_fmr(calibrated.pairs).value
    assert best.threshold.value == calibration.threshold_for_fmr(calibrated).value
    # Nothing is known of means: the encoder's threshold, and no probability.
    mean = workspace.verify_identity("letters", "id000", left, fusion="mean").verdict
    assert (mean.threshold.value, mean.probability) == (0.8, None)


def test_a_served_s_norm_is_the_calibrated_one(workspace):
    listed = texts(30, 3)
    for label, text in listed:
        workspace.enrol("letters", label, text)
    workspace.calibrate("letters", normalise=True)
    labels = np.unique([label for label, _ in listed], return_inverse=True)[1]
    rows = workspace.pipeline("letters").encoder.embed([text for _, text in listed])
    expected = np.empty((len(listed), 30))
    cohorts = snorm.build_cohorts(rows, labels)
    for probes, scores in snorm.normalised_leave_one_out(rows, labels, cohorts):
        expected[probes] = scores
    probe = 4
    owned = samples.of_label(workspace.store, "id001")
    forget(workspace.store, [s.id for s in owned if s.source == listed[probe][1]])
    verdict = workspace.verify_identity("letters", "id001", listed[probe][1]).verdict
    assert verdict.normalised == pytest.approx(expected[probe, 1], rel=1e-4)
    (answer,) = workspace.query("letters", listed[probe][1], k=1)
    assert answer.matches[0].normalised == pytest.approx(expected[probe, 1], rel=1e-4)
    assert answer.decided_by == "snorm"


def test_one_gallery_gives_evidence_once(workspace):
    workspace.enrol("letters", "greeting", "hello there")
    with pytest.raises(sk.BadInput, match="two probes are of letters"):
        workspace.verify_fused("greeting", [("letters", "hello"), ("letters", "hullo")])


def test_best_and_mean_score_an_identity_by_all_its_samples(workspace):
    for text in ("abcabcabc", "abcabcxyz", "xyzxyzxyz"):
        workspace.enrol("letters", "mixed", text)
    encode = workspace.pipeline("letters").encoder.embed
    rows, (probe,) = encode(["abcabcabc", "abcabcxyz", "xyzxyzxyz"]), encode(["abcabc"])
    best = workspace.query("letters", "abcabc", fusion="best")[0].matches[0].score
    mean = workspace.query("letters", "abcabc", fusion="mean")[0].matches[0].score
    centre = rows.mean(axis=0)
    assert best == pytest.approx((rows @ probe).max(), abs=1e-5)
    assert mean == pytest.approx(centre @ probe / np.linalg.norm(centre), abs=1e-5)
    verification = workspace.verify_identity("letters", "mixed", "abcabc", fusion="mean")
    assert verification.verdict.score == pytest.approx(mean, abs=1e-5)


@given(count=st.integers(1, 8), seed=st.integers(0, 999))
def test_a_mean_of_usual_templates_scores_like_one_of_them(count, seed):
    usual = 0.8
    rng = np.random.default_rng(seed)
    mixture = np.full((count, count), usual) + (1 - usual) * np.eye(count)
    turned = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    templates = np.linalg.cholesky(mixture) @ turned[:count]  # every two have the usual cosine
    probe = turned[-1]
    assert mean_score(templates, probe, usual) == pytest.approx((templates @ probe).mean())
    alike = np.repeat(templates[:1], count, axis=0)  # more alike than usual: they ask for more
    length = np.sqrt(1 / count + (1 - 1 / count) * usual)
    assert mean_score(alike, templates[0], usual) == pytest.approx(length)
    assert mean_score(alike, templates[0]) == pytest.approx(1.0)


def test_by_their_means_the_best_does_not_depend_on_k(workspace):
    workspace.create_gallery("letters", "letters")
    probe = np.eye(64, dtype=np.float32)[0]
    near, wide = np.eye(64)[0] + 0.3 * np.eye(64)[1], np.eye(64)[0] + 0.4 * np.eye(64)[2]
    scattered = [near, near, near, near, *(np.eye(64)[3:9])]
    labels = ["scattered"] * len(scattered) + ["steady"]
    assert list(workspace.add_templates("letters", labels, np.array([*scattered, wide])))
    from siamkit.flows.nearest import find_nearest

    live = workspace.index(workspace.gallery("letters"))
    for k in (1, 2):
        (row,) = find_nearest(live, probe[None], k, "mean")
        assert row[0].identity == "steady"


def test_the_search_is_widened_past_one_identitys_many_samples(workspace):
    workspace.create_gallery("letters", "letters")
    rng = np.random.default_rng(0)
    near = np.eye(64)[0] + 0.01 * rng.normal(size=(300, 64))
    far = np.eye(64)[1:4]
    labels = ["crowd"] * 300 + ["a", "b", "c"]
    assert list(workspace.add_templates("letters", labels, np.concatenate([near, far]))) == [303]
    from siamkit.flows.nearest import find_nearest

    live = workspace.index(workspace.gallery("letters"))
    (row,) = find_nearest(live, np.eye(64, dtype=np.float32)[:1], 4)
    assert row[0].identity == "crowd"
    assert {m.identity for m in row} == {"crowd", "a", "b", "c"}


def test_forgotten_vectors_leave_no_trace_on_disk(workspace):
    workspace.enrol("letters", "secret", "nobody should find this")
    workspace.enrol("letters", "other", "this may stay")
    workspace.query("letters", "anything")
    (vector,) = workspace.pipeline("letters").encoder.embed(["nobody should find this"])

    def found() -> bool:
        return any(
            vector.tobytes() in path.read_bytes() or b"nobody should" in path.read_bytes()
            for path in workspace.root.rglob("*")
            if path.is_file()
        )

    assert found()
    workspace.forget("secret")
    assert not found()
    assert workspace.query("letters", "nobody should find this")[0].matches[0].identity == "other"


def test_forgetting_one_gallery_leaves_the_others(workspace):
    workspace.create_gallery("a", "letters")
    workspace.create_gallery("b", "letters")
    workspace.enrol("a", "anna", "one")
    workspace.enrol("b", "anna", "two")
    assert workspace.forget("anna", gallery="a") == 1
    assert workspace.query("b", "two")[0].identity == "anna"
    assert workspace.query("a", "two")[0].matches == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_by_row(workspace, value):
    workspace.create_gallery("letters", "letters")
    rows = np.ones((3, 64), np.float32)
    rows[1, 5] = value
    with pytest.raises(sk.BadInput, match="row 1"):
        list(workspace.add_templates("letters", ["a", "b", "c"], rows))
    assert workspace.query("letters", "hello")[0].matches == []


def test_an_array_is_refused_where_samples_are_texts(workspace):
    array = np.zeros((9, 9, 3), np.uint8)
    workspace.enrol("letters", "greeting", "hello")
    for ask in (
        lambda: workspace.query("letters", array),
        lambda: workspace.classify("letters", array),
        lambda: workspace.verify("letters", "a", array),
    ):
        with pytest.raises(BadInput, match="expected a text, bytes or path; got an array of uint8"):
            ask()
    (enrolled,) = workspace.enrol_many("letters", [("x", array)])
    assert "items[0]: expected a text" in str(enrolled.error)


def test_a_result_has_the_label_that_is_stored(workspace):
    assert workspace.enrol("letters", " Zoe\u0308 ", "hello").label == "Zo\u00eb"
    again, number = workspace.enrol_many("letters", [("Zo\u00eb ", "hello"), (7, "hello there")])
    assert (again.label, again.status) == ("Zo\u00eb", "already")
    assert (number.label, number.status) == ("7", "enrolled")


def test_a_chooser_that_chooses_nothing_is_an_error(workspace):
    with pytest.raises(sk.NothingFound, match="no region was chosen"):
        workspace.enrol("letters", "greeting", "hello", choose=lambda detected: [])
    workspace.enrol("letters", "greeting", "hello")
    with pytest.raises(sk.NothingFound, match="hello: no region was chosen"):
        workspace.query("letters", "hello", choose=lambda detected: [])


def test_a_missing_store_and_a_missing_gallery_say_what_to_do(workspace):
    with pytest.raises(sk.StoreError) as error:
        workspace.query("letters", "x")
    assert "siamkit enrol" in error.value.hint
    workspace.create_gallery("staff", "letters")
    with pytest.raises(sk.StoreError) as error:
        workspace.query("stuff", "x")
    assert error.value.hint == "did you mean 'staff'?"


def test_public_names_exist():
    for name in sk.__all__:
        assert getattr(sk, name) is not None


def test_every_command_is_a_method():
    methods = {
        "list": ["identities"],
        "show": ["identity"],
        "import": ["import_"],
        "galleries create": ["create_gallery"],
        "galleries list": ["galleries", "count"],
        "galleries delete": ["delete_gallery"],
        "index stats": ["index_stats"],
        "mine-negatives": ["mine_negatives"],
        "style": ["stylise", "stylise_many", "named_styles"],
        "serve": [],  # it and `mcp` hand the methods of the others to programs
        "mcp": [],
        "index rebuild": ["rebuild_index"],
        "encoders list": ["encoders"],
        "encoders build": ["build_encoders"],
        "encoders add": ["add_encoder"],
        "encoders path": ["encoder_path"],
        "detectors list": ["detectors"],
        "detectors build": ["build_detectors"],
        "detectors add": ["add_detector"],
        "detectors path": ["detector_path"],
        "plugins list": ["plugins"],
        "plugins check": ["check_plugin"],
        "plugins new": ["new_plugin"],
    }
    commands = [
        " ".join(filter(None, [name, below]))
        for name in cli.list_commands(click.Context(cli))
        for below in getattr(cli.get_command(click.Context(cli), name), "commands", [""])
        if name != "train"  # `train` returns a run, which exports and draws itself
    ]
    for command in commands:
        for method in methods.get(command, [command]):
            assert hasattr(sk.Workspace, method), command


def test_public_methods_are_documented_and_typed():
    for name, method in inspect.getmembers(sk.Workspace, inspect.isfunction):
        if not name.startswith("_") and name != "pipeline_of":
            assert method.__doc__, f"Workspace.{name} has no docstring"
            assert "return" in method.__annotations__
