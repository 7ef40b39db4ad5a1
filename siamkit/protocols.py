"""Protocols of plugins. Duck typing is enough: no plugin needs to inherit from, or import, this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import (
        Cursor,
        Hits,
        Ids,
        Kind,
        Mined,
        Objection,
        Progress,
        Prompt,
        Quality,
        Region,
        Span,
        Threshold,
        Vectors,
    )

M = TypeVar("M")  # the decoded medium: Image, str, or the plugin's own class
M_contra = TypeVar("M_contra", contravariant=True)
M_co = TypeVar("M_co", covariant=True)

# The version of these protocols. A plugin may state the one it was made for, as `protocol: int`; a
# plugin for a newer version is refused.
PROTOCOL = 1

Source: TypeAlias = Path | bytes | str  # a file, its content, or (for text) the text itself


@runtime_checkable
class Encoder(Protocol[M_contra]):
    """Turns media into unit vectors, and holds the loaded weights.

    Two attributes are optional: `batch: int`, the number of media to embed at once if that is
    faster; and `mated: float`, the mean cosine of mated pairs, which is used to score several
    samples of one identity.
    """

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and every preprocessing constant. Equal means comparable."""
        ...

    @property
    def threshold(self) -> Threshold | None:
        """The default decision threshold, with its error rate and the data that measured it."""
        ...

    def embed(self, batch: Sequence[M_contra]) -> Vectors:
        """Return (len(batch), dim) float32 rows of norm 1, each independent of the others."""
        ...


@runtime_checkable
class Modality(Protocol[M]):
    """Entry point group `siamkit.modalities`. Constructed without arguments, and cheaply.

    Six more attributes are optional. `nouns` are the words for an identity, singular and plural:
    ("person", "people"). `purpose` says what the modality is for, in a sentence.
    `fusion = "mean"` scores an identity by the mean of its templates instead of the nearest.
    `calibration` is the Path of a file that `siamkit calibrate --output` wrote for its encoder.
    `snorm = True` makes `siamkit calibrate` decide by adaptive S-norm. `find_thresholds` maps
    (encoder, detector), by name, to the Threshold of a search in pictures that is not calibrated,
    with the data that it was measured on.
    """

    name: str  # "faces"; the entry point's name, lower case, [a-z][a-z0-9-]*
    kind: Kind  # of the media, which its detectors share: "image", "audio", "text"
    detector: str | None  # default entry of `siamkit.regions`; None embeds the whole sample

    def load(self, source: Source) -> M:
        """Decode, or raise UnreadableSample. The same bytes give the same medium."""
        ...

    def crop(self, medium: M, region: Region) -> M:
        """Cut, mask and align one region for the encoder."""
        ...

    def encoder(self, folder: Path | None = None) -> Encoder[M]:
        """Open an encoder folder; None for the weights that the plugin ships.

        Raises MissingWeights.
        """
        ...

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return test samples as (identity, sample) pairs: at least two for each of two identities.

        They are made or shipped, never fetched.
        """
        ...


@runtime_checkable
class BuildsEncoders(Protocol):
    """A modality whose encoder folders are built on this machine, once, from installed weights.

    With `ships_default = True` they are further ones: the default carries its own weights.
    """

    encoders: Mapping[str, str]  # name -> origin of its weights; the first is the default

    def build(self, name: str, folder: Path) -> None:
        """Write `encoder.onnx` and `encoder.json` into an empty folder.

        See siamkit.sdk.model_folder.
        """
        ...


@runtime_checkable
class AddsEncoders(Protocol):
    """A modality that converts other people's models to encoder folders. May import torch."""

    origins: Mapping[str, str]  # prefix -> where models come from, "hub: NAME" say, for people

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of `origin:model` into an empty folder.

        Raises MissingWeights if the model is not installed and cannot be fetched, BadInput if this
        modality cannot use it.
        """
        ...


@runtime_checkable
class Notes(Protocol):
    """An encoder that reports on what it embedded. Optional."""

    def notes(self) -> list[str]:
        """Return the lines since the last call: '3 texts were longer than 256 tokens …'.

        They are shown, and listed in JSON.
        """
        ...


@runtime_checkable
class Blind(Protocol[M_contra]):
    """An encoder that knows which media it cannot see: texts in an unknown script. Optional.

    No decision is made on such a medium, and enrolment refuses it: its vector would match others
    whatever they show.
    """

    def blind_to(self, medium: M_contra) -> str:
        """Return why the vector of a cropped medium tells nothing of it; empty if it does."""
        ...


@runtime_checkable
class Layered(Protocol[M_contra]):
    """An encoder that serves an encoder folder, and shows the layers of its graph. Optional.

    An attribute is optional: `tensors: Path`, the one file beside the graph that holds its weights.
    A modality may have `picture(array)`, which returns one input of its network, without the batch,
    as (height, width, 3) uint8 pixels for people; an encoder of texts, `tokens(text)`, the pieces
    that its network reads, as it reads them.
    """

    folder: Path

    def inputs(self, batch: Sequence[M_contra]) -> Mapping[str, NDArray[Any]]:
        """Return the graph's inputs for a batch, by name; the first axis counts the media."""
        ...


