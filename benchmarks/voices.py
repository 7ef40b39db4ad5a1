"""Measure error rates of a voice encoder on the sets of DATA, with 1 clip and 3 clips.

    python benchmarks/voices.py DATA [--encoder FOLDER] [--peer] [--tried] [--json]

DATA holds trials_NAME.csv (a,b,label) with paths such as SET/SPEAKER/CLIP. Speech is found as
`verify` finds it; a pair with a clip without speech has no score and matches nothing.

trials: EER of the listed pairs. all pairs: EER of all pairs of a set, with a 95 % interval over
speakers. 3 clips: a speaker's first three, and nine draws of any three, against the speaker's other
clips and all clips of other speakers; `served` is siamkit's score, `nearest` the best of three
cosines. --tried adds methods that are not used: adaptive S-norm, with a cohort of the set's other
speakers, each network alone, and a head made on other actors. --peer adds Resemblyzer, which
needs: pip install librosa webrtcvad-wheels, and pip install --no-deps Resemblyzer==0.1.4.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.errors import NothingFound
from siamkit.stats.metrics import PersonScores, bootstrap, eer, fnmr_at
from siamkit.stats.scoring import mean_score

REFERENCES, DRAWS = 3, 10
ACTED, SPREAD = "emodb", 0.01  # the set of a head, and what it adds to each variance
TOP = 50  # cohort scores that adaptive S-norm keeps (Matejka et al. 2017, "Analysis of …", §3)
LIMITS = (0.1, 0.01)
Vectors = Mapping[str, np.ndarray | None]  # clip -> (dim,) unit vector; None: no speech in it
Score = Callable[[str, str], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", help="an encoder folder [default: the modality's own]")
    parser.add_argument("--peer", action="store_true", help="Resemblyzer beside it")
    parser.add_argument("--tried", action="store_true", help="what was tried and is not used")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    trials = {
        file.stem[len("trials_") :]: read(file)
        for file in sorted(options.data.glob("trials_*.csv"))
    }
    clips = sorted({clip for rows in trials.values() for row in rows for clip in row[:2]})
    pipeline = open_pipeline("voices", encoder=options.encoder, detector="speech")
    systems = {"siamkit": embed(options.data, clips, pipeline)}
    if options.peer:
        systems["Resemblyzer"] = resemblyzer(options.data, clips)
    usual = {"siamkit": pipeline.encoder.mated}
    lines = [
        line
        for system, vectors in systems.items()
        for name, rows in trials.items()
        for line in figures(system, name, rows, vectors, usual.get(system))
    ]
    if options.tried:
        lines += tried(trials, systems["siamkit"])
    lines += threshold(trials, systems["siamkit"])
    for line in lines:
        print(
            json.dumps(line)
            if options.json
            else "  ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in line.values())
        )


def read(file: Path) -> list[tuple[str, str, bool]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [(row["a"], row["b"], row["label"] == "1") for row in csv.DictReader(lines)]


def speaker(clip: str) -> str:
    return clip.rsplit("/", 1)[0]


def embed(data: Path, clips: Sequence[str], pipeline: Pipeline) -> Vectors:
    vectors: dict[str, np.ndarray | None] = {}
    for clip in clips:
        content = pipeline.read(data / clip)
        reading = pipeline.detect(content)
        try:
            crops = [pipeline.crop(reading.medium, region, content) for region in reading.regions]
        except NothingFound:
            crops = []
        vectors[clip] = pipeline.embed(crops)[0][0] if crops else None
    return vectors


def resemblyzer(data: Path, clips: Sequence[str]) -> Vectors:
    from voice_peer import open_peer

    embed_file = open_peer()
    return {clip: embed_file(data / clip) for clip in clips}


def cosine(vectors: Vectors) -> Score:
    def score(a: str, b: str) -> float:
        left, right = vectors[a], vectors[b]
        return -np.inf if left is None or right is None else float(left @ right)

    return score


def split(rows: Sequence[tuple[str, str, bool]], score: Score) -> PersonScores:
    scores = np.array([score(a, b) for a, b, _ in rows])
    same = np.array([label for *_, label in rows])
    return scores[same], scores[~same]


def figures(
    system: str,
    name: str,
    rows: Sequence[tuple[str, str, bool]],
    vectors: Vectors,
    usual: float | None,
) -> list[dict[str, Any]]:
    clips = sorted({clip for row in rows for clip in row[:2]})
    score = cosine(vectors)
    listed = split(rows, score)
    groups = all_pairs(clips, score)
    out: list[dict[str, Any]] = [
        {
            "system": system,
            "set": name,
            "what": "1 clip, trials",
            "eer": eer(*listed)[0],
            "pairs": len(rows),
            "no speech": sum(vectors[clip] is None for clip in clips),
        },
        {"system": system, "set": name, "what": "1 clip, all pairs", **rated(groups)},
    ]
    for rule, fused in several(clips, vectors, usual).items():
        out.append(
            {"system": system, "set": name, "what": f"{REFERENCES} clips, {rule}", **rated(fused)}
        )
    return out


def rated(groups: Sequence[PersonScores]) -> dict[str, Any]:
    """EER, its interval over speakers, and FNMR at the LIMITS that the pairs can show."""
    mated, non_mated = (np.concatenate(side) for side in zip(*groups, strict=True))
    low, high = bootstrap(groups, lambda same, other: eer(same, other)[0], draws=200)
    row: dict[str, Any] = {"eer": eer(mated, non_mated)[0], "interval": f"[{low:.3f}, {high:.3f}]"}
    for limit in LIMITS:
        if len(non_mated) * limit >= 30:
            row[f"fnmr@{limit:g}"] = fnmr_at(mated, non_mated, limit)[0]
    return row


def all_pairs(clips: Sequence[str], score: Score) -> list[PersonScores]:
    """One group a speaker; a non-mated pair belongs to the first of its two."""
    scores: dict[str, tuple[list[float], list[float]]] = {speaker(clip): ([], []) for clip in clips}
    for number, a in enumerate(clips):
        for b in clips[number + 1 :]:
            scores[speaker(a)][speaker(a) != speaker(b)].append(score(a, b))
    return [(np.array(same), np.array(other)) for same, other in scores.values()]


def several(
    clips: Sequence[str], vectors: Vectors, usual: float | None
) -> dict[str, list[PersonScores]]:
    """One entry a rule, one group a speaker, all draws pooled."""
    rng = np.random.default_rng(0)
    rules: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "served": lambda enrolled, probe: mean_score(enrolled, probe, usual),
        "nearest": lambda enrolled, probe: float((enrolled @ probe).max()),
    }
    scores_by_rule: dict[str, list[PersonScores]] = {rule: [] for rule in rules}
    for name in sorted({speaker(clip) for clip in clips}):
        clips_own = [c for c in clips if speaker(c) == name and vectors[c] is not None]
        clips_other = [c for c in clips if speaker(c) != name and vectors[c] is not None]
        scores: dict[str, tuple[list[float], list[float]]] = {rule: ([], []) for rule in rules}
        for draw in range(DRAWS):
            chosen = (
                list(rng.permutation(clips_own)[:REFERENCES]) if draw else clips_own[:REFERENCES]
            )
            enrolled = np.stack([vectors[c] for c in chosen])
            for clip in [*(c for c in clips_own if c not in chosen), *clips_other]:
                for rule, fuse in rules.items():
                    scores[rule][speaker(clip) != name].append(fuse(enrolled, vectors[clip]))
        for rule, (same, other) in scores.items():
            scores_by_rule[rule].append((np.array(same), np.array(other)))
    return scores_by_rule


def tried(
    trials: Mapping[str, Sequence[tuple[str, str, bool]]], vectors: Vectors
) -> list[dict[str, Any]]:
    """Adaptive S-norm, and either network alone, on the listed pairs."""
    out = []
    for name, rows in trials.items():
        out.append(
            {
                "set": name,
                "what": "adaptive S-norm",
                "eer": eer(*split(rows, normalised(rows, vectors)))[0],
            }
        )
        for part_name, part in (("CAM++ alone", slice(0, 192)), ("GE2E alone", slice(192, None))):
            alone = {
                c: None if v is None else v[part] / np.linalg.norm(v[part])
                for c, v in vectors.items()
            }
            out.append({"set": name, "what": part_name, "eer": eer(*split(rows, cosine(alone)))[0]})
    return [*out, *held_out_heads(trials, vectors)]


def held_out_heads(
    trials: Mapping[str, Sequence[tuple[str, str, bool]]], vectors: Vectors
) -> list[dict[str, Any]]:
    """A linear head made on all actors of Emo-DB but two, on all pairs of those two and elsewhere.

    It divides by the covariance of an actor's own clips (Hatch et al. 2006, "Within-class
    covariance normalization"), to which SPREAD is added.
    """
    clips = sorted({clip for row in trials[ACTED] for clip in row[:2] if vectors[clip] is not None})
    actors = sorted({speaker(clip) for clip in clips})
    rows: dict[str, list[float]] = {}
    for held_out in itertools.combinations(actors, 2):
        own = [clip for clip in clips if speaker(clip) in held_out]
        head = whitener([clip for clip in clips if clip not in own], vectors)
        changed = {c: None if v is None else unit(v @ head) for c, v in vectors.items()}
        for name, each in (("before", vectors), ("after", changed)):
            pairs = [
                np.concatenate(side) for side in zip(*all_pairs(own, cosine(each)), strict=True)
            ]
            rows.setdefault(f"{ACTED} {name}", []).append(eer(*pairs)[0])
        for other in trials.keys() - {ACTED}:
            listed = split(trials[other], cosine(changed))
            rows.setdefault(f"{other} after", []).append(eer(*listed)[0])
    mean = {name: float(np.mean(rates)) for name, rates in sorted(rows.items())}
    before, after = (np.array(rows[f"{ACTED} {name}"]) for name in ("before", "after"))
    better = f"{(after < before).sum()} of {len(before)}"
    return [{"what": "a head for actors who are held out", **mean, "better in": better}]


def whitener(clips: Sequence[str], vectors: Vectors) -> np.ndarray:
    """Return (dim, dim): the inverse square root of the covariance within speakers."""
    names = sorted({speaker(clip) for clip in clips})
    groups = [np.stack([vectors[c] for c in clips if speaker(c) == name]) for name in names]
    centred = np.concatenate([group - group.mean(axis=0) for group in groups])
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    return (axes / np.sqrt(np.maximum(values, 0) + SPREAD)) @ axes.T


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def normalised(rows: Sequence[tuple[str, str, bool]], vectors: Vectors) -> Score:
    """Cosines less the mean, and over the deviation, of each side's TOP cohort cosines."""
    clips = sorted({clip for row in rows for clip in row[:2] if vectors[clip] is not None})
    matrix = np.stack([vectors[clip] for clip in clips])
    owners = np.array([speaker(clip) for clip in clips])
    plain = cosine(vectors)

    def score(a: str, b: str) -> float:
        if vectors[a] is None or vectors[b] is None:
            return -np.inf
        cohort = matrix[(owners != speaker(a)) & (owners != speaker(b))]
        sides = []
        for clip in (a, b):
            nearest = np.sort(cohort @ vectors[clip])[-TOP:]
            sides.append((plain(a, b) - nearest.mean()) / nearest.std())
        return float(np.mean(sides))

    return score


