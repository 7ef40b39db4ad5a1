"""The Python API: one store, its galleries and every operation on them.

The command line uses nothing else.
"""

from __future__ import annotations

from siamkit.workspace.base import default_root
from siamkit.workspace.comparisons import ComparisonMethods
from siamkit.workspace.duplicates import DuplicateMethods
from siamkit.workspace.embedding import EmbeddingMethods
from siamkit.workspace.enrolment import EnrolmentMethods
from siamkit.workspace.exchange import ExchangeMethods
from siamkit.workspace.index import IndexMethods
from siamkit.workspace.layers import LayerMethods
from siamkit.workspace.library import LibraryMethods
from siamkit.workspace.measuring import MeasuringMethods
from siamkit.workspace.queries import QueryMethods
from siamkit.workspace.recordings import RecordingMethods
from siamkit.workspace.review import ReviewMethods
from siamkit.workspace.styles import StyleMethods
from siamkit.workspace.training import TrainingMethods

__all__ = ["Workspace", "default_root"]


class Workspace(  # the reference lists the methods of the last one first
    ExchangeMethods,
    StyleMethods,
    TrainingMethods,
    ReviewMethods,
    MeasuringMethods,
    DuplicateMethods,
    RecordingMethods,
    LayerMethods,
    ComparisonMethods,
    QueryMethods,
    LibraryMethods,
    EmbeddingMethods,
    IndexMethods,
    EnrolmentMethods,
):
    """A store and every operation on it; models and indexes stay open between calls.

    In the examples, `ws` is a workspace with the gallery `faces`, in which collins is enrolled, and
    the gallery `questions`; `photo` is an array, with her and a man who is not enrolled; `sk` is
    siamkit.

    Examples:
        >>> from siamkit import Workspace
        >>> ws = Workspace("people")
        >>> ws.enrol("faces", "collins", "collins-1.png").status
        'enrolled'
        >>> ws.query("faces", "collins-2.png")[0].identity
        'collins'

    path: the store's directory; None takes SIAMKIT_STORE, or else .siamkit in the working
    directory. It is created on the first enrolment, or by `init`.

    Methods raise subclasses of siamkit.SiamkitError, which name the input and the way out. A
    generator (`enrol_many`, `add_templates`, `against`) does its work as it is iterated.

    Threads may share a workspace, and a forked child may go on with its parent's. A pickled one
    opens the same path again.
    """