@runtime_checkable
class Objects(Protocol[M_contra]):
    """A modality that knows differences which vectors miss, such as another number. Optional."""

    def objection(self, left: M_contra, right: M_contra, encoder: Any) -> Objection | None:
        """Return why two cropped media are not the same, however high their score; or None.

        It does not depend on their order. encoder: the open encoder of their vectors.
        """
        ...


@runtime_checkable
class Advises(Protocol):
    """A modality that knows how an inconclusive comparison becomes conclusive. Optional."""

    def advise(self, references: int) -> str:
        """Return what to do, in a line for people; empty if nothing helps.

        references: the number of enrolled samples that were compared with; 1 for a file.
        """
        ...


@runtime_checkable
class Reranker(Protocol[M_contra]):
    """A second opinion on pairs that a search found: slower than the cosine, and better."""

    name: str
    threshold: Threshold  # its value is a probability in [0, 1]
    candidates: float  # cosine at or above which a pair is worth judging

    def score(
        self,
        left: Sequence[M_contra],
        right: Sequence[M_contra],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """Return (n,) probabilities in [0, 1] that left[i] and right[i] are the same.

        They are symmetric, and independent of the other pairs of the call.
        """
        ...


@runtime_checkable
class Verifier(Reranker[M_contra], Protocol[M_contra]):
    """A reranker whose probabilities are calibrated, and which takes several references. Optional.

    Verifications and queries ask it by default if the modality's attribute `verifier` names it.
    """

    calibration: Path  # of its probabilities, with `of_means` for several references

    def against(self, probe: M_contra, references: Sequence[M_contra], score: float) -> float:
        """Return the probability that a probe is of the identity that all references are of.

        All are cropped media. score: the cosine to the one reference, or to their mean as
        siamkit.stats.scoring.mean_score corrects it.
        """
        ...


@runtime_checkable
class Reranks(Protocol):
    """A modality that offers rerankers. Optional. Each is used only where its name is given."""

    rerankers: Mapping[str, str]  # name -> description

    def reranker(self, name: str, encoder: Any) -> Reranker[Any]:
        """Open a reranker for the vectors of an open encoder.

        Raises Uncalibrated if it was not fitted to that encoder, MissingWeights if it is not
        installed.
        """
        ...


@runtime_checkable
class Trainable(Protocol[M_contra]):
    """A modality that `siamkit train` can train encoders for. Optional."""

    backbone: str  # the default: efficientnet-lite0, encoder, or a timm name

    def array(self, medium: M_contra) -> NDArray[Any]:
        """Return one crop as the network's input, always of the same shape and dtype.

        The trained encoder must prepare its media with this same function. An image is
        (height, width) or (height, width, channels) uint8.
        """
        ...

    def augment(
        self, array: NDArray[Any], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[Any]:
        """Return a variant of the same shape, dtype and identity.

        `shared` draws the same numbers for every sample of an identity in a batch, impostors
        included. Its changes may alter the identity, since they alter all of its samples alike:
        mirrored samples are one more identity to learn from.
        """
        ...

    def preprocessing(self) -> Mapping[str, Any]:
        """Return every constant of `crop` and `array` that changes the vectors, for the card."""
        ...


@runtime_checkable
class Mixes(Protocol):
    """A trainable modality that can compose one sample from parts of two. Optional."""

    def mix(self, left: NDArray[Any], right: NDArray[Any], at: float) -> NDArray[Any]:
        """Return an array of the same shape and dtype: a part of one, the remainder of the other.

        at: in [0, 1], which part. Mixing two identities with the same `at` gives samples of a
        third.
        """
        ...


@runtime_checkable
class BuildsNetworks(Protocol):
    """A modality that brings networks to train, besides timm's. Optional."""

    networks: Mapping[str, str]  # a backbone's name, or its prefix before a colon -> description

    def trainable(self, backbone: str) -> Any:
        """Bind the modality to one of them: an OwnNetwork with load, crop and encoder, too.

        May import torch. Raises BadInput or MissingWeights.
        """
        ...


@runtime_checkable
class OwnNetwork(Protocol[M_contra]):
    """The result of `BuildsNetworks.trainable`. `augment`, see Trainable, is optional."""

    dim: int  # of the network's vectors

    def array(self, medium: M_contra) -> NDArray[Any]:
        """See Trainable."""
        ...

    def preprocessing(self) -> Mapping[str, Any]:
        """See Trainable."""
        ...

    def network(self) -> Any:
        """Return a torch.nn.Module with initial weights: (n, …) arrays to (n, dim) floats.

        Its class may have a method `stages`, which returns lists of parameters from the input to
        the output: for settings that treat parts of it differently. See siamkit.train.stages.
        """
        ...

    def write(self, network: Any, folder: Path, card: Any) -> None:
        """Write the encoder folder of that network, trained, into an empty folder.

        `card` is a siamkit.sdk.model_folder.Card; its preprocessing and source may be replaced.
        Raises PluginError if the written encoder returns different vectors from the network.
        """
        ...


@runtime_checkable
class Viewed(Protocol):
    """A trainable modality that embeds several views of a sample. Optional.

    Each view is embedded separately and the vectors are concatenated, so a cosine is the mean of
    the views' cosines. `augment` must show each view in training, chosen by `shared`.
    """

    def views(self, arrays: Any) -> Sequence[Any]:
        """Return each view of a tensor (n, …) of arrays, of the same shape and dtype."""
        ...


@runtime_checkable
class Assesses(Protocol[M_contra]):
    """A modality that assesses the enrolment quality of a region. Optional."""

    def assess(self, medium: M_contra, region: Region) -> Quality:
        """Return the enrolment quality of a region, and its problems."""
        ...


@runtime_checkable
class StyleRenderer(Protocol[M]):
    """One style, ready to render media in; see `Stylises.open_renderer`."""

    def render(self, medium: M, strength: float = ..., progress: Progress = ...) -> M:
        """Return the content of a medium, of the same size, in the style.

        strength: in [0, 1]; at 0 the medium keeps its own style. Raises MemoryError.
        """
        ...


@runtime_checkable
class Stylises(Protocol[M]):
    """A modality that renders a medium in the style of others. Optional.

    A medium without a style is refused before, if the modality assesses it: see Assesses.
    """

    named_styles: Mapping[str, str]  # styles that it brings: name -> description

    def open_renderer(self, likes: Sequence[tuple[M | str, float]]) -> StyleRenderer[M]:
        """Open the mean of some styles, each with its share, above 0.

        likes: media, or names of `named_styles`. Raises BadInput for styles that cannot be mixed,
        MissingWeights.
        """
        ...


@runtime_checkable
class Streams(Protocol[M_co]):
    """A modality whose media may be too long for the memory: sounds. Optional."""

    def stream(self, source: Path | bytes) -> Iterator[M_co]:
        """Yield the medium that `load` would return, in pieces. Raises UnreadableSample."""
        ...


@runtime_checkable
class Separates(Protocol[M_contra]):
    """A modality of sounds that tells speakers apart within a few seconds. Optional."""

    def separate(self, medium: M_contra) -> list[list[Span]]:
        """Return the stretches of each speaker of a clip of up to ten seconds, in its seconds."""
        ...


@runtime_checkable
class Detector(Protocol[M_contra]):
    """Entry point group `siamkit.regions`. Constructed without arguments, and cheaply.

    Four attributes are optional: `labels: Sequence[str]`, the labels that its regions may have;
    `sought: str`, a noun for what it finds, such as "face", so that an answer can say "no face";
    `fingerprint: str`, which changes with its weights or settings; and `approximate = True` if its
    boxes are guesses, which a search of a picture may move to where they match best.
    """

    name: str
    kind: Kind

    def find(self, medium: M_contra) -> list[Region]:
        """Return the regions, best first; an empty list if there are none, never an exception."""
        ...


@runtime_checkable
class Prompted(Detector[M_contra], Protocol[M_contra]):
    """A detector that can be shown an object, by points or a box. Optional."""

    def find_prompted(self, medium: M_contra, prompt: Prompt) -> list[Region]:
        """Return the regions that a prompt marks, best first, each with a mask; [] if none.

        Raises BadInput for a prompt outside the picture.
        """
        ...


@runtime_checkable
class ScoreLimited(Detector[M_contra], Protocol[M_contra]):
    """A detector whose lowest score can be chosen. Optional."""

    min_score: float  # in [0, 1]; `find` leaves out regions of less

    def with_min_score(self, min_score: float) -> Detector[M_contra]:
        """Return the same detector with another lowest score."""
        ...


@runtime_checkable
class BuildsDetectors(Protocol):
    """A detector whose folders are built on this machine, once, from installed weights. Optional.

    It opens them, too: see OpensFolders.
    """

    detectors: Mapping[str, str]  # name -> origin of its weights

    def build(self, name: str, folder: Path) -> None:
        """Write `detector.onnx` and `detector.json` into an empty folder.

        See siamkit.sdk.detector_folder.
        """
        ...


@runtime_checkable
class AddsDetectors(Protocol):
    """A detector that converts other people's models to detector folders. Optional.

    It may import torch, and opens the folders, too: see OpensFolders.
    """

    origins: Mapping[str, str]  # prefix -> where models come from, for people

    def add(self, origin: str, model: str, folder: Path, *, labels: Path | None = None) -> None:
        """Write the detector folder of `origin:model` into an empty folder.

        labels: a file with the names of its classes, where the model does not have them. Raises
        MissingWeights if the model is not installed and cannot be fetched, BadInput if it cannot
        be used, PluginError if the exported model finds other regions than the original.
        """
        ...


@runtime_checkable
class OpensFolders(Protocol):
    """A detector that serves the detector folders which name it on their card. Optional."""

    def open(self, folder: Path) -> Detector[Any]:
        """Open a detector folder. Raises MissingWeights if it is absent or damaged."""
        ...


@runtime_checkable
class Index(Protocol):
    """One gallery's nearest-neighbour search: a cache of the store, rebuildable at any time."""

    exact: bool  # True if answers equal those of brute force

    def __len__(self) -> int: ...

    def cursor(self) -> Cursor:
        """Return the last change in the saved content."""
        ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add or replace vectors of distinct ids, so that a change may be applied twice."""
        ...

    def remove(self, ids: Ids) -> None:
        """Remove ids, ignoring absent ones, so that a change may be applied twice."""
        ...

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k best by cosine, among `within` if given. Equal scores: smaller id first."""
        ...

    def due(self) -> bool:
        """Return True if saving would make the next opening or search notably cheaper."""
        ...

    def save(self, cursor: Cursor) -> None:
        """Save content and `cursor` together; durable on return."""
        ...

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return structure, size on disk, measured recall …, for `siamkit index stats`."""
        ...

    def close(self) -> None:
        """Release files and memory; no call follows."""
        ...


@runtime_checkable
class IndexBackend(Protocol):
    """Entry point group `siamkit.indexes`."""

    name: str

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[Index, list[str]]:
        """Open the newest saved index of `key` whose cursor is `known` to the store, or a new one.

        Also returns one line for each saved file that was refused, with the reason.
        """
        ...

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        """Delete the saved files of every key that begins with `prefix`, half-written ones too.

        below: only those saved before this change.
        """
        ...


@runtime_checkable
class Builds(Protocol):
    """An index with a structure that is costly to build, apart from what `save` writes. Optional.

    `save` writes vectors and cursor, which a search may scan; `build` trains and writes what makes
    searches fast. Enrolment and `siamkit index rebuild` build; a query never does.
    """

    def wants_build(self) -> bool:
        """Return True if what is saved has no structure that suits its size."""
        ...

    def build(self, progress: Progress) -> None:
        """Build the structure of what is saved; durable on return, and if killed, not there."""
        ...


@runtime_checkable
class Purges(Protocol):
    """An index backend that erases templates from what it has saved. Optional.

    Without it, a deletion drops the whole saved index.
    """

    def purge(self, prefix: str, ids: Ids, *, root: Path, seq: int) -> None:
        """Erase (n,) template ids from all that is saved under keys that begin with `prefix`.

        On return no file holds anything of their vectors; absent ids are ignored, so that a purge
        may be repeated. seq: the change that removed the last of them. What was purged counts as
        saved at `seq` for `drop`. Raises OSError; BlockingIOError while something is being
        written that may hold them: then `forget` repeats it for 5 s.
        """
        ...

    def remains(self, prefix: str, *, root: Path) -> str:
        """Return what of purged vectors is left, and until when, in one sentence; '' if nothing."""
        ...


@runtime_checkable
class Shared(Protocol):
    """An index backend that saves outside the store, where others save too: a server. Optional.

    Its keys begin with the id of the store. There is one state per key, which `save` replaces
    unless it is of a later change; one that `known` refused is replaced in any case. `open` raises
    IndexUnavailable if the server is away, as may every method of its index.

    Its address may come from the environment, SIAMKIT_NAME. An attribute is optional, for checks:
    `unreachable: str`, an address at which no server listens.
    """

    shared: bool  # True


@runtime_checkable
class Mines(Protocol):
    """An index backend that finds all near pairs of a set. Optional."""

    def mine(
        self,
        vectors: Vectors,
        floor: float,
        *,
        memory: int,
        progress: Progress = ...,
    ) -> tuple[Mapping[str, str | int | float | bool], Iterator[Mined]]:
        """Find every pair of (n, dim) unit vectors whose cosine is at least `floor`.

        Returns how it is done ("structure", "exact", and the measured "recall" if not exact), and
        the pairs, block by block. memory: bytes to use at most, besides the vectors. progress:
        of what comes before the first block. Raises BadInput if the memory is too little.
        """
        ...


@runtime_checkable
class Contrasts(Protocol):
    """An index backend that finds each row's nearest rows of other groups. Optional."""

    def nearest(
        self, vectors: Vectors, k: int, *, groups: Ids, below: NDArray[np.float32], recall: float
    ) -> Hits:
        """Find the k nearest rows of each of (n, dim) unit rows, as row numbers, deterministically.

        Only rows of another group count, and only cosines less than the row's limit: `groups` and
        `below` are (n,). recall: the share to aim for where n is too large to compare all rows.
        """
        ...
