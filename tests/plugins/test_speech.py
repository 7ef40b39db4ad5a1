"""The speech detector: the published network in one run, and sounds without speech."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from scipy.signal import butter, lfilter
from voicedata import clip

from siamkit.errors import UnreadableSample
from siamkit.protocols import Detector
from siamkit.sdk import regions
from siamkit.types import Clip
from siamkit_speech import Speech
from siamkit_speech.finder import find_stretches
from siamkit_speech.silero import AT_ONCE, CONTEXT, FRAME, PEAK, RATE, STATE, Silero
from siamkit_speech.words import could_be_word
from siamkit_voices import Voices

SPEECH = Speech()
NOISE = np.random.default_rng(0)


def heard(samples: np.ndarray):
    return SPEECH.find(Clip(samples.astype(np.float32), RATE))


def test_it_is_a_detector():
    assert isinstance(SPEECH, Detector)


def test_it_gives_what_the_published_graph_gives_frame_by_frame():
    spec = find_spec("silero_vad")
    assert spec is not None
    published = Path(str(spec.origin)).parent / "data" / "silero_vad_16k_op15.onnx"
    samples = np.concatenate([clip("low", 1), NOISE.normal(0, 0.01, RATE), clip("high", 1)])
    samples = np.tile(samples, 1 + AT_ONCE * FRAME // len(samples)).astype(np.float32)
    samples *= 2 * PEAK / np.abs(samples).max()  # as loud as it takes to be left as it is
    session, state = onnxruntime.InferenceSession(published), np.zeros(STATE, np.float32)
    padded = np.pad(samples, (CONTEXT, -len(samples) % FRAME))
    wanted = []
    for start in range(0, len(padded) - CONTEXT, FRAME):
        seen = padded[None, start : start + CONTEXT + FRAME]
        said, state = session.run(None, {"input": seen, "state": state, "sr": np.array(RATE)})
        wanted.append(said[0, 0])
    found = Silero().probabilities(Clip(samples, RATE))
    assert len(found) > AT_ONCE
    assert np.abs(found - wanted).max() < 1e-5


def test_speech_is_one_region_whose_parts_leave_the_pauses_out():
    pause = NOISE.normal(0, 3e-4, 2 * RATE)
    (region,) = heard(np.concatenate([pause, clip("low", 1), pause, clip("low", 2), pause]))
    assert region.where == (region.parts[0][0], region.parts[-1][1])
    assert 1.9 < region.where[0] < 2.5
    assert 12.1 < region.where[1] < 13.2
    gaps = [b[0] - a[1] for a, b in zip(region.parts, region.parts[1:], strict=False)]
    assert max(gaps) > 1.9
    assert all(start < stop for start, stop in region.parts)
    stored = regions.from_json(regions.to_json(region))
    assert (stored.where, stored.parts) == (region.where, region.parts)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(5 * RATE), np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE) / 2,
     NOISE.normal(0, 0.1, 5 * RATE), NOISE.normal(0, 1e-4, 5 * RATE), np.zeros(10), np.zeros(0),
     np.where(np.arange(5 * RATE) % 8000 == 0, 0.9, 0.0),  # clicks
     sum(np.sin(2 * np.pi * f * np.arange(5 * RATE) / RATE)
         * np.exp(-3 * (np.arange(5 * RATE) / RATE * 2 % 1)) / 5 for f in (262, 330, 392, 523))],
    ids=["silence", "tone", "noise", "faint noise", "ten samples", "none", "clicks", "chord"],
)  # fmt: skip
def test_sounds_without_speech_have_no_region(samples):
    assert heard(samples) == []


@pytest.mark.parametrize("gain", [1, 0.1, 0.01, 0.001])
def test_quiet_speech_is_heard(gain):
    (loud,), (quiet,) = heard(clip("low", 1)), heard(gain * clip("low", 1))
    assert quiet.where == pytest.approx(loud.where, abs=0.1)


def test_a_short_run_is_a_click_and_what_counts_is_widened():
    probabilities = np.zeros(50, np.float32)
    probabilities[[5, 6, 20, 21, 22, 28, 29, 30]] = 0.9
    assert find_stretches(probabilities) == [(17, 34)]


def test_another_rate_is_refused():
    with pytest.raises(UnreadableSample, match="8000 Hz"):
        SPEECH.find(Clip(np.zeros(8_000, np.float32), 8_000))


def word(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise through two resonances that move, as a whispered syllable has them."""
    samples = np.zeros(round(seconds * RATE))
    for first, last in ((300, 800), (2200, 1100)):
        phase = 2 * np.pi * np.cumsum(np.linspace(first, last, len(samples))) / RATE
        narrow = lfilter([0.05], [1, -0.95], rng.normal(0, 1, len(samples)))
        samples += narrow * np.cos(phase)
    return 0.1 * samples * np.hanning(len(samples)) ** 0.3


@pytest.mark.parametrize("seconds", [0.2, 0.4, 1.4])
def test_a_short_clip_in_which_the_network_hears_nothing_may_be_a_word(seconds):
    samples = word(np.random.default_rng(3), seconds)
    (region,) = heard(samples)
    assert region.where == (0.0, pytest.approx(seconds))
    assert region.parts == ()
    assert region.score < 0.5
    quality = Voices().assess(Clip(samples.astype(np.float32), RATE), region)
    assert quality.comparable
    assert "no speech was heard" in quality.problems[0]
    assert heard(np.concatenate([samples, np.zeros(2 * RATE)])) == []


ENVELOPES = {"even": lambda t: 1 + 0 * t, "rising": lambda t: t, "falling": lambda t: 1 - t,
             "swelling": lambda t: np.sin(np.pi * t),
             "trembling": lambda t: 1 + 0.8 * np.sin(30 * t)}  # fmt: skip


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.4])
def test_no_short_silence_noise_or_tone_is_a_word(seconds, envelope):
    rng = np.random.default_rng(7)
    at = np.arange(round(seconds * RATE)) / RATE
    white = rng.normal(0, 1, len(at))
    phase = 2 * np.pi * 300 * at
    sounds = {
        "white": white,
        "brown": np.cumsum(white) / 100,
        "through a telephone": lfilter(*butter(2, [300, 3400], "band", fs=RATE), white),
        "rumble": lfilter(*butter(2, 500, fs=RATE), white),
        "sine": np.sin(phase),
        "square": np.sign(np.sin(phase)),
        "saw": phase % (2 * np.pi) - np.pi,
        "hum": sum(np.sin(2 * np.pi * 50 * n * at + n) / n for n in range(1, 8)),
        "whistle": np.sin(phase * (1 + at)),
        "two tones": np.sin(phase) + np.sin(4.1 * phase),
        "silence": 1e-5 * white,
    }
    shape = 0.1 * ENVELOPES[envelope](at / seconds)
    shaped = {name: (sound * shape).astype(np.float32) for name, sound in sounds.items()}
    assert [name for name, samples in shaped.items() if could_be_word(samples, 0.1)] == []
