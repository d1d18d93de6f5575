"""How one command runs: its folder, the launcher that forks a runner for it, its log, its end.

A runner needs neither the daemon nor the server (PROMISES 2.2). What is an operating system's own is in `host_os`.
"""
