"""Time a cold `siamkit query --text` against 100 000 questions; peer: sentence-transformers.

    python benchmarks/questions_cold.py

Both are whole processes. The peer imports sentence-transformers, loads the same weights and
encodes one question; siamkit also searches 100 000 templates.
"""

from __future__ import annotations

import sys
import tempfile

import numpy as np
from timing import in_turn, peak_mb, table

import siamkit as sk
from siamkit_questions.bert import FOLDER

COUNT, RUNS = 100_000, 7
QUESTION = "How do I reset my password?"
PEER = """
import os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
from sentence_transformers import SentenceTransformer
assert SentenceTransformer(sys.argv[1], device="cpu").encode(sys.argv[2]).shape == (384,)
"""

with tempfile.TemporaryDirectory() as folder:
    with sk.Workspace(folder) as ws:
        ws.enrol("questions", "password", "How can I reset my password?")
        rows = np.random.default_rng(0).normal(size=(COUNT, 384)).astype(np.float32)
        for _ in ws.add_templates("questions", [f"question {n}" for n in range(COUNT)], rows):
            pass
        assert ws.query("questions", QUESTION)[0].identity == "password"  # saves the index, too
    query = [sys.executable, "-m", "siamkit", "query", "questions", "--text", QUESTION]
    query += ["--store", folder]
    judged = [*query, "--rerank", "lexical"]
    took = in_turn(
        {
            "query": query,
            "judged": judged,
            "peer": [sys.executable, "-c", PEER, str(FOLDER), QUESTION],
        },
        runs=RUNS,
    )
    memory = peak_mb(query)
table(
    [
        ("figure", f"median of {RUNS}", "goal"),
        (f"cold query against {COUNT:,}", f"{took['query'] * 1000:.0f} ms", "<= 700 ms"),
        ("the same with --rerank lexical", f"{took['judged'] * 1000:.0f} ms", "reported"),
        ("peak memory", f"{memory:.0f} MB", "reported"),
        ("sentence-transformers, one question", f"{took['peer'] * 1000:.0f} ms", ""),
        ("ratio", f"{took['peer'] / took['query']:.1f} x", ">= 10 x"),
    ]
)
