"""Where in plugin files a fault comes from."""

import inspect
import linecache
import re
import sys
from typing import Any

from nca.registry.plugin_files import PREFIX

_MISCALL = re.compile(r"([\w.]+)\(\) (?:takes|missing|got an unexpected|got multiple|got some) ")
"""What Python says of a call whose arguments do not suit the function."""


def frames_in_plugins(fault: BaseException) -> list[tuple[str, int, str]]:
    """Return file, line and text of each place in plugin files that a fault came through."""
    found = []
    trace = fault.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        if str(trace.tb_frame.f_globals.get("__name__")).startswith(PREFIX):
            text = linecache.getline(code.co_filename, trace.tb_lineno, trace.tb_frame.f_globals)
            found.append((code.co_filename, trace.tb_lineno, text.strip()))
        trace = trace.tb_next
    if isinstance(fault, SyntaxError) and fault.filename and fault.lineno:
        found.append((fault.filename, fault.lineno, (fault.text or "").strip()))
    return found or _miscalled(fault)


def _miscalled(fault: BaseException) -> list[tuple[str, int, str]]:
    """Return the place of a function in a plugin that takes other arguments than it was given.

    Python raises that where the function is called, which is not in the plugin. Where plugins have
    functions of one name, it is that of the plugin that was executed last.
    """
    call = _MISCALL.match(str(fault)) if isinstance(fault, TypeError) else None
    if call is None:
        return []
    modules = [module for name, module in sys.modules.items() if name.startswith(PREFIX)]
    for module in reversed(modules):
        thing: Any = module
        for name in call[1].split("."):
            thing = getattr(thing, name, None)
        code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
        if code and code.co_filename == getattr(module, "__file__", None):
            text = linecache.getline(code.co_filename, code.co_firstlineno, vars(module))
            return [(code.co_filename, code.co_firstlineno, text.strip())]
    return []
