"""What a plugin is. Duck typing suffices: no plugin needs to inherit from, or import, this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Cursor, Hits, Ids, Kind, Mined, Quality, Region, Threshold, Vectors

M = TypeVar("M")  # the decoded medium: Image, str, or the plugin's own class
M_contra = TypeVar("M_contra", contravariant=True)
M_co = TypeVar("M_co", covariant=True)

# The version of these protocols. A plugin may say which one it was made for, as `protocol: int`;
# one made for a newer version is refused.
PROTOCOL = 1

Source: TypeAlias = Path | bytes | str  # a file, its content, or (for text) the text itself


@runtime_checkable
class Encoder(Protocol[M_contra]):
    """Turns media into unit vectors. Loaded weights live here and nowhere else.

    One that is quicker with many media at once may say how many, as `batch: int`; one that knows
    its mean cosine of mated pairs, as `mated: float`, by which several samples of one identity are
    scored.
    """

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and of every preprocessing constant. Equal means comparable."""
        ...

    @property
    def threshold(self) -> Threshold | None:
        """The default decision threshold, with the rate and the data it stands for."""
        ...

    def embed(self, batch: Sequence[M_contra]) -> Vectors:
        """(len(batch), dim) float32, rows of norm 1, each row independent of its neighbours."""
        ...


@runtime_checkable
class Modality(Protocol[M]):
    """Entry point group `siamkit.modalities`. Constructed with no arguments, and cheaply.

    Three more attributes are optional. `fusion = "mean"` scores an identity by the mean of its
    templates, not by the nearest. `calibration`, the Path of a file of `siamkit calibrate
    --output`, says what its scores mean. `snorm = True` makes `siamkit calibrate` decide by
    adaptive S-norm.
    """

    name: str  # "faces"; the entry point's name, lower case, [a-z][a-z0-9-]*
    kind: Kind  # which detectors fit: "image", "audio", "text"
    detector: str | None  # default entry of `siamkit.regions`; None embeds the whole sample

    def load(self, source: Source) -> M:
        """Decode, or raise UnreadableSample. Same bytes, same medium."""
        ...

    def crop(self, medium: M, region: Region) -> M:
        """Cut, mask and align one region as the encoder wants it."""
        ...

    def encoder(self, folder: Path | None = None) -> Encoder[M]:
        """Open an encoder folder. None: the weights that the plugin itself carries.

        Raises MissingWeights.
        """
        ...

    def examples(self) -> Sequence[tuple[str, Source]]:
        """A few (identity, sample) pairs, two of each at least, made or shipped, never fetched."""
        ...


@runtime_checkable
class BuildsEncoders(Protocol):
    """A modality whose encoder folders are made on this machine, once, from installed weights."""

    encoders: Mapping[str, str]  # name -> where its weights come from; the first is the default

    def build(self, name: str, folder: Path) -> None:
        """Write `encoder.onnx` and `encoder.json` into an empty folder.

        See siamkit.sdk.model_folder.
        """
        ...


@runtime_checkable
class AddsEncoders(Protocol):
    """A modality that makes encoder folders out of other people's models. May import torch."""

    origins: Mapping[str, str]  # prefix -> what stands behind it, "hub: NAME" say, for people

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of `origin:model` into an empty folder.

        Raises MissingWeights if the model is not here and cannot be fetched, BadInput if it is
        none that this modality can use.
        """
        ...


@runtime_checkable
class Notes(Protocol):
    """An encoder that has something to say about what it embedded. Optional."""

    def notes(self) -> list[str]:
        """A line each since the last call: '3 texts were longer than 256 tokens …'."""
        ...


@runtime_checkable
class Reranker(Protocol[M_contra]):
    """A second opinion on pairs that a search has found: slower, and better, than cosine."""

    name: str
    threshold: Threshold  # its value is a probability in [0, 1]
    candidates: float  # cosine from which a pair is worth its while

    def score(
        self,
        left: Sequence[M_contra],
        right: Sequence[M_contra],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """(n,) probabilities in [0, 1] that left[i] and right[i] are the same.

        Symmetric, and each independent of the other pairs of the call.
        """
        ...


@runtime_checkable
class Reranks(Protocol):
    """A modality that offers rerankers. Optional."""

    rerankers: Mapping[str, str]  # name -> what it is; the first is what deduplication takes

    def reranker(self, name: str, encoder: Any) -> Reranker[Any]:
        """Open one for the vectors of an open encoder.

        Raises Uncalibrated if it was not fitted to that encoder, MissingWeights if it is not here.
        """
        ...


@runtime_checkable
class Trainable(Protocol[M_contra]):
    """A modality that `siamkit train` can make encoders for. Optional."""

    backbone: str  # the default: efficientnet-lite0, encoder, or a timm name

    def array(self, medium: M_contra) -> NDArray[Any]:
        """One crop as the network eats it: of one shape and dtype, whatever the crop.

        The encoder that is served must prepare its media with this very function. An image is
        (height, width) or (height, width, channels) uint8.
        """
        ...

    def augment(
        self, array: NDArray[Any], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[Any]:
        """A variant of the same shape and dtype, and still of the same identity.

        `shared` draws the same for every sample of an identity in a batch, impostors included.
        What it decides may change the identity, for it changes all of them alike: mirrored
        samples are an identity more to learn from.
        """
        ...

    def preprocessing(self) -> Mapping[str, Any]:
        """Every constant of `crop` and `array` that changes the vectors, for the card."""
        ...


@runtime_checkable
class Mixes(Protocol):
    """A trainable modality that can make one sample of parts of two. Optional."""

    def mix(self, left: NDArray[Any], right: NDArray[Any], at: float) -> NDArray[Any]:
        """An array of the same shape and dtype: a part of one, and what it lacks of the other.

        at: in [0, 1], which part. With the same `at`, samples of one identity and samples of
        another make samples of a third.
        """
        ...


@runtime_checkable
class BuildsNetworks(Protocol):
    """A modality that has networks of its own to train, beside timm's. Optional."""

    networks: Mapping[str, str]  # a backbone's name, or what stands before its colon -> what it is

    def trainable(self, backbone: str) -> Any:
        """The modality bound to one of them: an OwnNetwork that has load, crop and encoder too.

        May import torch. Raises BadInput, or MissingWeights.
        """
        ...


