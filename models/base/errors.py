"""What can go wrong inside the models, as one tree.

::

    ModelError
    ├── ArtifactError     a model folder is missing, changed or does not fit
    ├── SessionError      ONNX Runtime cannot open or run a graph
    ├── ImageError        a picture that cannot be read, or is none
    ├── StateError        a stored state of the trainer that cannot be continued from
    └── TextError         a text that cannot be understood at all (wrong type)

``models`` imports nothing of ``streams``; the worker maps these onto its own tree.
Each error says whether trying again can help (``retriable``) and ends with what the operator does.
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of every error raised by ``models``.

    ``what`` is one sentence that names the field, the value and what was expected;
    ``remedy`` is what the operator does about it.
    """

    retriable: bool = False

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} Operator action: {remedy}")
        self.what = what
        self.remedy = remedy


class ArtifactError(ModelError):
    """A model folder is missing, incomplete, altered, or does not fit its neighbours."""

    def __init__(self, path: object, field: str, expected: object, found: object, remedy: str) -> None:
        super().__init__(f"Artifact {path}: {field}: expected {expected}, found {found}.", remedy)
        self.path = str(path)
        self.field = field
        self.expected = expected
        self.found = found


class SessionError(ModelError):
    """ONNX Runtime could not open a graph, or the asked-for device is not there."""


class ImageError(ModelError):
    """A picture cannot be read, or is not an array of RGB pixels."""


class StateError(ModelError):
    """A stored state of the trainer that cannot be continued from."""


class TextError(ModelError):
    """A text is not a string."""
