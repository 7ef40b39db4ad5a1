"""The page of a run: its curves while it goes on, its hardest triplets, and who may see it."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from PIL import Image

from siamkit.errors import BadInput
from siamkit.reports.run_page import RunPage
from siamkit.reports.run_server import RunServer
from siamkit.train.hardest import hardest_triplets
from siamkit.train.tail import Tail

DISTANCES = {"positive": 0.7, "negative": 1.2, "spread": 1.5}


def started(step=0, **facts):
    return {"event": "started", "step": step, "steps": 100, "device": "cpu", **facts}


def step(number, **facts):
    speed = {"samples_per_second": 64.0, "seconds": number * 0.5, "miner": "semi-hard"}
    return (
        {"event": "step", "step": number, "loss": 0.5, "active": 0.25, **DISTANCES} | speed | facts
    )


def evaluated(number, eer, **facts):
    return {"event": "evaluated", "step": number, "eer": eer, "best": True, **facts}


def record(run, *events, mode="a"):
    run.mkdir(exist_ok=True)
    with (run / "train.jsonl").open(mode) as file:
        file.write("".join(json.dumps(event) + "\n" for event in events))
    return run


def prepared(run, modality, sources, arrays, labels, impostor=()):
    """Write what a run keeps of its data, and embeddings of all its samples on a circle."""
    run.mkdir(exist_ok=True)
    count = len(sources)
    marks = [number in impostor for number in range(count)]
    facts = {"digest": "", "names": sorted(set(labels)), "training": [False] * count}
    facts |= {"labels": [facts["names"].index(label) for label in labels], "impostor": marks}
    facts |= {"sources": [str(source) for source in sources], "faults": [], "notes": []}
    facts |= {"pairs": [], "scores": []}
    (run / "data.json").write_text(json.dumps(facts))
    (run / "run.json").write_text(json.dumps({"modality": modality}))
    np.save(run / "arrays.npy", arrays)
    embedded(run, facts["labels"], marks)
    return run


def embedded(run, labels, marks, angles=(0.0, 0.9, 0.2, 1.5, 1.6, 0.1)):
    around = np.array(angles[: len(labels)])
    rows = np.stack([np.cos(around), np.sin(around)], axis=1).astype(np.float32)
    facts = {"labels": np.array(labels), "impostor": np.array(marks)}
    np.savez(run / "validation.npz", embeddings=rows, rows=np.arange(len(labels)), **facts)


LABELS = ["ann", "ann", "bob", "bob", "cid", "ann"]


@pytest.fixture
def pictures(tmp_path):
    arrays = np.zeros((6, 8, 8), np.uint8)
    sources = [tmp_path / f"{number}.png" for number in range(6)]
    run = prepared(tmp_path / "run", "tiles", sources, arrays, LABELS, impostor=[5])
    return record(run, started(), step(1), evaluated(1, 0.25))


@pytest.fixture
def serve():
    """Serves a run: get(path, **headers) returns (status, headers, body)."""
    servers = []

    def start(run):
        server = RunServer(run, 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        address = urlsplit(server.address)

        def get(path, *, root=address.path, method="GET", **headers):
            connection = http.client.HTTPConnection(address.netloc, timeout=10)
            connection.request(method, root + path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer.status, dict(answer.getheaders()), body

        return get

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_of_curves_that_needs_no_other_file(tmp_path, shell):
    miners = ["semi-hard"] * 9 + ["random"] * 30
    steps = [step(n, extra=n * 0.1, miner=miner) for n, miner in enumerate(miners, 1)]
    baseline = {"event": "baseline", "step": 0, "name": "the encoder as it is", "eer": 0.3}
    resumed = [started(39), {"event": "alarm", "step": 39, "name": "collapse", "message": "<b>"}]
    evaluations = [evaluated(0, 0.4, new_rate=0.5), evaluated(39, 0.125, new_rate=None)]
    record(tmp_path / "run", started(), baseline, evaluations[0], *steps, evaluations[1], *resumed)
    assert shell("train", "watch", "run", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    for caption in ("loss · 0.5", "active triplets · 25 %", "extra · 3.9", "new rate · 50 %"):
        assert f"<figcaption>{caption}</figcaption>" in page
    assert "equal error rate · 12.5 %" in page
    assert "the encoder as it is: 30 %" in page
    assert "best step, 39: 12.5 %" in page
    assert "step 39: collapse: &lt;b&gt;" in page
    assert " resumed</span>" in page
    assert page.count(" from here on random</span>") == 2  # loss, active
    assert not re.search(r"(src|href)=\"?(?!data:)", page)
    assert "<script" not in page


def test_how_far_a_run_is(tmp_path):
    page = RunPage(tmp_path / "run")
    assert "it does not exist yet" in page.body()
    record(tmp_path / "run")
    assert "its examples are being prepared" in page.body()
    record(tmp_path / "run", started(), *map(step, range(1, 41)))
    assert "step 40 of 100, 0:30 left, 64 samples/s, miner semi-hard" in page.body()
    record(tmp_path / "run", {"event": "stopped", "step": 40, "reason": "all steps are done"})
    assert "step 40 of 100: ended, all steps are done" in page.body()
    record(tmp_path / "run", started(40))
    assert "step 40 of 100: the first step is on its way" in page.body()


def test_a_run_that_was_interrupted(tmp_path, monkeypatch):
    record(tmp_path / "my run", started(), step(1))
    later = time.time() + 600
    monkeypatch.setattr("time.time", lambda: later)
    body = RunPage(tmp_path / "my run").body()
    assert "nothing has happened for 10:0" in body
    assert "my run&#x27; --resume`" in body


def test_a_record_that_is_cut_when_the_run_resumes_is_read_anew(tmp_path):
    run = record(tmp_path / "run", started(), *map(step, range(1, 8)))
    tail = Tail(run)
    assert (tail.read(), tail.read()) == (True, False)
    lines = (run / "train.jsonl").read_text().splitlines(keepends=True)
    (run / "train.jsonl").write_text("".join(lines[:4]))
    record(run, started(3), *(step(number, seconds=9.0) for number in range(4, 12)))
    assert tail.read()
    assert list(tail.seen.steps["loss"].steps) == list(range(1, 12))
    assert tail.seen.resumed == [3]
    with (run / "train.jsonl").open("a") as file:
        file.write('{"event": "step", "step": 12')
    assert not tail.read()
    (run / "train.jsonl").unlink()
    assert tail.read()
    assert not tail.seen.started


@pytest.mark.parametrize(
    "line", ["{}", '{"event": 1, "step": 1}', '{"event": "step"}', "[1]", "é{"]
)
def test_a_record_that_is_damaged_is_named(tmp_path, line):
    run = record(tmp_path / "run", started())
    (run / "train.jsonl").write_text((run / "train.jsonl").read_text() + line + "\n")
    with pytest.raises(BadInput, match=r"train.jsonl, line 2: not an event"):
        Tail(run).read()
    assert "train.jsonl, line 2" in RunPage(run).body()


def test_what_the_run_was_good_for(tmp_path):
    verdict = {"event": "verdict", "step": 9, "gained": True, "alternative": "the encoder x"}
    verdict |= {"before": 0.2, "error": 0.1, "negatives": "hard pairs", "advice": ""}
    run = record(tmp_path / "run", started(), verdict)
    body = RunPage(run).body()
    assert "<p>gained over the encoder x: error 20.00% → 10.00%, against hard pairs</p>" in body
    record(run, verdict | {"gained": False, "low": -0.006, "high": 0.01, "advice": "less"})
    assert "<p class=bad>not shown to gain over the encoder x: error 20.00%" in RunPage(run).body()
    assert "98% interval of the fall: -0.6 to 1.0 points; try: less</p>" in RunPage(run).body()
    record(run, started(9), verdict | {"gained": None, "before": None})
    assert "over the encoder" not in RunPage(run).body()


@pytest.mark.timeout(30)
def test_the_runs_of_a_sweep_have_a_page_each(tmp_path, serve, shell):
    trials = tmp_path / "run" / "trials"
    trials.mkdir(parents=True)
    record(trials / "margin=0.1", started(), evaluated(0, 0.4), step(1), evaluated(1, 0.25))
    record(trials / "margin=0.2 é", started(), evaluated(0, 0.5))
    get = serve(tmp_path / "run")
    page = get("")[2].decode()
    assert "25.00%<td>step 1 of 100, " in page
    assert "waiting" not in page
    addresses = re.findall(r'href="([^"]+)"', page)
    assert len(addresses) == 2
    for address in addresses:
        assert b"equal error rate" in get(address)[2]
        assert b"of 100" in get(f"{address}live")[2]
    assert get("trials/absent/")[0] == get("trials/../")[0] == 404
    assert shell("train", "watch", "run", "-o", "page.html").code == 0
    assert "margin=0.2 é" in (tmp_path / "page.html").read_text()


def test_a_localisers_run_has_curves_alone(tmp_path):
    events = [
        {"event": "localiserstarted", "step": 0, "steps": 10, "pictures": 5},
        {"event": "localiserstep", "step": 1, "loss": 2.0, "presence": 0.5, "box": 0.5},
        {"event": "localiserevaluated", "step": 1, "loss": 1.5, "error": 0.2, "iou": 0.7},
    ]
    body = RunPage(record(tmp_path / "run", *events)).body()
    assert "part: box" in body
    assert "mean IoU · 0.7" in body
    assert "Hardest" not in body


def test_hardest_triplets_by_brute_force():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(40, 3)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, impostor = rng.integers(0, 9, 40), rng.random(40) < 0.2
    cosines = rows @ rows.T
    hardest = {}
    for a, p, n in np.ndindex(40, 40, 40):
        if a == p or labels[a] != labels[p] or impostor[a] or impostor[p]:
            continue
        if labels[n] != labels[a] or impostor[n]:
            value = float(cosines[a, n] - cosines[a, p])
            hardest[labels[a]] = max(value, hardest.get(labels[a], -9.0))
    triplets = hardest_triplets(rows, labels, impostor, 5)
    values = [triplet.negative_cosine - triplet.positive_cosine for triplet in triplets]
    assert values == pytest.approx(sorted(hardest.values(), reverse=True)[:5], abs=1e-6)
    assert len({labels[triplet.anchor] for triplet in triplets}) == 5


def test_one_identity_and_no_impostor_is_no_triplet():
    rows = np.eye(3, dtype=np.float32)
    assert hardest_triplets(rows, np.zeros(3, int), np.zeros(3, bool), 5) == []


@pytest.mark.timeout(30)
def test_pictures_are_served_as_the_network_is_given_them(pictures, serve):
    get = serve(pictures)
    status, headers, page = get("")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert b"impostor of <b>ann</b>" in page
    assert b"class='triplet wrong'" in page
    assert b"cosine 0.995" in page  # of the impostor, at 0.1 rad
    shown = re.findall(rb'src="sample/(\d+)"', page)
    assert shown
    status, headers, picture = get(f"sample/{shown[0].decode()}")
    assert (status, headers["Content-Type"], picture[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert get("sample/4")[0] == 404  # cid has one sample: it is in no triplet as an anchor
    for name in (
        "sample/",
        "sample/-1",
        "sample/../run.json",
        "run.json",
        "sample/99999999999999999999",
    ):
        assert get(name)[0] == 404


@pytest.mark.timeout(30)
def test_the_page_follows_the_run(pictures, serve):
    get = serve(pictures)
    assert b"step 1 of 100" in get("live")[2]
    before = dict(re.findall(rb"<section id=(\w+) data-version=(\d+)", get("live")[2]))
    record(pictures, step(2))
    after = dict(re.findall(rb"<section id=(\w+) data-version=(\d+)", get("live")[2]))
    assert {name for name in before if before[name] != after[name]} == {
        b"state",
        b"curves",
        b"validation",
    }
    assert b'fetch("live")' in get("watch.js")[2]


@pytest.mark.timeout(30)
def test_only_who_knows_the_address_sees_the_page(pictures, serve):
    get = serve(pictures)
    assert get("", root="/")[0] == 404
    assert get("", root="/wrong/")[0] == 404
    for host, status in {
        "evil.example": 403,
        "localhost:1": 200,
        "127.0.0.1": 200,
        "[": 403,
    }.items():
        assert get("", Host=host)[0] == status


@pytest.mark.timeout(30)
def test_sounds_play_by_ranges_and_those_that_are_gone_leave_their_names(tmp_path, serve):
    sources = [tmp_path / f"{number}.wav" for number in range(4)]
    for source in sources[:3]:
        soundfile.write(source, np.random.default_rng(1).normal(0, 0.1, 4000), 8000)
    run = prepared(tmp_path / "run", "voices", sources, np.zeros((4, 2), np.float32), LABELS[:4])
    get = serve(record(run, started()))
    page = get("")[2]
    assert b"<audio" in page
    assert b"no preview</p><small>" in page
    whole = sources[0].read_bytes()
    assert get("sample/0")[1]["Content-Type"] == "audio/wav"
    assert get("sample/0")[2] == whole
    for asked, expected in {"0-9": whole[:10], "4000-": whole[4000:], "-7": whole[-7:]}.items():
        status, headers, part = get("sample/0", Range=f"bytes={asked}")
        assert (status, part) == (206, expected)
        assert headers["Content-Range"].endswith(f"/{len(whole)}")
    assert get("sample/0", Range=f"bytes={len(whole)}-")[0] == 416
    assert get("sample/0", Range="lines=1-2")[0] == 200
    assert get("sample/0", method="HEAD")[2] == b""
    assert get("sample/3")[0] == 404
    assert "data:audio/wav;base64," in RunPage(run).whole(embedded=True)


def test_texts_are_shown_as_texts(tmp_path):
    texts = ["How <old>?", "What age?", "Where?", "In which place?"]
    run = prepared(tmp_path / "run", "bigrams", texts, np.zeros((4, 2), np.float32), LABELS[:4])
    body = RunPage(record(run, started())).body()
    assert "<blockquote>How &lt;old&gt;?</blockquote>" in body


def test_pictures_without_crops_are_shown_whole(tmp_path):
    sources = [tmp_path / f"{number}.png" for number in range(4)]
    for source in sources:
        Image.new("RGB", (9, 9), "red").save(source)
    run = prepared(tmp_path / "run", "tiles", sources, np.zeros((4, 2), np.float32), LABELS[:4])
    assert "data:image/jpeg" in RunPage(record(run, started())).whole(embedded=True)


def test_embeddings_of_other_data_are_not_shown(pictures):
    embedded(pictures, [0] * 6, [False] * 6)
    facts = json.loads((pictures / "data.json").read_text())
    (pictures / "data.json").write_text(json.dumps(facts | {"labels": [0]}))
    assert "its prepared data are absent or incomplete" in RunPage(pictures).body()


def test_bad_use_is_named(tmp_path, shell):
    completed = shell("train", "watch", "absent", "-o", "page.html")
    assert (completed.code, "absent holds no record of a run yet" in completed.err) == (2, True)
    assert shell("train", "watch", "absent", "-o", "page.txt").code == 2
    assert not list(tmp_path.glob("page*"))
    (tmp_path / "file").touch()
    assert "file is a file" in shell("train", "watch", "file").err


@pytest.mark.timeout(30)
def test_a_port_that_is_taken_is_named(tmp_path, shell):
    server = RunServer(tmp_path / "run", 0)
    port = str(server.server_address[1])
    completed = shell("train", "watch", "run", "--port", port, "--no-browser")
    server.server_close()
    assert completed.code == 2
    assert f"port {port} cannot be used: Address already in use" in completed.err
    assert "Hint: give another `--port`, or `--port 0`" in completed.err


@pytest.mark.timeout(60)
def test_ctrl_c_ends_the_page_and_nothing_else(shell):
    process = shell.start("train", "watch", "run", "--port", "0", "--no-browser")
    assert process.stdout.readline().startswith(b"http://127.0.0.1:")
    process.send_signal(2)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors.decode().splitlines() == [
        "waiting for run: no run has begun there yet",
        "",
        "ended; the run goes on without the page",
    ]
