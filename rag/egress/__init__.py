"""Nothing leaves: what this process closes for itself, in three layers of different strength.

switches    every phone-home switch, set when `rag` is imported, before any library that reads one (hygiene)
endpoints   the one list of what may be reached
guard       an audit hook: stops and names accidents of Python code, with their stack (attribution, no proof)
lockdown    Landlock and seccomp: hold native code and children too (the kernel's word)
names       under lockdown no name server is asked: the listed hosts are looked up once, before
closing     all of it, in the right order, once in the life of a process

`rag.govern.proof` shows from outside what leaves.
"""

from rag.egress.guard import Denial, Guard, is_local
from rag.egress.switches import SWITCHES, close_phone_home

__all__ = ["SWITCHES", "Denial", "Guard", "close_phone_home", "is_local"]