def threshold(
    trials: Mapping[str, Sequence[tuple[str, str, bool]]], vectors: Vectors
) -> list[dict[str, Any]]:
    """Return the threshold on the card: from all sets' pairs, each set weighing the same."""
    score = cosine(vectors)
    sets = {
        name: all_pairs(sorted({c for row in rows for c in row[:2]}), score)
        for name, rows in trials.items()
    }
    same, other = (
        [np.concatenate([g[side] for g in groups]) for groups in sets.values()] for side in (0, 1)
    )
    out = []
    for limit in LIMITS:
        grid = np.linspace(0, 1, 1001)
        rate = np.array([np.mean([(o >= t).mean() for o in other]) for t in grid])
        at = grid[np.argmax(rate <= limit)]
        out.append(
            {
                "what": f"threshold for FMR {limit}, mean of sets",
                "value": float(at),
                **{
                    f"{n} fmr/fnmr": f"{(o >= at).mean():.4f}/{(s < at).mean():.4f}"
                    for n, s, o in zip(sets, same, other, strict=True)
                },
            }
        )
    out.append(
        {
            "what": "mean mated cosine",
            **{n: float(s[np.isfinite(s)].mean()) for n, s in zip(sets, same, strict=True)},
        }
    )
    return out


if __name__ == "__main__":
    main()
