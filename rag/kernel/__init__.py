"""What a process closes for itself by the Linux kernel's means, through ctypes; nothing of Archivar is known here.

seccomp     filters on system calls              landlock    rules on files and TCP ports
witness     counts and names what a filter stops namespaces  an own network whose every route ends here
calls       the C library, and the call numbers of both processors

Everything here is irrevocable and holds for native code and for children too.
"""
