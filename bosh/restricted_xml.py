"""The XML of XMPP (XML 1.0 fifth edition, Namespaces in XML 1.0, RFC 6120 §11.1) as patterns and checks.

Names, references, characters and namespace declarations; what an element or a stream is made of stands in
`bosh.stanza_framer`. Nothing here builds a tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
"""What the prefix `xml` means without a declaration."""
XMLNS_NAMESPACE = "http://www.w3.org/2000/xmlns/"
"""What the prefix `xmlns` means; nothing else may be bound to it."""

SPACE = " \t\r\n"
"""White space (XML 1.0 §2.3)."""
CDATA = "<![CDATA["
"""What a CDATA section begins with."""

_NAME_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\ufffd\U00010000-\U000effff"
)
# U+FEFF, which the table of XML has, is left out: other parsers take it for a byte order mark
_NCNAME = rf"[{_NAME_START}][-.0-9\u00b7\u0300-\u036f\u203f\u2040{_NAME_START}]*+"
_QNAME = rf"{_NCNAME}(?::{_NCNAME})?+"
_S = "[ \\t\\r\\n]"

MARKUP = re.compile(
    rf"""([^<]*+)<(/?+)({_QNAME})((?:{_S}++{_QNAME}{_S}*+={_S}*+(?:"[^<"]*+"|'[^<']*+'))*+){_S}*+(/?+)>"""
)
"""Text and the tag behind it: text, `/` of an end tag, name, attributes, `/` of an empty element."""
ATTRIBUTE = re.compile(rf"""({_QNAME}){_S}*+={_S}*+("[^"]*+"|'[^']*+')""")
"""One attribute within the fourth group of MARKUP: name and quoted value."""
XML_DECLARATION = re.compile(
    rf"""<\?xml{_S}+version{_S}*={_S}*(?:'1\.[0-9]+'|"1\.[0-9]+")"""
    rf"""(?:{_S}+encoding{_S}*={_S}*(?:'(?P<a>[A-Za-z][\w.-]*)'|"(?P<b>[A-Za-z][\w.-]*)"))?"""
    rf"""(?:{_S}+standalone{_S}*={_S}*(?:'(?:yes|no)'|"(?:yes|no)"))?{_S}*\?>""",
    re.ASCII,
)
"""The declaration a stream may begin with (RFC 6120 §11.4)."""

_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#([0-9]+)|#x([0-9a-fA-F]+));")
_PREDEFINED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}
_FORBIDDEN_BYTES = bytes(code for code in range(0x20) if code not in b"\t\r\n")


class XmlError(Exception):
    """XML that is refused, with the stream error condition that says why (RFC 6120 §4.9.3)."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


def check_bytes(data: bytes) -> None:
    """Refuse the control characters that XML cannot carry: single bytes of UTF-8, so a split does no harm."""
    if len(data.translate(None, _FORBIDDEN_BYTES)) != len(data):
        raise XmlError("not-well-formed", "a control character")


def check_characters(text: str) -> None:
    """Refuse the two code points beyond `check_bytes` that XML cannot carry."""
    if not text.isascii() and ("\ufffe" in text or "\uffff" in text):
        raise XmlError("not-well-formed", "U+FFFE or U+FFFF")


def check_text(text: str) -> None:
    """Refuse character data with a bad reference or the end of a CDATA section in it."""
    if "&" in text:
        unescape(text)
    if "]]>" in text:
        raise XmlError("not-well-formed", "']]>' in character data")


def unescape(text: str) -> str:
    """The characters that `text` stands for. Raises XmlError for anything but legal references."""
    parts: list[str] = []
    position = 0
    while (ampersand := text.find("&", position)) >= 0:
        match = _REFERENCE.match(text, ampersand)
        if match is None:
            named = re.match(r"&[A-Za-z_][\w.-]*;", text[ampersand : ampersand + 64])
            raise XmlError(
                "restricted-xml" if named else "not-well-formed", "an unknown entity or a bare '&'"
            )
        parts += (text[position:ampersand], _PREDEFINED.get(match[0]) or _character(match[1], match[2]))
        position = match.end()
    parts.append(text[position:])
    return "".join(parts)


def _character(decimal: str | None, hexadecimal: str | None) -> str:
    digits = (decimal or hexadecimal or "").lstrip("0")
    code = int(digits or "0", 10 if decimal else 16) if len(digits) <= 7 else -1
    legal = 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    if not legal and code not in (0x9, 0xA, 0xD):
        raise XmlError("not-well-formed", "a reference to a character that XML does not have")
    return chr(code)


def attribute_value(quoted: str) -> str:
    """What a quoted attribute value means: references resolved, white space made spaces (XML 1.0 §3.3.3)."""
    value = quoted[1:-1]
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" in value or "\t" in value:
        value = value.replace("\n", " ").replace("\t", " ")
    return unescape(value) if "&" in value else value


def attribute_values(attributes: list[tuple[str, str]]) -> dict[str, str]:
    """The meaning of attributes that declare no namespace, by name as written."""
    return {name: attribute_value(quoted) for name, quoted in attributes if name.partition(":")[0] != "xmlns"}


def declared(attributes: list[tuple[str, str]]) -> dict[str, str]:
    """The namespaces that the attributes of one tag declare, by prefix ("" = the default namespace)."""
    namespaces: dict[str, str] = {}
    for name, quoted in attributes:
        if name == "xmlns":
            prefix = ""
        elif name.startswith("xmlns:"):
            prefix = name[6:]
        else:
            continue
        namespace = attribute_value(quoted)
        if namespace == XMLNS_NAMESPACE or (prefix == "xml") != (namespace == XML_NAMESPACE):
            raise XmlError("bad-namespace-prefix", "a reserved prefix or namespace is declared")
        if prefix and (not namespace or prefix == "xmlns"):
            raise XmlError("bad-namespace-prefix", "a prefix is undeclared or reserved")
        namespaces[prefix] = namespace
    return namespaces


def used_prefixes(names: list[str], scope: Mapping[str, str]) -> list[str]:
    """The prefixes of the attributes `names` (all with a colon), each bound in `scope`.

    Raises XmlError when one is not, or when two attributes mean the same one (Namespaces in XML §6.3).
    """
    prefixes: list[str] = []
    seen: set[tuple[str, str]] = set()
    for name in names:
        prefix, _, local = name.partition(":")
        if prefix == "xmlns":
            continue
        namespace = scope.get(prefix)
        if namespace is None:
            raise XmlError("bad-namespace-prefix", "an attribute's prefix is not declared")
        if (namespace, local) in seen:
            raise XmlError("not-well-formed", "an attribute stands twice")
        seen.add((namespace, local))
        prefixes.append(prefix)
    return prefixes
