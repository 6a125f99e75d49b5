"""Plugins: the things that come in under a name, and how they are discovered.

`register.rule("name")` and its like put a class or function under a name, `get("rule", "name")`
returns it. `discovery` finds what installed packages and files offer, `importer` is the contract
of those that read foreign weights.
"""

from nca.registry.registry import Entry, register, registry

add, promise, get = registry.add, registry.promise, registry.get
names, entries = registry.names, registry.entries
demand, origin, preserved = registry.demand, registry.origin, registry.preserved

__all__ = [
    "Entry",
    "add",
    "demand",
    "entries",
    "get",
    "names",
    "origin",
    "preserved",
    "promise",
    "register",
    "registry",
]
