"""Names of parametrised tests: the same in every process, so that workers can share them."""

from __future__ import annotations

import re


def shown(part: object) -> str:
    """The text of a part, without the addresses of callables, and not too long."""
    return re.sub(r"<(?:function|built-in method) (\S+)[^>]*?( at 0x\w+)>", r"\1", repr(part))[:80]
