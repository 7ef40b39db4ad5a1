"""Measure error rates of a signature encoder: skilled and random forgeries, 1 and 5 references.

    python benchmarks/signatures.py DATA [--encoder FOLDER] [--writers all] [--json]

Only validation writers are tested; --writers all is for an encoder that was trained on none of
them. Each line has one threshold for all writers. Intervals are of 95 %, drawn over writers; after
them, the mean and standard deviation of the EER over 40 random halves of the writers, each with a
threshold of its own. FNMR at an FMR is printed if 30 false matches are expected (rule of 30). Terms
as in ISO/IEC 19795-1; a skilled forgery is a non-mated probe of the writer that it imitates.

1 reference: the cosine of a pair of signatures; `trials` are those listed in DATA.
5 references: one draw takes a writer's first five genuine signatures, nine draws take any; the
others are compared with the five, and the scores of all ten draws are pooled. `served` is what
siamkit prints; `learned` is a logistic regression on the mean, the largest and the smallest cosine
and on the likeness of the references, fitted to the skilled forgeries of all other writers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from signature_trials import (
    Groups,
    Pairs,
    Signature,
    by_writer,
    grouped,
    interval,
    joined,
    listed_pairs,
    over_halves,
    parts,
    random_pairs,
    read,
    skilled_pairs,
)

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.flows.decide import (
    Basis,
    DecisionRule,
    encoder_basis,
    of_references,
    verification_limits,
)
from siamkit.stats.metrics import PersonScores, eer, fnmr_at
from siamkit.stats.scoring import mated_cosine_of, mean_score

REFERENCES, DRAWS, BATCH = 5, 10, 64
LIMITS = {"1%": 1e-2, "0.1%": 1e-3}
ENOUGH = 30  # false matches that have to be expected, of one draw


def embed(data: Path, signatures: Sequence[Signature], pipeline: Pipeline) -> np.ndarray:
    """(n, dim) unit vectors of the files taken whole."""
    rows = []
    for start in range(0, len(signatures), BATCH):
        crops = []
        for signature in signatures[start : start + BATCH]:
            content = pipeline.read(data / signature.path)
            reading = pipeline.detect(content)
            crops.append(pipeline.crop(reading.medium, reading.regions[0], content))
        vectors, good = pipeline.embed(crops)
        if not good.all():
            raise pipeline.row_error(vectors[~good][0])
        rows.append(vectors)
    return np.concatenate(rows)


def one_reference(
    data: Path, signatures: Sequence[Signature], vectors: np.ndarray
) -> dict[str, Groups]:
    def scored(pairs: Pairs) -> Groups:
        blocks = np.array_split(np.arange(len(pairs.left)), len(pairs.left) // 100_000 + 1)
        scores = [
            np.einsum("nd,nd->n", vectors[pairs.left[at]], vectors[pairs.right[at]])
            for at in blocks
        ]
        return grouped(signatures, pairs, np.concatenate(scores))

    return {
        "skilled, 1 reference, trials": scored(listed_pairs(data, "trials.csv", signatures)),
        "skilled, 1 reference, all pairs": scored(skilled_pairs(signatures)),
        "random, 1 reference, trials": scored(listed_pairs(data, "trials_random.csv", signatures)),
        "random, 1 reference, all pairs": scored(random_pairs(signatures)),
    }


def several_references(
    signatures: Sequence[Signature],
    vectors: np.ndarray,
    usual: float | None,
    *,
    skilled: bool,
    count: int = REFERENCES,
) -> dict[str, Groups]:
    """One entry a rule; forgeries of the writer, or all genuine signatures of others, as probes."""
    rng = np.random.default_rng(0)
    by_rule: dict[str, dict[str, list[PersonScores]]] = {}
    features: dict[str, dict[int, list[PersonScores]]] = {}
    forged = np.array([signature.forged for signature in signatures])
    sets = np.array([signature.set for signature in signatures])
    for (name, writer), numbers in by_writer(signatures).items():
        of_writer = np.isin(np.arange(len(signatures)), numbers)
        genuine = np.flatnonzero(of_writer & ~forged)
        forgeries = (of_writer & forged) if skilled else (~of_writer & ~forged & (sets == name))
        draws: dict[str, list[PersonScores]] = {}
        for draw in range(DRAWS):
            chosen = rng.permutation(genuine)[:count] if draw else genuine[:count]
            remaining = np.setdiff1d(genuine, chosen)
            mated = against(vectors[chosen], vectors[remaining], usual)
            non_mated = against(vectors[chosen], vectors[forgeries], usual)
            for rule in mated:
                draws.setdefault(rule, []).append((mated[rule], non_mated[rule]))
            features.setdefault(name, {}).setdefault(writer, []).append(
                (
                    looks(vectors[chosen], vectors[remaining]),
                    looks(vectors[chosen], vectors[forgeries]),
                )
            )
        for rule, scores in draws.items():
            by_rule.setdefault(rule, {}).setdefault(name, []).append(joined(scores))
    if skilled and count == REFERENCES:
        by_rule["learned"] = learned(features)
    kind = "skilled" if skilled else "random"
    return {f"{kind}, {count} references, {rule}": groups for rule, groups in by_rule.items()}


def against(
    references: np.ndarray, probes: np.ndarray, usual: float | None
) -> Mapping[str, np.ndarray]:
    """Rule -> (n,) scores of n probes."""
    cosines = probes @ references.T
    return {
        "best of cosines": cosines.max(axis=1),
        "mean of cosines": cosines.mean(axis=1),
        "served": np.array([mean_score(references, probe, usual) for probe in probes]),
    }


def looks(references: np.ndarray, probes: np.ndarray) -> np.ndarray:
    """(n, 4) what `learned` is told of n probes."""
    cosines = probes @ references.T
    pairs = np.triu_indices(len(references), 1)
    alike = (references @ references.T)[pairs].mean() if len(references) > 1 else 1.0
    columns = [cosines.mean(axis=1), cosines.max(axis=1), cosines.min(axis=1)]
    return np.column_stack([*columns, np.full(len(probes), alike)])


def learned(
    features: Mapping[str, Mapping[int, Sequence[PersonScores]]],
) -> dict[str, list[PersonScores]]:
    """Each writer scored by a regression that has seen all writers but this one."""
    from sklearn.linear_model import LogisticRegression

    rows = {
        (n, w): joined(draws) for n, writers in features.items() for w, draws in writers.items()
    }
    scores_by_set: dict[str, list[PersonScores]] = {}
    for key, (mated, non_mated) in rows.items():
        sides = joined([group for writer, group in rows.items() if writer != key])
        labels = np.repeat([1, 0], [len(side) for side in sides])
        model = LogisticRegression(C=1e3, class_weight="balanced", max_iter=1000)
        model.fit(np.concatenate(sides), labels)
        scored = model.decision_function(mated), model.decision_function(non_mated)
        scores_by_set.setdefault(key[0], []).append(scored)
    return scores_by_set


def figures(groups: Sequence[PersonScores], draws: int) -> dict[str, Any]:
    mated, non_mated = joined(groups)
    rate, threshold = eer(mated, non_mated)
    row: dict[str, Any] = {
        "writers": len(groups), "mated": len(mated), "non_mated": len(non_mated),
        "eer": rate, "interval": interval(groups), "threshold": threshold,
        "halves": over_halves(groups),
    }  # fmt: skip
    for name, limit in LIMITS.items():
        if len(non_mated) / draws * limit >= ENOUGH:
            fnmr, at = fnmr_at(mated, non_mated, limit)
            row[f"fmr {name}"] = {"fnmr": fnmr, "threshold": at}
    return row


def line(name: str, row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    text = f"  {name:8} {row['writers']:7} {row['mated']:7} {row['non_mated']:9}"
    text += f"  {row['eer']:6.2%} [{low:6.2%}, {high:6.2%}] at {row['threshold']:6.3f}"
    text += "  {:6.2%} ± {:5.2%}".format(*row["halves"])
    for limit in LIMITS:
        at = row.get(f"fmr {limit}")
        text += f"  {at['fnmr']:7.2%} at {at['threshold']:6.3f}" if at else f"  {'-':>17}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", help="name or folder; the default of the modality without")
    parser.add_argument("--writers", choices=["validation", "all"], default="validation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    all_writers = options.writers == "all"
    signatures = [
        signature for signature in read(options.data) if all_writers or signature.validation
    ]
    pipeline = open_pipeline("signatures", encoder=options.encoder, detector=None)
    vectors = embed(options.data, signatures, pipeline)
    usual = mated_cosine_of(pipeline.encoder)
    experiments = one_reference(options.data, signatures, vectors)
    experiments |= several_references(signatures, vectors, usual, skilled=True)
    experiments |= several_references(signatures, vectors, usual, skilled=False)
    report(experiments, options.json)
    if not options.json:
        by_references(signatures, vectors, usual, encoder_basis(pipeline))


def by_references(
    signatures: Sequence[Signature], vectors: np.ndarray, usual: float | None, basis: Basis
) -> None:
    """Shares of the default decisions, by the number of references."""
    print("\nby default")
    print(
        "  references  same from  different below  genuine: same  different  skilled: same", end=""
    )
    print("  different  random: same")
    for count in (1, 2, 3, REFERENCES, 8):
        limits = verification_limits(DecisionRule(), of_references(basis, count))
        served = [
            several_references(signatures, vectors, usual, skilled=skilled, count=count)
            for skilled in (True, False)
        ]
        rates = []
        for groups_by_rule in served:
            (name,) = (rule for rule in groups_by_rule if rule.endswith("served"))
            mated, non_mated = joined(
                [group for groups in groups_by_rule[name].values() for group in groups]
            )
            for scores in (mated, non_mated):
                rates.append(
                    ((scores >= limits.same.value).mean(), (scores < limits.different).mean())
                )
        genuine, forged, _, random = rates
        print(
            f"  {count:10}  {limits.same.value:9.3f}  {limits.different:15.3f}  {genuine[0]:13.2%}"
            f"  {genuine[1]:9.2%}  {forged[0]:13.2%}  {forged[1]:9.2%}  {random[0]:12.2%}",
            flush=True,
        )


def report(experiments: Mapping[str, Groups], as_json: bool) -> None:
    tables = {}
    for name, groups in experiments.items():
        draws = 1 if "1 reference" in name else DRAWS
        tables[name] = {part: figures(members, draws) for part, members in parts(groups)}
        if as_json:
            continue
        print(f"\n{name}")
        print(f"  {'set':8} writers   mated non-mated  {'EER and interval':>24}", end="")
        print("  threshold   halves, ± sd", end="")
        print("".join(f"  {f'FNMR@{limit} at':>17}" for limit in LIMITS))
        print("\n".join(line(part, row) for part, row in tables[name].items()), flush=True)
    if as_json:
        print(json.dumps(tables, indent=2))


if __name__ == "__main__":
    main()
