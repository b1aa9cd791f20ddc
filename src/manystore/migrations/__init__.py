"""What a migration file is written with: `from manystore.migrations import AddField, Field, Migration`."""

from ..schema.schema import Collection, Field, Index, Reference, Unique
from .change_operation import ChangeChoices, ChangeLength, ChangeNullability, ChangeType
from .field_operation import AddField, DropField, KeyedHash, RenameField
from .folder import Folder
from .history import History
from .index_operation import AddIndex, AddReference, AddUnique, DropIndex, DropReference, DropUnique
from .migration import Migration
from .model_operation import Arrange, ChangeKey, ChangeModel, CreateModel, DropModel, RenameModel
from .operation import CUT, FILL_IN, STOP, Manner, Operation
from .rewrite_operation import Discard, Gather, Precondition, Seed, Spread, Translate
from .value_operation import Fill, MapValues, MergeFields, SplitField
from .window import Window

__all__ = [
    "AddField",
    "AddIndex",
    "AddReference",
    "AddUnique",
    "Arrange",
    "CUT",
    "ChangeChoices",
    "ChangeKey",
    "ChangeLength",
    "ChangeModel",
    "ChangeNullability",
    "ChangeType",
    "Collection",
    "CreateModel",
    "Discard",
    "DropField",
    "DropIndex",
    "DropModel",
    "DropReference",
    "DropUnique",
    "FILL_IN",
    "Field",
    "Fill",
    "Folder",
    "Gather",
    "History",
    "Index",
    "KeyedHash",
    "Manner",
    "MapValues",
    "MergeFields",
    "Migration",
    "Operation",
    "Precondition",
    "Reference",
    "RenameField",
    "RenameModel",
    "STOP",
    "Seed",
    "SplitField",
    "Spread",
    "Translate",
    "Unique",
    "Window",
]
