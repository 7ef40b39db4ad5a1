"""Each loss, value and gradient, against pytorch-metric-learning or a plain loop."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from pytorch_metric_learning import distances, losses, reducers
from torch.nn.functional import normalize

from siamkit.train.config import TrainConfig
from siamkit.train.loss_settings import LOSSES, PROXY_LOSSES
from siamkit.train.losses import build_loss
from siamkit.train.miners import NO_TRIPLETS, Triplets, miner
from siamkit.train.relations import relations, squared_distances

DIM = 8
TRIPLET_LOSSES = ("triplet", "soft-triplet")
SQUARED = distances.LpDistance(power=2, normalize_embeddings=False)


def batch(impostors=False, seed=0):
    """5 identities of 4; with `impostors`, the last of each is one."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(5).repeat_interleave(4)
    raw = torch.randn(20, DIM, generator=generator, dtype=torch.float64)
    embeddings = normalize(raw + raw[::4].repeat_interleave(4, 0)).requires_grad_()
    impostor = (torch.arange(20) % 4 == 3) & impostors
    related = relations(labels, impostor)
    triplets = miner("random", 0.2, DIM)(squared_distances(embeddings.detach()), related, generator)
    return embeddings, related, triplets


def loss_of(name, **settings):
    """`name` may be any loss setting."""
    torch.manual_seed(0)
    return build_loss(TrainConfig(loss=name, dim=DIM, **settings), classes=5)


def pairs_of(related):
    return (*torch.where(related.positive), *torch.where(related.negative))


def gradient(value, embeddings):
    """Along the sphere: what is left of it once it has passed through the normalisation."""
    (whole,) = torch.autograd.grad(value, embeddings, retain_graph=True)
    return whole - (whole * embeddings).sum(1, keepdim=True) * embeddings


