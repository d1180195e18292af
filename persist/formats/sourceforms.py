"""The brackets of the source syntax: how each ends, where it may stand, and what it makes."""

from typing import Final

from .sourcebuilder import Builder, Form
from .sourcenames import WORDS

_NODES: Final = ("Instance", "Copyreg")

TOP: Final = Form("the file", Builder.inner, b"", named=True, after=b"\n")
LIST: Final = Form("a list", Builder.sequence, b"]")
PAREN: Final = Form("a tuple", Builder.parenthesised)
BRACES: Final = Form("a set", Builder.braces, b"}")
DICT: Final = Form("a dict", Builder.mapping, b"}", keyed=True)
# The same brackets where they belong to the object around them.
ARGUMENTS: Final = Form("(", Builder.call_arguments)
INNER_BRACES: Final = Form("{", Builder.inner, b"}")
INNER_DICT: Final = Form("{", Builder.inner, b"}", keyed=True)
REF: Final = Form("Ref", Builder.reference)

WORD_FORMS: Final = {
    form.name: form
    for form in (
        Form("Copyreg", Builder.node_closed, named=True),
        Form("Instance", Builder.node_closed, named=True),
        Form("Arguments", Builder.inner, within=("Instance",)),
        Form("Keywords", Builder.keywords, named=True, within=("Instance",)),
        Form("Members", Builder.inner, within=_NODES),
        Form("Items", Builder.pairs, within=_NODES),
        Form("Setter", Builder.setter, within=_NODES),
        Form("Ref", Builder.wrong_reference),
        Form("Deref", Builder.dereference),
        Form("set", Builder.empty_set),
        Form("frozenset", Builder.frozen),
        Form("bytearray", Builder.byte_array),
        Form("float", Builder.special_float),
        Form("Base64", Builder.packed),
        Form("Class", Builder.named),
        Form("Function", Builder.named),
        Form("Passport", Builder.record, named=True, within=("the file",)),
        Form("Signature", Builder.record, named=True, within=("the file",)),
        *(Form(word, Builder.word) for word in WORDS.values()),
    )
}
HOLDERS: Final = frozenset({"Items", "Keywords", "frozenset"})
"""The forms in which braces are no object of their own."""