@runtime_checkable
class OwnNetwork(Protocol[M_contra]):
    """What `BuildsNetworks.trainable` gives. `augment`, see Trainable, may be left out."""

    dim: int  # of the network's vectors

    def array(self, medium: M_contra) -> NDArray[Any]:
        """See Trainable."""
        ...

    def preprocessing(self) -> Mapping[str, Any]:
        """See Trainable."""
        ...

    def network(self) -> Any:
        """A torch.nn.Module with the weights to begin with: (n, …) arrays to (n, dim) floats."""
        ...

    def write(self, network: Any, folder: Path, card: Any) -> None:
        """Write the encoder folder of that network, trained, into an empty folder.

        `card` is a siamkit.sdk.model_folder.Card; its preprocessing and its source may be replaced.
        Raises PluginError if what is served gives other vectors than the network.
        """
        ...


@runtime_checkable
class Viewed(Protocol):
    """A trainable modality that looks at a sample in several ways. Optional.

    Each view is embedded apart and the vectors are laid end to end, so that a cosine is the mean
    of the views' cosines. A view must be one that `augment` shows in training, by `shared`.
    """

    def views(self, arrays: Any) -> Sequence[Any]:
        """Tensors (n, …) of every view of a tensor of arrays, each of its shape and dtype."""
        ...


@runtime_checkable
class Assesses(Protocol[M_contra]):
    """A modality that can tell whether a region is fit for enrolment. Optional."""

    def assess(self, medium: M_contra, region: Region) -> Quality:
        """How fit for enrolment a region is, score in [0, 1], and what is wrong with it."""
        ...


@runtime_checkable
class Streams(Protocol[M_co]):
    """A modality whose media may be too long to hold: sounds. Optional."""

    def stream(self, source: Path) -> Iterator[M_co]:
        """What `load` would give, in pieces, in order. Raises UnreadableSample."""
        ...


@runtime_checkable
class Detector(Protocol[M_contra]):
    """Entry point group `siamkit.regions`. Constructed with no arguments, and cheaply."""

    name: str
    kind: Kind

    def find(self, medium: M_contra) -> list[Region]:
        """Best first. Nothing found is an empty list, never an exception."""
        ...


@runtime_checkable
class Index(Protocol):
    """One gallery's nearest neighbour searcher: a cache of the store, rebuildable at any time."""

    exact: bool  # True promises the same answer as brute force

    def __len__(self) -> int: ...

    def cursor(self) -> Cursor:
        """The last change that the saved content holds."""
        ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Upsert distinct ids, so that a change may be applied twice."""
        ...

    def remove(self, ids: Ids) -> None:
        """Ids that are not there are ignored, so that a change may be applied twice."""
        ...

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """The k best by cosine, only among `within` if given. Equal scores: smaller id first."""
        ...

    def due(self) -> bool:
        """True when saving would make the next opening or search notably cheaper."""
        ...

    def save(self, cursor: Cursor) -> None:
        """Durable on return, with `cursor` inseparable from the content."""
        ...

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Structure, size on disk, measured recall …, for `siamkit index stats`."""
        ...

    def close(self) -> None:
        """Let go of files and memory; nothing is called after it."""
        ...


@runtime_checkable
class IndexBackend(Protocol):
    """Entry point group `siamkit.indexes`."""

    name: str

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[Index, list[str]]:
        """The newest saved index of `key` whose cursor is `known` to the store, else an empty one.

        The second item says, a line each, which saved files were refused and why.
        """
        ...

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        """Delete what is saved of every key that begins with `prefix`, half-written files too.

        With `below`, only what was saved before that change.
        """
        ...


@runtime_checkable
class Mines(Protocol):
    """An index backend that finds all near pairs of a set at once. Optional."""

    def mine(
        self, vectors: Vectors, floor: float, *, memory: int
    ) -> tuple[Mapping[str, str | int | float | bool], Iterator[Mined]]:
        """Every pair of (n, dim) unit vectors whose cosine is at least `floor`.

        First how it is done: "structure", "exact", and the "recall" that was measured if it is
        not; then the pairs, block by block. `memory` is what may be taken, in bytes, on top of
        the vectors. Raises BadInput if that is too little.
        """
        ...


@runtime_checkable
class Contrasts(Protocol):
    """An index backend that finds each row's nearest rows of other groups. Optional."""

    def nearest(
        self, vectors: Vectors, k: int, *, groups: Ids, below: NDArray[np.float32], recall: float
    ) -> Hits:
        """For each of (n, dim) unit rows the k nearest, as row numbers; the same every time.

        Only rows of another of the groups (n,) count, and only cosines less than the row's own
        limit, below (n,). `recall` is the share of them to aim for where n is too large to
        compare each row with each.
        """
        ...