def same(ours, theirs, embeddings):
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    a, b = gradient(ours, embeddings), gradient(theirs, embeddings)
    torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("impostors", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_triplet_is_that_of_pytorch_metric_learning(margin, impostors):
    embeddings, related, triplets = batch(impostors)
    peer = losses.TripletMarginLoss(margin, distance=SQUARED)
    theirs = peer(embeddings, related.labels, indices_tuple=triplets)
    same(loss_of("triplet", margin=margin)(embeddings, related, triplets), theirs, embeddings)


def test_triplet_is_the_formula_itself():
    embeddings, related, triplets = batch(impostors=True)
    terms = []
    for a, p, n in zip(*(rows.tolist() for rows in triplets), strict=True):
        e = embeddings.detach()
        nearer = sum((e[a] - e[p]) ** 2) - sum((e[a] - e[n]) ** 2)
        terms.append(max(float(nearer) + 0.2, 0.0))
    expected = sum(terms) / sum(term > 0 for term in terms)
    assert loss_of("triplet")(embeddings, related, triplets).item() == pytest.approx(
        expected, abs=1e-9
    )


def test_soft_triplet_is_that_of_pytorch_metric_learning():
    embeddings, related, triplets = batch(impostors=True)
    peer = losses.TripletMarginLoss(
        0.0, smooth_loss=True, distance=SQUARED, reducer=reducers.MeanReducer()
    )
    theirs = peer(embeddings, related.labels, indices_tuple=triplets)
    same(loss_of("soft-triplet")(embeddings, related, triplets), theirs, embeddings)


def test_multiple_negatives_is_that_of_pytorch_metric_learning_without_impostors():
    embeddings, related, _ = batch()
    theirs = losses.NTXentLoss(temperature=0.1)(embeddings, related.labels)
    same(loss_of("multiple-negatives")(embeddings, related, NO_TRIPLETS), theirs, embeddings)


def test_multiple_negatives_is_the_formula_with_impostors():
    embeddings, related, _ = batch(impostors=True)
    scores = (embeddings @ embeddings.T).detach() / 0.1
    terms = []
    for a, p in related.positive.nonzero().tolist():
        against = sum(math.exp(scores[a, n]) for n in range(20) if related.negative[a, n])
        mated = math.exp(scores[a, p])
        terms.append(-math.log(mated / (mated + against)))
    ours = loss_of("multiple-negatives")(embeddings, related, NO_TRIPLETS).item()
    assert ours == pytest.approx(sum(terms) / len(terms), abs=1e-9)


def test_contrastive_is_that_of_pytorch_metric_learning_on_squared_distances():
    embeddings, related, _ = batch(impostors=True)
    pairs = pairs_of(related)
    theirs = losses.ContrastiveLoss(neg_margin=0.9, distance=SQUARED)(
        embeddings, indices_tuple=pairs
    )
    same(loss_of("contrastive", margin=0.9)(embeddings, related, NO_TRIPLETS), theirs, embeddings)


def test_multi_similarity_is_the_formula_with_impostors():
    embeddings, related, _ = batch(impostors=True)
    cosine, total = (embeddings @ embeddings.T).detach(), 0.0
    for a in range(20):
        mated = sum(
            math.exp(-2 * (cosine[a, p] - 0.5)) for p in range(20) if related.positive[a, p]
        )
        others = sum(
            math.exp(50 * (cosine[a, n] - 0.5)) for n in range(20) if related.negative[a, n]
        )
        total += math.log1p(mated) / 2 + math.log1p(others) / 50
    ours = loss_of("multi-similarity")(embeddings, related, NO_TRIPLETS).item()
    assert ours == pytest.approx(total / 20, abs=1e-6)


def test_arcface_is_the_formula_on_genuine_samples():
    embeddings, related, _ = batch(impostors=True)
    loss = loss_of("arcface", margin=0.3, temperature=0.05)
    ours = loss(embeddings, related, NO_TRIPLETS)
    centres = normalize(next(loss.parameters()).detach().T)
    angles = torch.acos(embeddings.detach() @ centres.T)
    terms = []
    for row in torch.where(~related.impostor)[0].tolist():
        logits = angles[row].clone()
        logits[related.labels[row]] += 0.3
        terms.append(-torch.log_softmax(logits.cos() / 0.05, 0)[related.labels[row]].item())
    assert ours.item() == pytest.approx(sum(terms) / len(terms), abs=1e-6)


def test_proxy_anchor_is_the_formula_on_genuine_samples():
    embeddings, related, _ = batch(impostors=True)
    loss = loss_of("proxy-anchor")
    ours = loss(embeddings, related, NO_TRIPLETS)
    cosine = embeddings.detach() @ normalize(next(loss.parameters()).detach()).T
    expected = 0.0
    for proxy in range(5):
        mine = (related.labels == proxy) & ~related.impostor
        others = (related.labels != proxy) & ~related.impostor
        expected += math.log1p((-10 * (cosine[mine, proxy] - 0.1)).exp().sum().item()) / 5
        expected += math.log1p((10 * (cosine[others, proxy] + 0.1)).exp().sum().item()) / 5
    assert ours.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", TRIPLET_LOSSES)
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("swap", [False, True])
def test_the_triplets_parameters_are_those_of_pytorch_metric_learning(name, power, swap):
    embeddings, related, triplets = batch(impostors=True)
    soft = {"smooth_loss": True, "reducer": reducers.MeanReducer()} if "soft" in name else {}
    distance = distances.LpDistance(power=power, normalize_embeddings=False)
    peer = losses.TripletMarginLoss(0.3, swap=swap, distance=distance, **soft)
    theirs = peer(embeddings, related.labels, indices_tuple=triplets)
    ours = loss_of({"name": name, "margin": 0.3, "power": power, "swap": swap})
    same(ours(embeddings, related, triplets), theirs, embeddings)


COSINE = distances.CosineSimilarity()
PEERS = [
    ({"name": "multi-similarity", "alpha": 3, "beta": 20, "base": 0.4},
     losses.MultiSimilarityLoss(3, 20, 0.4)),
    ({"name": "circle", "margin": 0.25, "gamma": 128}, losses.CircleLoss(0.25, 128)),
    ("circle", losses.CircleLoss()),
    ({"name": "supcon", "temperature": 0.2}, losses.SupConLoss(0.2)),
    ({"name": "multiple-negatives", "temperature": 0.2}, losses.NTXentLoss(0.2)),
    (
        {"name": "contrastive", "margin": 0.9, "positive_margin": 0.2, "power": 1},
        losses.ContrastiveLoss(0.2, 0.9),
    ),
    ({"name": "contrastive", "margin": 0.9, "positive_margin": 0.2},
     losses.ContrastiveLoss(0.2, 0.9, distance=SQUARED)),
    ({"name": "arcface", "margin": math.radians(28.6), "scale": 64},
     lambda: losses.ArcFaceLoss(5, DIM)),
    ({"name": "cosface", "margin": 0.35, "scale": 64}, lambda: losses.CosFaceLoss(5, DIM)),
    ({"name": "subcenter-arcface", "margin": math.radians(28.6), "scale": 64},
     lambda: losses.SubCenterArcFaceLoss(num_classes=5, embedding_size=DIM)),
    ({"name": "proxy-anchor", "margin": 0.1, "alpha": 32},
     lambda: losses.ProxyAnchorLoss(5, DIM)),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "peer"), PEERS)
def test_parameters_are_those_of_pytorch_metric_learning(setting, peer):
    embeddings, related, _ = batch(seed=3)
    ours = loss_of(setting)
    if not isinstance(peer, torch.nn.Module):
        torch.manual_seed(0)  # of the proxies
        peer = peer()
    same(
        ours(embeddings, related, NO_TRIPLETS),
        peer(embeddings, related.labels),
        embeddings,
    )


def sentences(loss, columns, labels=None):
    """The loss of sentence-transformers, of columns of vectors in place of sentences."""
    return loss(SimpleNamespace(device="cpu")).compute_loss_from_embeddings(columns, labels)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_multiple_negatives_is_that_of_sentence_transformers(symmetric, hard):
    """Anchors first, their positives next, then a hard negative of each."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    raw = torch.randn(18, DIM, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    embeddings = normalize(raw).requires_grad_()
    columns = list(embeddings.split(6))[: 3 if hard else 2]
    directions = ("query_to_doc", "doc_to_query") if symmetric else ("query_to_doc",)
    theirs = sentences(
        lambda model: MultipleNegativesRankingLoss(
            model, scale=5.0, directions=directions, partition_mode="per_direction"
        ),
        columns,
    )
    candidates = embeddings[: 18 if hard else 12]
    positive = torch.zeros(6, len(candidates), dtype=torch.bool)
    positive[torch.arange(6), 6 + torch.arange(6)] = True
    related = relations(torch.arange(6).repeat(3)[: len(candidates)], positive.any(0) & False, 6)
    negative = ~positive
    negative[:, :6] = False  # another anchor is neither
    related = replace(related, positive=positive, negative=negative)
    ours = loss_of({"name": "multiple-negatives", "temperature": 0.2, "symmetric": symmetric})
    same(ours(candidates, related, NO_TRIPLETS), theirs, embeddings)


def test_cosent_is_that_of_sentence_transformers():
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    embeddings, related, _ = batch(seed=5)
    scores = torch.tensor([0.0, 1.0, 0.5, 0.5, 0.2, 1.0, 0.9, 0.0, 0.3, 0.7])
    rows = torch.arange(20).reshape(2, 10)
    theirs = sentences(CoSENTLoss, [embeddings[rows[0]], embeddings[rows[1]]], scores)
    related = replace(related, scored=rows.T, scores=scores)
    same(loss_of("cosent", temperature=0.05)(embeddings, related, NO_TRIPLETS), theirs, embeddings)


def test_cosent_without_scores_puts_every_positive_pair_above_every_negative_one():
    embeddings, related, _ = batch(impostors=True)
    marked = torch.cat([related.positive.nonzero(), related.negative.nonzero()])
    scores = (torch.arange(len(marked)) < related.positive.sum()).float()
    scored = replace(related, scored=marked, scores=scores)
    loss = loss_of("cosent")
    same(loss(embeddings, related, NO_TRIPLETS), loss(embeddings, scored, NO_TRIPLETS), embeddings)
    ties = replace(scored, scores=torch.ones(len(marked)))
    assert loss(embeddings, ties, NO_TRIPLETS).item() == 0


def test_a_list_is_a_weighted_sum():
    embeddings, related, triplets = batch(impostors=True)
    arcface = {"name": "arcface", "weight": 0.5, "scale": 30}
    both = loss_of(["triplet", arcface])
    parts = loss_of("triplet"), loss_of("arcface", temperature=1 / 30)
    expected = parts[0](embeddings, related, triplets) + 0.5 * parts[1](
        embeddings, related, triplets
    )
    same(both(embeddings, related, triplets), expected, embeddings)
    assert both.mined
    assert not loss_of(["supcon", "arcface"]).mined
    assert len(list(both.parameters())) == 1
    heavier = loss_of({"name": "supcon", "weight": 3})(embeddings, related, triplets)
    torch.testing.assert_close(heavier, 3 * loss_of("supcon")(embeddings, related, triplets))


@pytest.mark.parametrize("name", ["contrastive", "multi-similarity", "supcon", "circle"])
def test_a_single_pair_of_each_kind_counts(name):
    embeddings = normalize(torch.tensor([[1.0, 0.2], [0.6, 0.8], [0.9, 0.3]])).requires_grad_()
    related = relations(torch.tensor([0, 0, 1]), torch.zeros(3, dtype=torch.bool), anchors=1)
    assert loss_of(name)(embeddings, related, NO_TRIPLETS) > 0


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_gradient_and_says_whether_it_reads_triplets(name):
    embeddings, related, triplets = batch(impostors=True)
    loss = loss_of(name)
    value = loss(embeddings, related, triplets)
    value.backward()
    assert value.shape == ()
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())
    assert loss.mined == (name in TRIPLET_LOSSES)
    assert bool(list(loss.parameters())) == (name in PROXY_LOSSES)
    assert torch.equal(loss(embeddings, related, NO_TRIPLETS), value) != loss.mined


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("labels", "impostor"),
    [([0], [0]), ([0, 0, 0], [0, 0, 0]), ([0, 1, 2], [0, 0, 0]), ([0, 0], [1, 1])],
    ids=["one sample", "one identity", "no positives", "impostors alone"],
)
def test_a_batch_with_little_to_learn_from_keeps_a_finite_gradient(name, labels, impostor):
    related = relations(torch.tensor(labels), torch.tensor(impostor, dtype=torch.bool))
    raw = torch.randn(len(labels), DIM, generator=torch.Generator().manual_seed(1))
    raw.requires_grad_()
    value = loss_of(name)(normalize(raw), related, NO_TRIPLETS)
    value.backward()
    assert value.isfinite()
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize("name", TRIPLET_LOSSES)
def test_without_triplets_the_loss_is_zero(name):
    embeddings, related, _ = batch()
    assert loss_of(name)(embeddings, related, NO_TRIPLETS).item() == 0


def test_satisfied_triplets_cost_nothing_and_do_not_dilute_the_others():
    embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]])
    related = relations(torch.tensor([0, 0, 1, 2]), torch.zeros(4, dtype=torch.bool))
    loss = loss_of("triplet", margin=0.5)
    violating, satisfied = torch.tensor([[0], [1], [2]]), torch.tensor([[0], [1], [3]])
    alone = loss(embeddings, related, Triplets(*violating))
    assert alone.item() == pytest.approx(0.4 - 0.8 + 0.5)
    both = loss(embeddings, related, Triplets(*torch.cat([violating, satisfied], 1)))
    assert both.item() == pytest.approx(alone.item())


@pytest.mark.parametrize("name", LOSSES)
def test_candidates_that_are_no_anchors_are_compared_with_the_anchors_alone(name):
    """As the whole batch, once the relations of the other anchors are struck out."""
    embeddings, whole, triplets = batch(impostors=True)
    part = relations(whole.labels, whole.impostor, anchors=12)
    struck = torch.arange(20)[:, None] < 12
    masked = replace(whole, positive=whole.positive & struck, negative=whole.negative & struck)
    assert torch.equal(part.positive, whole.positive[:12])
    assert torch.equal(part.negative, whole.negative[:12])
    triplets = Triplets(*(rows[triplets.anchor < 12] for rows in triplets))
    loss = loss_of(name, margin=1.5)
    value = loss(embeddings, part, triplets)
    (gradient,) = torch.autograd.grad(value, embeddings)
    if name in PROXY_LOSSES:
        alone = relations(whole.labels[:12], whole.impostor[:12])
        expected = loss(embeddings[:12], alone, NO_TRIPLETS)
    else:
        expected = loss(embeddings, masked, triplets)
    if name == "multi-similarity":
        expected = expected * 20 / 12  # a mean over the anchors
    torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-6)
    assert bool(gradient[12:].any()) == (name not in PROXY_LOSSES)


@pytest.mark.parametrize("name", ["random", "semi-hard", "batch-hard", "distance-weighted"])
def test_miners_draw_positives_and_negatives_beyond_the_anchors(name):
    embeddings, whole, _ = batch(impostors=True)
    part = relations(whole.labels, whole.impostor, anchors=5)
    distances = squared_distances(embeddings.detach(), anchors=5)
    torch.testing.assert_close(distances, squared_distances(embeddings.detach())[:5])
    anchor, positive, negative = miner(name, 0.5, DIM)(distances, part, torch.Generator())
    assert part.positive[anchor, positive].all()
    assert part.negative[anchor, negative].all()
    assert anchor.max() < 5 <= negative.max()
